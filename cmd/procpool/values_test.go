package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSizesMayHaveUnits(t *testing.T) {
	for text, want := range map[string]uint64{
		"0": 0, "100": 100, "64MiB": 64 << 20, "1.5 GiB": 3 << 29, "2kB": 2000, "7B": 7,
		"64M": 64 << 20, "1K": 1024, "1k": 1024, "2G": 2 << 30, "0.5T": 1 << 39, "1e3": 1000, "3MB": 3e6,
	} {
		n, err := parseSize(text)
		require.NoError(t, err)
		assert.Equal(t, want, n, text)
	}
	for _, text := range []string{"", "MiB", "M", "-1", "+1", "x", "1XB", "NaN", "Inf", "1e30", "0x10", "1_000", "1e999", "1 2", "max"} {
		_, err := parseSize(text)
		assert.Error(t, err, text)
	}
	n, err := parseLeak("max")
	require.NoError(t, err)
	assert.EqualValues(t, math.MaxInt64, n)
}

func TestWorkersMayBeRelativeToTheCPUs(t *testing.T) {
	for text, want := range map[string]int{
		"1": 1, "8": 8, "+2": 6, "+0": 4, "-1": 3, "-4": 1, "-9": 1, "-0": 4,
		"100%": 4, "50%": 2, "1%": 1, "150%": 6, "37.5%": 1,
	} {
		n, err := parseWorkers(text, 4)
		require.NoError(t, err, text)
		assert.Equal(t, want, n, text)
	}
	for _, text := range []string{"", "0", "00", "%", "0%", "-50%", "+50%", "x", "+", "-", "++1", "+-1", "--1", "1.5", "65537", "1e9%", "9999999999999999999", "NaN%"} {
		_, err := parseWorkers(text, 4)
		assert.Error(t, err, text)
	}
}

func TestListsOfCPUs(t *testing.T) {
	for text, want := range map[string][][]int{
		"0": {{0}}, "0,2-3": {{0, 2, 3}}, "0/1": {{0}, {1}}, "0-1/2,5/1023": {{0, 1}, {2, 5}, {1023}},
	} {
		lists, err := parseCPULists(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, lists, text)
	}
	for _, text := range []string{"", ",", "0,", "/", "0/", "-", "1-", "-1", "3-1", "1024", "0-1024", "x", "1-2-3", "0 1", "+1"} {
		_, err := parseCPULists(text)
		assert.Error(t, err, text)
	}
}

func TestLimitsAreNumbersOrShares(t *testing.T) {
	for text, want := range map[string]limitValue{"1": {count: 1}, "500": {count: 500}, "5%": {percent: 5}, "0.5%": {percent: 0.5}, "100%": {percent: 100}} {
		l, err := parseLimit(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, l)
		assert.Equal(t, text, l.String())
		assert.True(t, l.isGiven())
	}
	for _, text := range []string{"", "0", "-1", "%", "0%", "-1%", "100.1%", "x", "1.5", "99999999999", "NaN%"} {
		_, err := parseLimit(text)
		assert.Error(t, err, text)
	}
	assert.False(t, limitValue{}.isGiven())
}

func TestAShareOfFailuresIsJudgedLate(t *testing.T) {
	for _, test := range []struct {
		limit        string
		done, failed int64
		want         bool
	}{
		{"3", 100, 2, false},
		{"3", 3, 3, true},
		{"10%", 1, 1, false},
		{"10%", judgedAfter - 1, judgedAfter - 1, false},
		{"10%", 20, 1, false},
		{"10%", 20, 2, true},
		{"10%", 1000, 99, false},
	} {
		var h haltPart
		require.NoError(t, h.maxFailures.Set(test.limit))
		assert.Equal(t, test.want, h.isReached(test.done, test.failed), "%+v", test)
	}
	assert.False(t, (&haltPart{}).isReached(1000, 1000))
}

// FuzzFlagValues looks for text that a parser of a flag accepts and then takes for something impossible.
func FuzzFlagValues(f *testing.F) {
	for _, text := range []string{"64M", "1.5GiB", "+2", "-1", "50%", "0,2-3/4", "1e999", "0x1p-2", "NaN", "९", "%", "--"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := parseSize(text); err == nil && n > 1<<50 {
			t.Errorf("%q is a size of %d", text, n)
		}
		if n, err := parseWorkers(text, 8); err == nil && (n < 1 || n > maxWorkers+8) {
			t.Errorf("%q are %d workers", text, n)
		}
		if lists, err := parseCPULists(text); err == nil {
			if len(lists) == 0 {
				t.Errorf("%q names no CPU", text)
			}
			for _, cpus := range lists {
				if len(cpus) == 0 || cpus[0] < 0 || cpus[len(cpus)-1] > maxCPU {
					t.Errorf("%q are the CPUs %v", text, cpus)
				}
			}
		}
		if l, err := parseLimit(text); err == nil {
			again, err := parseLimit(l.String())
			if err != nil || again != l || !l.isGiven() {
				t.Errorf("%q is %v, and that %v (%v)", text, l, again, err)
			}
		}
	})
}

func TestASizeCanBeGivenAgain(t *testing.T) {
	for text, want := range map[string]string{"192M": "192MiB", "1.5GiB": "1536MiB", "1234567": "1234567", "100MB": "100000000", "2T": "2TiB", "64k": "64KiB"} {
		var size, again sizeValue
		assert.NoError(t, size.Set(text))
		assert.Equal(t, want, size.exact())
		assert.NoError(t, again.Set(size.exact()))
		assert.Equal(t, size, again)
	}
}
