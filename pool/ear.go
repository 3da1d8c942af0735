package pool

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/procpool/procpool/wire"
)

// ear says who reads what a worker sends: the proc's own goroutine, recv, or the caller of a Call who waits for nothing but its answer.
//
// While calls follow each other closely, recv leaves the reading to the callers: who has sent a task then reads the answer himself, and a call costs no
// switch between goroutines in the parent, which was a third of its time. Between two such calls nobody reads. That is a lease: recv looks again when
// a millisecond has passed without a call, when the worker gets anything else to do, or when it has died. A caller reads for moments only,
// nothing but results, and never waits within a frame; all else he leaves to recv.
type ear struct {
	quick atomic.Bool // calls follow each other closely: recv may leave the reading to the next

	mu     sync.Mutex
	who    reader
	last   time.Time // when a call was answered quickly
	used   bool      // a caller has read since the lease was looked at
	err    error     // what a caller met: recv ends with it
	back   chan bool // capacity 1: recv is to read again; made on demand
	expiry *time.Timer
}

type reader uint8

const (
	byRecv reader = iota
	byNobody
	byCaller
)

const (
	// leaseTime is how long nobody reads, at the most, when calls no longer follow each other.
	leaseTime = time.Millisecond

	// listenTime is how long a caller reads: longer tasks are worth a switch.
	listenTime = 200 * time.Microsecond
)

// lease leaves the reading to callers, and returns when that is over: with the error that one of them met. recv calls it between two
// frames of a worker that has nothing to do.
func (e *ear) lease() error {
	e.mu.Lock()
	if e.back == nil {
		e.back = make(chan bool, 1)
		e.expiry = time.AfterFunc(leaseTime, e.expire)
	} else {
		e.expiry.Reset(leaseTime)
	}
	e.who, e.used = byNobody, false
	e.quick.Store(false)
	e.mu.Unlock()
	<-e.back
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// expire ends a lease that was not used for a while.
func (e *ear) expire() {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.who == byNobody && !e.used:
		e.returnLocked()
	case e.who != byRecv:
		e.used = false
		e.expiry.Reset(leaseTime)
	}
}

// returnLocked makes recv read again.
func (e *ear) returnLocked() {
	e.who = byRecv
	e.expiry.Stop()
	e.back <- true
}

// attend makes recv read if nobody does: the worker was given something that no caller waits for.
func (e *ear) attend() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.who == byNobody {
		e.returnLocked()
	}
}

// take lets a caller read; false if somebody else does.
func (e *ear) take() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.who != byNobody {
		return false
	}
	e.who, e.used = byCaller, true
	return true
}

// leave ends that: recv is to go on where there is anything to be read or to be waited for.
func (e *ear) leave(more bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.who = byNobody
	if more || err != nil {
		e.err = err
		e.returnLocked()
	}
}

// note says that a call that recv read for was answered, and when it began.
func (e *ear) note(began time.Time) {
	end := time.Now()
	if end.Sub(began) > listenTime {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.quick.Store(e.who == byRecv && began.Sub(e.last) < leaseTime)
	e.last = end
}

// listen reads the answer to a call that p has just been sent, if nobody else does, and reports whether the call is answered. If it is not recv
// reads on.
func (p *proc) listen(c *call) bool {
	if !p.ear.take() {
		return false
	}
	var err error
	for err == nil && !c.released() && p.child.Await(listenTime) {
		if err = p.in.Fill(); err != nil {
			break
		}
		for err == nil && p.in.Ready() && p.in.Kind() == wire.Results {
			var f wire.Frame
			if f, err = p.in.Next(); err == nil {
				err = p.handle(f)
			}
		}
		if p.in.Buffered() > 0 {
			break // it is no result, or not whole
		}
	}
	answered := c.released()
	p.ear.leave(!answered || p.in.Buffered() > 0 || !p.isFree(), err)
	return answered
}

// isFree reports whether nothing is to be expected of p.
func (p *proc) isFree() bool {
	p.core.mu.Lock()
	defer p.core.mu.Unlock()
	return len(p.inflight) == 0 && !p.leaving && !p.retiring && !p.killed
}
