package main

import (
	"sync"
	"time"
)

const (
	// holdAfter is how often results are looked for that wait for earlier ones. One that has waited for twice as
	// long at most is recorded, so that a kill does not cost it. In most runs none waits so long.
	holdAfter = 500 * time.Millisecond
	// maxHeld bounds the value of such a record.
	maxHeld = 1 << 20
)

// waiting are the results that have come and are not printed yet, because that of an earlier input is missing.
type waiting struct {
	hold func(outcome) (held bool) // records one that waits for long

	mu      sync.Mutex
	results map[int]waitingResult // by place
	timer   *time.Timer           // runs while there are any
	round   int                   // of the timer
	closed  bool
}

type waitingResult struct {
	outcome outcome
	round   int // in which it came; -1 when hold has seen it
}

func newWaiting(hold func(outcome) bool) *waiting {
	return &waiting{hold: hold, results: map[int]waitingResult{}}
}

func (w *waiting) add(o outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.results[o.item.place] = waitingResult{o, w.round}
	if w.timer == nil && !w.closed {
		w.timer = time.AfterFunc(holdAfter, w.look)
	}
}

// remove takes the result of an item out, which is printed now, and reports whether it has been held.
func (w *waiting) remove(it item) (held bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.results, it.place)
	return it.past.held
}

// look records what has waited since the last round.
func (w *waiting) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.results) == 0 {
		w.timer = nil
		return
	}
	for place, r := range w.results {
		if r.round >= 0 && r.round < w.round {
			r.outcome.item.past.held = w.hold(r.outcome)
			w.results[place] = waitingResult{r.outcome, -1}
		}
	}
	w.round++
	w.timer.Reset(holdAfter)
}

// close ends the looking.
func (w *waiting) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.timer != nil {
		w.timer.Stop()
	}
}
