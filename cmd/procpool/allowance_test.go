package main

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTheLeewayIsWhatMayStillFail(t *testing.T) {
	for _, test := range []struct {
		limit        string
		done, failed int64
	}{
		{"1", 0, 0}, {"20", 0, 0}, {"20", 100, 19}, {"5%", 0, 0}, {"5%", 19, 0}, {"5%", 1000, 0}, {"5%", 1000, 49}, {"0.1%", 1, 0}, {"33.3%", 70, 20}, {"100%", 5, 5},
	} {
		t.Run(fmt.Sprintf("%s of %d", test.limit, test.done), func(t *testing.T) {
			var h haltPart
			assert.NoError(t, h.maxFailures.Set(test.limit))
			n := h.leeway(test.done, test.failed)
			assert.True(t, h.isReached(test.done+n, test.failed+n), "%d more failures reach the limit", n)
			assert.False(t, h.isReached(test.done+n-1, test.failed+n-1), "one less do not")
		})
	}
	h := haltPart{maxFailures: limitValue{percent: 100}}
	assert.Greater(t, h.leeway(30, 29), int64(1<<30), "all of them can no longer fail")
}

func TestFailuresGoBeyondTheLimitByThoseOfTheWorkersAtMost(t *testing.T) {
	var inputs strings.Builder
	for i := range 500 {
		fmt.Fprintln(&inputs, i)
	}
	for _, limit := range []int{1, 20, 100} {
		for _, order := range [][]string{{"--unordered"}, nil} {
			for _, workers := range []int{1, 3} {
				args := append([]string{"run", "fail", "--quiet", "--max-failures", strconv.Itoa(limit), "--workers", strconv.Itoa(workers)}, order...)
				r := runCommand(t, inputs.String(), args...)
				failures := strings.Count(r.stderr, ": fail #")
				assert.Equal(t, exitHalted, r.code, r.stderr)
				assert.GreaterOrEqual(t, failures, limit, args)
				assert.Less(t, failures, limit+workers, args)
			}
		}
	}
}

func TestTheLimitOfFailuresIsToldAlsoWhereAllInputsHaveRun(t *testing.T) {
	r := runCommand(t, "a\nb\nc\n", "run", "fail", "--quiet", "--max-failures", "3", "--workers", "2")
	assert.Equal(t, exitHalted, r.code)
	assert.Equal(t, 3, strings.Count(r.stderr, ": fail #"))
	assert.Contains(t, r.stderr, "procpool: stopped by --max-failures 3: 3 items done, 3 of them failed")

	r = runCommand(t, "", "run", "fail", "--quiet", "--max-failures", "3", "--workers", "2", "a", "b", "c")
	assert.Equal(t, exitHalted, r.code)
	assert.Regexp(t, `procpool: stopped by --max-failures 3: 3 items done, 3 of them failed\n$`, r.stderr)
}

func TestALimitOfFailuresThatIsNotReachedCostsNoItem(t *testing.T) {
	r := runCommand(t, strings.Repeat("x\n", 5000), "run", "echo", "--quiet", "--max-failures", "1", "--workers", "2")
	assert.Equal(t, exitOK, r.code)
	assert.Len(t, r.lines(), 5000)
}
