package serve

import (
	"sync/atomic"
	"time"
)

// trimAfter is how long a worker must have had nothing to do before it gives memory back.
const trimAfter = time.Second

// trimmer has a worker that has come to rest give back the memory that its tasks have left behind: Go's collector runs when something is allocated, so an idle
// worker would keep its garbage, some 4 MiB, for ever. It costs one timer a second while there are tasks, and nothing while there are none.
type trimmer struct {
	trim  func()                // nil: nothing is given back
	last  atomic.Pointer[batch] // that has come; nil while there is nothing to give back
	armed atomic.Bool           // the timer runs, or look does
	seen  *batch                // last when the timer was set; of whoever made armed true
	timer *time.Timer
}

func newTrimmer(trim func()) *trimmer {
	t := &trimmer{trim: trim}
	t.timer = time.AfterFunc(time.Hour, t.look)
	t.timer.Stop()
	return t
}

// touch notes that a batch has come.
func (t *trimmer) touch(b *batch) {
	if t.trim != nil {
		t.last.Store(b)
		t.arm()
	}
}

func (t *trimmer) arm() {
	if !t.armed.Load() && t.armed.CompareAndSwap(false, true) {
		t.wait()
	}
}

func (t *trimmer) wait() {
	t.seen = t.last.Load()
	t.timer.Reset(trimAfter)
}

// look trims if nothing has come since the timer was set, and what came last is over.
func (t *trimmer) look() {
	last := t.seen // nil where this process was stopped between the two steps of touch
	if last != nil && !last.over.Load() || !t.last.CompareAndSwap(last, nil) {
		t.wait()
		return
	}
	t.seen = nil // it may be garbage now
	t.trim()
	t.armed.Store(false)
	if t.last.Load() != nil {
		t.arm()
	}
}
