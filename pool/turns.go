package pool

import (
	"runtime"
	"sync"
	"time"
)

// turns limits how many processes start at the same time, to twice the processors: more would only slow each other down, hold a thread of this
// process each, and be late for their start timeouts. A channel with as many places as there are turns.
type turns chan struct{}

func newTurns() turns { return make(turns, 2*runtime.GOMAXPROCS(0)) }

// turnTime is how long a start may keep others waiting. One that takes longer does not use a processor, it waits for something: it might wait for
// the others.
const turnTime = time.Second

// take waits for a turn; false if quit is closed before there is one.
func (t turns) take(quit <-chan struct{}) bool {
	select {
	case t <- struct{}{}:
		return true
	case <-quit:
		return false
	}
}

// lend gives a turn that was taken back after a time, or when the returned function is called, whatever comes first.
func (t turns) lend(most time.Duration) (done func()) {
	back := sync.OnceFunc(func() { <-t })
	timer := time.AfterFunc(most, back)
	return func() {
		timer.Stop()
		back()
	}
}
