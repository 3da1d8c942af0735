package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPrimesKnowsTheTable(t *testing.T) {
	for n, want := range map[uint64]uint64{
		0: 0, 1: 0, 2: 1, 3: 2, 4: 2, 5: 3, 10: 4, 100: 25, 1000: 168, 10_000: 1229,
		100_000: 9592, 1_000_000: 78498, 10_000_000: 664579, 1<<18 + 1: 23000, 1 << 18: 23000,
	} {
		got, err := countPrimes(t.Context(), n)
		require.NoError(t, err)
		assert.Equal(t, want, got, "primes up to %d", n)
	}
}

func TestPrimesAgreesWithTrialDivision(t *testing.T) {
	want := uint64(0)
	for n := range uint64(3000) {
		if isPrime(n) {
			want++
		}
		got, err := countPrimes(t.Context(), n)
		require.NoError(t, err)
		require.Equal(t, want, got, "primes up to %d", n)
	}
}

func isPrime(n uint64) bool {
	for d := uint64(2); d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return n >= 2
}

func TestPrimesEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := countPrimes(ctx, 1e9)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestPrimesRefusesWhatWouldTakeDays(t *testing.T) {
	_, err := countPrimes(t.Context(), 1e15)
	assert.ErrorContains(t, err, "too large")
}

func TestNumbersMayBeWrittenInSomeWays(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, "42": 42, "1e6": 1e6, "1E3": 1000, "2.5e3": 2500, "1_000_000": 1e6, "18446744073709551615": 1<<64 - 1} {
		n, err := parseNumber(text)
		require.NoError(t, err)
		assert.Equal(t, want, n)
	}
	for _, text := range []string{"", "-1", "1.5", "1.5e0", "abc", "1e300", "18446744073709551616", "0x10", "NaN", " 1"} {
		_, err := parseNumber(text)
		assert.Error(t, err, "%q", text)
	}
}
