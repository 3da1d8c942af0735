package pool

import (
	"slices"
	"time"
)

// hoarders are the workers that may have tasks that they have not begun: those that an idle one takes from. All of it under core.mu.
type hoarders struct {
	all  []*proc // in no order
	turn int     // where the next search begins
}

// note looks whether a worker belongs to them.
func (h *hoarders) note(p *proc) {
	switch hoards := p.hoardsLocked(); {
	case hoards && p.hoard == 0:
		h.all = append(h.all, p)
		p.hoard = len(h.all)
	case !hoards && p.hoard > 0:
		h.drop(p)
	}
}

// drop takes a worker out, if it is in.
func (h *hoarders) drop(p *proc) {
	if p.hoard == 0 {
		return
	}
	last := len(h.all) - 1
	h.all[p.hoard-1] = h.all[last]
	h.all[p.hoard-1].hoard = p.hoard
	h.all[last] = nil
	h.all = h.all[:last]
	p.hoard = 0
}

// hoardsLocked reports whether tasks may wait behind another one in the worker.
func (p *proc) hoardsLocked() bool {
	left := 0
	for _, b := range p.inflight {
		if left += b.limit - b.got; left > 1 {
			return true
		}
	}
	return false
}

// movableLocked reports whether another worker may have the tasks of b.
func (c *core) movableLocked(b *batch) bool { return b.from != nil && b.from.place().queue == &c.queue }

// spareLocked returns how many tasks can be taken from a worker with a page, and how long they would usually take. One that has not begun is left to
// a worker that runs none: it is about to begin it.
func (p *proc) spareLocked() (n int, usual time.Duration) {
	running := false
	for _, b := range p.inflight {
		started := max(p.startedLocked(b), b.got)
		running = running || started > b.got
		if waits := b.limit - started; waits > 0 && p.core.movableLocked(b) {
			n += waits
			usual += time.Duration(waits) * p.core.speedOf(b).usual
		}
	}
	if n > 0 && !running {
		usual -= usual / time.Duration(n)
		n--
	}
	return n, usual
}

// takeSpareLocked takes up to most tasks back from a worker, the last first, and returns how many it got. They are at the head of their sources then.
func (p *proc) takeSpareLocked(most int) (taken int) {
	for _, b := range slices.Backward(slices.Clone(p.inflight)) {
		if taken < most && p.core.movableLocked(b) {
			had := b.limit
			p.recallLocked(b, max(p.startedLocked(b), b.limit-(most-taken)))
			taken += had - b.limit
		}
	}
	p.dropAnsweredLocked()
	p.core.hoarders.note(p)
	return taken
}

// searched is how many workers one that has nothing to do looks at: the number of workers must not make it slower. What it does not find it will, or
// the balance timer.
const searched = 8

// stealLocked gives a worker that would be idle half of what another has not begun, if that is worth it; all of it if the other seems to run a long
// task.
func (c *core) stealLocked(p *proc) bool {
	if len(p.inflight) > 0 || !p.roomLocked() || !c.queue.empty() || c.closed {
		return false
	}
	victim, n := c.richestLocked(p)
	if victim == nil {
		return false
	}
	n = victim.takeSpareLocked(n)
	return n > 0 && c.feedLocked(p, n)
}

// richestLocked returns the worker that most can be taken from, of those that it looks at, and how much is to be.
func (c *core) richestLocked(thief *proc) (victim *proc, n int) {
	h := &c.hoarders
	most := time.Duration(0)
	for range min(searched, len(h.all)) {
		h.turn = (h.turn + 1) % len(h.all)
		p := h.all[h.turn]
		if p == thief || p.page == nil {
			continue
		}
		spare, usual := p.spareLocked()
		stuck := p.stuckLocked()
		if spare == 0 || usual < leastTime && !stuck || victim != nil && usual <= most {
			continue
		}
		victim, n, most = p, (spare+1)/2, usual
		if stuck {
			n = spare
		}
	}
	return victim, n
}

// patience is how long a worker may be idle while another has tasks that it has not begun and that were not worth taking.
const patience = time.Millisecond

// armBalanceLocked makes sure that somebody looks, soon, whether tasks wait behind a busy worker while another has nothing to do.
func (c *core) armBalanceLocked() {
	if c.balancing || c.idle.n == 0 || len(c.hoarders.all) == 0 || c.closed {
		return
	}
	c.balancing = true
	time.AfterFunc(patience, func() {
		c.mu.Lock()
		defer c.unlock()
		c.balancing = false
		c.balanceLocked()
	})
}

// balanceLocked takes back what busy workers have not begun, for those that are idle. It takes everything, since what was not worth taking before waits
// behind a long task now; the queue spreads it again. A worker without a page is asked.
func (c *core) balanceLocked() {
	if c.idle.n == 0 || c.closed {
		return
	}
	from := slices.Clone(c.hoarders.all)
	for _, p := range from {
		if p.page != nil {
			n, _ := p.spareLocked()
			p.takeSpareLocked(n)
			continue
		}
		for _, b := range slices.Clone(p.inflight) {
			if c.movableLocked(b) {
				p.recallLocked(b, p.startedLocked(b))
			}
		}
	}
	c.pumpLocked()
	for _, p := range from {
		c.refillLocked(p)
	}
	c.armBalanceLocked()
}
