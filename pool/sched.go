package pool

import (
	"hash/fnv"
	"time"

	"github.com/procpool/procpool/wire"
)

// pumpLocked gives waiting tasks to idle workers, and starts parked ones if that is not enough.
func (c *core) pumpLocked() {
	for c.idle.n > 0 && !c.queue.empty() {
		c.refillLocked(c.idle.top.proc)
	}
	if !c.queue.empty() {
		c.rouseLocked()
	}
}

// refillLocked gives a worker as much as it should have, and says whether its slot is idle then.
func (c *core) refillLocked(p *proc) {
	s := p.slot
	if s.proc != p || !p.ready || p.leaving {
		c.hoarders.drop(p)
		p.leaveIfDoneLocked()
		return
	}
	for !p.retiring && (c.feedLocked(p, 0) || c.stealLocked(p)) {
	}
	c.hoarders.note(p)
	if p.quota == 0 {
		c.retireLocked(p)
	}
	switch {
	case len(p.inflight) > 0:
		c.idle.remove(s)
		s.followLocked(StateBusy)
		c.armBalanceLocked()
	case p.retiring:
		c.idle.remove(s)
		s.followLocked(StateIdle)
		p.leaveIfDoneLocked()
	default:
		c.idleLocked(s)
	}
}

// feedLocked gives a worker one more batch, of a certain size at the least, if it should have one and there is one.
func (c *core) feedLocked(p *proc, least int) bool {
	if !p.roomLocked() || c.stealsLocked(p) {
		return false
	}
	b := c.chooseLocked(p.slot).take(limiter{c, p, least})
	if b == nil {
		return false
	}
	p.giveLocked(b)
	return true
}

// roomLocked reports whether a worker should get another batch behind what it has: not if that would wait for long.
func (p *proc) roomLocked() bool {
	if p.quota == 0 || p.pending != nil {
		return false
	}
	if len(p.inflight) == 0 {
		return true
	}
	if p.page == nil || len(p.inflight) >= wire.MaxBatches-1 || p.inflight[0].heard != 0 || p.stuckLocked() { // one is kept for the finalizer
		return false
	}
	ahead := time.Duration(0)
	for _, b := range p.inflight {
		usual := p.core.speedOf(b).usual
		if usual == 0 || b.doomed > 0 {
			return false // nobody knows how long it takes
		}
		ahead += usual * time.Duration(b.limit-b.got)
	}
	return ahead < aheadTime
}

// silenceTime is how long a worker that has work may be silent before its running task is taken for a long one. It answers every millisecond otherwise.
const silenceTime = 2 * time.Millisecond

// stuckLocked reports whether a busy worker seems to run a long task: what is sent to it would wait behind that.
func (p *proc) stuckLocked() bool { return time.Since(p.heard) > silenceTime }

// stealsLocked reports whether p, which is busy, would take what an idle worker could begin at once.
func (c *core) stealsLocked(p *proc) bool {
	return len(p.inflight) > 0 && c.idle.n > 0 && p.slot.keyed.empty()
}

// chooseLocked returns the queue that a slot takes from next: its own or the common one, by priority.
func (c *core) chooseLocked(s *slot) *runQueue {
	own, waits := s.keyed.top()
	if !waits {
		return &c.queue
	}
	if common, waits := c.queue.top(); waits && common > own {
		return &c.queue
	}
	return &s.keyed
}

// idleLocked puts a slot on top of the idle ones.
func (c *core) idleLocked(s *slot) {
	s.followLocked(StateIdle)
	if s.link.listed {
		return
	}
	c.idle.push(s)
	c.armBalanceLocked()
	if c.cfg.idleFor > 0 {
		c.armIdleLocked(s)
	}
}

// armIdleLocked parks a slot that stays idle for too long. A slot has one timer, which looks again where it was busy meanwhile: one for each time
// that it got idle would be as many as there are calls.
func (c *core) armIdleLocked(s *slot) {
	s.idleSince = time.Now()
	if s.idleTimer == nil {
		s.idleTimer = time.AfterFunc(c.cfg.idleFor, s.onIdle)
	}
}

