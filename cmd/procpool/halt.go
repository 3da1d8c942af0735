package main

import (
	"errors"
	"fmt"
	"math"

	"github.com/spf13/pflag"
)

// haltPart is about ending a run before its inputs end, because of failures.
type haltPart struct {
	failFast    bool
	maxFailures limitValue
}

// judgedAfter is how many items must be done before a share of failures says something.
const judgedAfter = 20

func (h *haltPart) define(fs *pflag.FlagSet) {
	fs.BoolVar(&h.failFast, "fail-fast", false, "stop at the first item that fails, and end what runs")
	fs.Var(&h.maxFailures, "max-failures", fmt.Sprintf("stop when `N` items have failed, or N%% of those done once they are %d, and finish what runs", judgedAfter))
}

func (h *haltPart) check(*runFlags, func(string) bool) error {
	if h.failFast && h.maxFailures.isGiven() {
		return errors.New("--fail-fast stops at the first failure: leave it out, or --max-failures")
	}
	return nil
}

func (h *haltPart) join(*job) error { return nil }

// isReached tells whether so many failures are too many.
func (h *haltPart) isReached(done, failed int64) bool {
	switch l := h.maxFailures; {
	case l.count > 0:
		return failed >= int64(l.count)
	case l.percent > 0:
		return done >= judgedAfter && float64(failed)*100 >= l.percent*float64(done)
	}
	return false
}

// leeway is how many items would reach the limit if they were the next and all failed.
func (h *haltPart) leeway(done, failed int64) int64 {
	l := h.maxFailures
	if l.count > 0 {
		return int64(l.count) - failed
	}
	if l.percent >= 100 && failed < done {
		return math.MaxInt64
	}
	n := int64(0)
	if l.percent < 100 {
		n = int64(math.Ceil((l.percent*float64(done) - float64(failed)*100) / (100 - l.percent)))
	}
	return max(n, judgedAfter-done)
}

// text says what was reached.
func (h *haltPart) text() string {
	return "stopped by --max-failures " + h.maxFailures.String()
}
