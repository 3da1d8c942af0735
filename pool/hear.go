package pool

import (
	"runtime"
	"time"

	"github.com/procpool/procpool/internal/shm"
	"github.com/procpool/procpool/wire"
)

// The answer to a single short call need not go through the pipe. It is in the ring of the worker's page before it is written anywhere, and the caller has
// nothing to do but to wait for it. So he says in the page that he waits; a worker that sees that leaves the answer where it is and wakes him. That
// saves a read, a write, and waking first recv and then the caller, which together took longer than all else in a call.
//
// It is for a task that has its worker for itself and is known to be short. Nothing is sent behind it: the worker does not know when the answer is taken, and takes
// its place in the ring for free. What the worker has sent before, for the same task, keeps its order: where
// there is any, the answer goes through the pipe.
//
// Neither side falls asleep at once: what they wait for is mostly there within a few microseconds (internal/spin).
//
// Tried before: callers that read the pipe in recv's place. The runtime's poller was woken by each answer all the same, and a thread with it.

// hearTime is how long a caller waits for the page before he waits as everybody does. He holds a thread meanwhile.
const hearTime = 200 * time.Microsecond

// expectLocked has the caller of a batch's only call wait for the page, if that is worth it.
func (p *proc) expectLocked(b *batch) {
	c := p.core
	usual := c.speedOf(b).usual
	if !p.nudges() || len(p.inflight) > 0 || b.head.Flags&wire.WantTiming != 0 || b.head.Attempt != 1 || c.cfg.maxMemory > 0 || usual <= 0 || usual > hearTime/2 {
		return
	}
	if c.hearing.Add(1) > int32(runtime.GOMAXPROCS(0)) {
		c.hearing.Add(-1)
		return
	}
	b.heard = p.page.Listen(b.id)
	b.calls[0].direct = p
}

// hear waits for the answer to a call that expectLocked has chosen, and reports whether the call is answered.
func (p *proc) hear(c *call) bool {
	defer p.core.hearing.Add(-1)
	p.reading.RLock()
	taken := !p.deaf && p.page.AwaitAnswer(hearTime, &p.spinner)
	p.reading.RUnlock()
	if taken {
		p.core.mu.Lock()
		b := c.batch
		p.core.mu.Unlock()
		if err := p.collect(b); err != nil {
			p.kill(ReasonProtocol, err)
		}
	}
	return c.released()
}

// collect takes the answer to a batch that the worker has left in the ring, if it has: the process may have been buried meanwhile. What the worker says is checked as
// any frame is.
func (p *proc) collect(b *batch) error {
	c := p.core
	c.mu.Lock()
	if len(p.inflight) == 0 || p.inflight[0] != b || b.heard == 0 || p.page == nil {
		c.mu.Unlock()
		return nil
	}
	exec, left := p.page.Answer(b.heard)
	if !left {
		c.mu.Unlock()
		return nil
	}
	b.heard, b.fromPage = 0, true
	ring, _ := p.page.Unreceived(p.received) // none, where it lies: then there is no item
	_, rest, _ := wire.CutResult(ring)
	items := ring[:len(ring)-len(rest)]
	failed, err := wire.CheckResults(items, 1)
	if err != nil {
		c.mu.Unlock()
		return err
	}
	head := wire.ResultsHead{Exec: min(max(exec, 0), time.Since(b.sent))}
	p.acceptLocked(b, &head, items, 1, failed)
	p.answeredLocked()
	c.refillLocked(p)
	c.unlock()
	b.from.deliver(b, 0, 1, items, false)
	return nil
}

// hushLocked wakes the caller of a batch that is answered by the pipe, or not at all.
func (p *proc) hushLocked(b *batch) {
	if b.heard != 0 && p.page != nil {
		p.page.Hush(b.heard)
		b.heard = 0
	}
}

// mayOfferLocked reports whether shared memory may come for results of a batch. It does before they do, and through the pipe, as they must then.
func (p *proc) mayOfferLocked(b *batch) bool {
	name := b.heard
	b.heard = 0
	return !b.fromPage && (name == 0 || p.page.Hush(name) || p.page.Listener() != name)
}

// deafen wakes who waits for the page, and keeps others from it: it is about to go.
func (p *proc) deafen() {
	if p.page != nil && shm.CanNudge {
		p.page.Hush(p.page.Listener())
	}
	p.reading.Lock()
	p.deaf = true
	p.reading.Unlock()
}