func (s *slot) onIdle() {
	c := s.core
	c.mu.Lock()
	defer c.unlock()
	s.idleTimer = nil
	if s.ending || !s.link.listed {
		return
	}
	if left := c.cfg.idleFor - time.Since(s.idleSince); left > 0 {
		s.idleTimer = time.AfterFunc(left, s.onIdle)
		return
	}
	if len(c.slots)-c.parked > c.cfg.idleMin {
		c.parkLocked(s)
	}
}

// setParkedLocked says whether a slot has no process because there was nothing to do, and keeps count.
func (s *slot) setParkedLocked(parked bool) {
	if s.parked == parked || s.removed {
		return
	}
	s.parked = parked
	if parked {
		s.core.parked++
	} else {
		s.core.parked--
	}
}

func (c *core) parkLocked(s *slot) {
	s.setParkedLocked(true)
	c.idle.remove(s)
	s.proc.leaveLocked(ReasonIdle)
}

// rouseLocked starts as many parked slots as there are tasks for.
func (c *core) rouseLocked() {
	if c.parked == 0 {
		return
	}
	need := 0
	for _, src := range c.queue.sources() {
		need += src.waits()
	}
	for _, s := range c.slots {
		if s.state == StateStarting && !s.parked {
			need-- // is on its way
		}
	}
	for _, s := range c.slots {
		if need <= 0 {
			return
		}
		if s.parked {
			s.unparkLocked()
			need--
		}
	}
}

func (s *slot) unparkLocked() {
	s.setParkedLocked(false)
	s.setLocked(StateStarting)
	select {
	case s.rouse <- struct{}{}:
	default:
	}
}

// wakeLocked makes a slot look at its own queue.
func (c *core) wakeLocked(s *slot) {
	switch {
	case s.parked: // its process, if it still has one, is leaving
		s.unparkLocked()
	case s.proc != nil:
		c.refillLocked(s.proc)
	}
}

// homeLocked returns the slot of a key: the one with the highest hash of key and slot (rendezvous hashing), so that only the keys of a slot
// that goes, or is broken, move.
func (c *core) homeLocked(key string) *slot {
	var best *slot
	var highest uint64
	h := fnv.New64a()
	_, _ = h.Write([]byte(key)) // a hash takes everything
	sum := h.Sum64()
	for _, s := range c.slots {
		if s.state == StateBroken && best != nil {
			continue
		}
		if sum := mix(sum ^ mix(uint64(s.id)+1)); best == nil || best.state == StateBroken && s.state != StateBroken || sum > highest {
			best, highest = s, sum
		}
	}
	return best
}

// mix spreads what differs in the last bytes alone over all bits; FNV does not.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// resettleLocked moves what came back to a slot that is being taken away: its last worker had it and did not begin it.
func (c *core) resettleLocked(s *slot) (after []func()) {
	if !s.removed || c.closed {
		return nil
	}
	for _, call := range c.rehomeLocked(s) {
		after = append(after, func() { call.complete(answer{err: errRemoved, worker: nowhere}) })
	}
	return after
}

// rehomeLocked moves what waits for a slot that is gone or broken to where its keys belong now. What is pinned to the slot is returned.
func (c *core) rehomeLocked(s *slot) (orphans []*call) {
	sources := s.keyed.sources()
	for _, call := range s.keyed.drainCalls() {
		if call.pinned != nil {
			call.dropped = true
			c.stats.Cancelled++
			orphans = append(orphans, call)
			continue
		}
		home := c.homeLocked(call.key)
		l := home.keyed.lane(c, call.lane.at.priority)
		l.push(call)
		home.keyed.push(l, false)
		c.wakeLocked(home)
	}
	for _, src := range sources {
		if j, ok := src.(*job); ok {
			s.keyed.remove(j)
			j.home = c.homeLocked(j.key)
			j.home.keyed.push(j, false)
			c.wakeLocked(j.home)
		}
	}
	return orphans
}
