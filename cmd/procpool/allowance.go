package main

import (
	"context"
	"iter"
)

// allowance lets no more items be under way than may fail: if all did, --max-failures would just be reached. Without it whole batches would
// fail before the first failure is known. Every worker has an item all the same, so that the failures go beyond the limit by those of
// the workers at the most.
type allowance struct {
	halt    *haltPart
	counts  *counts
	workers int64
	stopped func() bool
	changed chan struct{} // something came, or the run is to end

	given int64 // items; of the goroutine that reads them
}

func newAllowance(j *job, workers int) *allowance {
	return &allowance{
		halt: &j.flags.halt, counts: &j.counts, workers: int64(workers), changed: make(chan struct{}, 1),
		stopped: func() bool { return j.whyStopped() != notStopped },
	}
}

// limit yields items as they are allowed. What an earlier run has done costs nothing.
func (a *allowance) limit(ctx context.Context, items iter.Seq[item]) iter.Seq[item] {
	return func(yield func(item) bool) {
		for it := range items {
			if !it.past.isDone() {
				if !a.await(ctx) {
					return
				}
				a.given++
			}
			if !yield(it) {
				return
			}
		}
	}
}

// await waits until one more item may be under way; false if the run ends before.
func (a *allowance) await(ctx context.Context) bool {
	for {
		if a.stopped() {
			return false
		}
		// In this order: a failure is counted before it counts as done.
		done := a.counts.done.Load()
		leeway := a.halt.leeway(done, a.counts.failed.Load())
		// Once there is none the limit is reached, and the run is stopped in a moment.
		if leeway > 0 && a.given-done < max(a.workers, leeway) {
			return true
		}
		select {
		case <-a.changed:
		case <-ctx.Done():
			return false
		}
	}
}

// wake has the allowance looked at again. A nil *allowance limits nothing.
func (a *allowance) wake() {
	if a == nil {
		return
	}
	select {
	case a.changed <- struct{}{}:
	default:
	}
}
