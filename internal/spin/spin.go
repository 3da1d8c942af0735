// Package spin waits for a moment without going to sleep, where that pays.
//
// What a caller and a worker wait for is often there within a few microseconds. To fall asleep and be woken takes about as long where both
// run on one processor, and several times as long where the other processor has gone to sleep meanwhile, in a virtual machine above all: 20 us each
// way on the one that this was measured on, 40 us for a round trip whose work takes 2. One that looks again and again, and yields in between,
// is there at once. Whoever else wants the processor gets it, and who looked in vain a few times does not for a while: then it costs 20 us in 64 waits.
package spin

import (
	"sync/atomic"
	"time"
)

const (
	// most is how long a turn looks: about what it costs to be woken.
	most = 20 * time.Microsecond

	// slow is how long a yield may take. Where it takes longer there are programs that use the processors up: a sleeper is woken before they have had
	// their turn, one that yields is not.
	slow = 50 * time.Microsecond

	// restMost is the binary logarithm of how many turns are left out at the most, after as many in vain.
	restMost = 6
)

// Spinner knows whether looking has paid lately. The zero Spinner is ready; a nil one never looks. Those that share one may mix their experiences.
type Spinner struct {
	vain atomic.Int32 // turns in vain, one after another
	rest atomic.Int32 // so many turns are left out
}

// Turn is one wait.
type Turn struct {
	s           *Spinner
	began, last time.Time
	slow        bool
}

// Start begins a turn.
func (s *Spinner) Start() Turn {
	switch {
	case s == nil || !canYield:
		return Turn{}
	case s.rest.Load() > 0:
		s.rest.Add(-1)
		return Turn{}
	}
	now := time.Now()
	return Turn{s: s, began: now, last: now}
}

// Again gives the processor to whoever wants it, and reports whether it is worth looking again.
func (t *Turn) Again() bool {
	if t.s == nil || t.slow || t.last.Sub(t.began) > most {
		return false
	}
	yield()
	now := time.Now()
	t.slow = now.Sub(t.last) > slow
	t.last = now
	return true
}

// Stop ends the turn. found says that what was waited for is there.
func (t *Turn) Stop(found bool) {
	switch {
	case t.s == nil:
	case t.slow:
		t.s.leaveOut(restMost)
	case found:
		t.s.vain.Store(0)
	default:
		t.s.leaveOut(min(t.s.vain.Load()+1, restMost))
	}
}

func (s *Spinner) leaveOut(vain int32) {
	s.vain.Store(vain)
	s.rest.Store(1<<vain - 1)
}
