package pool

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/procpool/procpool/internal/backoff"
)

// State is what a slot is doing.
type State string

// The states of a slot.
//
//	         ready             task               answered
//	starting -----> idle -------------> busy -------------> idle
//	   ^  ^           |                   |
//	   |  |           | told to stop      | told to stop
//	   |  |           v                   v
//	   |  |        stopping <-------------+
//	   |  +---- backoff <---- a start failed
//	   +------- broken  <---- starts failed too often
//
// Whatever a process dies of, its slot is starting again, unless the pool ends.
const (
	StateStarting State = "starting"
	StateIdle     State = "idle"
	StateBusy     State = "busy"
	StateStopping State = "stopping"
	StateBackoff  State = "backoff"
	StateBroken   State = "broken"
	StateSpare    State = "spare" // ready, and in no slot yet: see WithSpare
)

// slot is a place in the pool. It survives the processes that take it. Its goroutine, supervise, starts them one after another; what tasks
// they get is decided by whoever holds core.mu.
type slot struct {
	core *core
	id   int // noSlot for a place for a spare

	ledger *ledger // what its processes did; that of its number

	first chan<- error  // takes the outcome of the first start; shared by the slots that were made together, with room for all
	told  bool          // of supervise: first was sent
	quit  chan struct{} // closed when the slot is to end
	rouse chan struct{} // capacity 1: a parked slot is needed, one that waits may try again, or a spare was taken

	// Under core.mu.
	state    State
	since    time.Time
	proc     *proc // that gets tasks; nil while there is none
	starting *proc // that is not ready yet
	spare    *proc // that is ready to be taken, in a place for a spare
	keyed    runQueue
	link     idleLink
	parked   bool // has no process because there was nothing to do
	removed  bool // taken away by Resize
	ending   bool // quit is closed
	starts   int
	retries  backoff.Backoff
	recent   []time.Time // failed starts
	inARow   int         // failed starts, each soon after the one before, since a worker did anything
	lastFail time.Time

	idleSince time.Time
	idleTimer *time.Timer // nil where it does not run
}

const (
	backoffFirst = 100 * time.Millisecond
	backoffMost  = 10 * time.Second
)

// growLocked adds n slots and starts their goroutines. What it returns tells how the first start of each has ended, as it does.
func (c *core) growLocked(n int) <-chan error {
	first := make(chan error, n)
	for range n {
		s := c.newSlotLocked(c.freeNumberLocked(), first)
		c.slots = append(c.slots, s)
		c.supervisors.Add(1)
		go s.supervise()
	}
	return first
}

func (c *core) newSlotLocked(id int, first chan<- error) *slot {
	s := &slot{
		core:    c,
		id:      id,
		first:   first,
		quit:    make(chan struct{}),
		rouse:   make(chan struct{}, 1),
		retries: backoff.New(backoffFirst, backoffMost),
		ledger:  c.figures.ledger(id),
	}
	s.setLocked(StateStarting)
	return s
}

// freeNumberLocked takes the lowest number that no slot has.
func (c *core) freeNumberLocked() int {
	if len(c.free) == 0 {
		c.numbers++
		return c.numbers - 1
	}
	lowest := len(c.free) - 1 // shrinkLocked sorts them
	id := c.free[lowest]
	c.free = c.free[:lowest]
	return id
}

func (s *slot) setLocked(state State) {
	if s.state != state {
		s.state, s.since = state, time.Now()
	}
}

// followLocked sets the state of a slot whose process has just become idle or busy.
func (s *slot) followLocked(state State) {
	if s.state != state {
		s.state, s.since = state, s.proc.life.turned
	}
}

// supervise keeps a process in the slot. One goroutine of each slot; it ends when the slot does.
func (s *slot) supervise() {
	defer s.core.supervisors.Done()
	for {
		p, err := s.obtain()
		if err != nil {
			if !s.failed(err) {
				return
			}
			continue
		}
		if !s.install(p) {
			<-p.gone
			return
		}
		if !s.attend(p) {
			return
		}
	}
}

// attend waits until the slot needs another process than p, and reports whether it needs one at all.
func (s *slot) attend(p *proc) bool {
	select {
	case <-p.renew:
		if err := s.leftAtOnce(p); err != nil {
			return s.failed(err)
		}
		return true
	case <-p.gone:
	}
	if err := s.prematurely(p); err != nil {
		return s.failed(err)
	}
	return s.wanted()
}

// leftAtOnce returns why p counts as a failed start although it got ready and lives: it takes its leave and has done nothing.
func (s *slot) leftAtOnce(p *proc) error {
	c := s.core
	c.mu.Lock()
	defer c.mu.Unlock()
	if !p.bye || p.tasks > 0 || len(p.inflight) > 0 || p.leaving {
		return nil
	}
	return errIdler
}

var errIdler = errors.New("the worker left by itself before it had done anything")

// prematurely returns why p counts as a failed start although it got ready: it ended by itself
// before it had done anything.
func (s *slot) prematurely(p *proc) error {
	c := s.core
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.tasks > 0 {
		s.recent, s.inARow = nil, 0
		s.retries.Reset()
	}
	switch {
	case p.tasks > 0 || p.leaving || p.killed && p.reason != ReasonProtocol || s.ending:
		return nil
	case p.bye:
		return errIdler
	}
	return p.exitErrorLocked()
}

// wanted waits until the slot is to have a process; false if it is to end.
func (s *slot) wanted() bool {
	c := s.core
	c.mu.Lock()
	select {
	case <-s.rouse: // it was needed again while its last process was leaving: that is known now
	default:
	}
	if waits := !c.queue.empty() || !s.keyed.empty(); waits || c.stopping.Load() {
		s.setParkedLocked(!waits) // a pool that drains starts no worker for nothing
	}
	parked, ending := s.parked, s.ending
	if !parked && !ending {
		s.setLocked(StateStarting)
	}
	c.mu.Unlock()
	switch {
	case ending:
		return false
	case !parked:
		return true
	}
	select {
	case <-s.rouse:
		return true
	case <-s.quit:
		return false
	}
}

// install makes p the process that gets the slot's tasks; false if the slot ends.
func (s *slot) install(p *proc) bool {
	c := s.core
	c.mu.Lock()
	defer c.unlock()
	if _, lives := c.live[p]; !lives && !s.ending { // it ended while it was on its way here: attend finds that out
		s.starting = nil
		return true
	}
	old := s.proc
	s.proc, s.starting = p, nil
	p.ready = true
	if s.starts++; s.starts > 1 && old == nil {
		c.stats.Restarts++
	}
	if s.ending {
		s.tellFirst(errRemoved)
		p.leaveLocked(ReasonStopped)
		return false
	}
	c.healthyLocked()
	s.tellFirst(nil)
	if old != nil {
		c.stats.Recycles++
		old.replaced = true
		old.leaveIfDoneLocked()
	}
	if !p.reserve { // else its age counts already
		c.armAgeLocked(p)
	}
	if p.bye {
		c.retireLocked(p)
	}
	c.refillLocked(p)
	return true
}

func (s *slot) tellFirst(err error) {
	if !s.told {
		s.told = true
		s.first <- err
	}
}

// failed counts a failed start and waits as long as the backoff says; false if the slot ends meanwhile.
func (s *slot) failed(err error) bool {
	c := s.core
	c.mu.Lock()
	if s.ending {
		c.mu.Unlock()
		s.tellFirst(errRemoved)
		return false
	}
	s.starting = nil
	if s.told && s.state != StateBroken && errors.Is(err, errKilled) { // which says nothing about the next one
		c.noteLocked(c.log.Warn, "a worker was killed while it started", "slot", s.id, "error", err)
		c.unlock()
		return true
	}
	now := time.Now()
	s.recent = append(s.recent, now)
	s.recent = slices.DeleteFunc(s.recent, func(t time.Time) bool { return now.Sub(t) > c.cfg.restartPer })
	wait := s.retries.Next()
	if now.Sub(s.lastFail) > c.cfg.startTimeout+2*backoffMost {
		s.inARow = 0
	}
	s.inARow++
	s.lastFail = now
	// Starts that take long before they fail, and the pauses between them, must not keep callers waiting for ever.
	if max(len(s.recent), s.inARow) > c.cfg.restartLimit || s.state == StateBroken {
		s.setLocked(StateBroken)
	} else {
		s.setLocked(StateBackoff)
	}
	if len(s.recent) == 1 && s.state == StateBackoff {
		wait = 0 // one failure may be chance
		s.retries.Reset()
	}
	switch {
	case s.isSpare():
		c.noteLocked(c.log.Warn, "a spare failed to start, or ended", "error", err, "again_in", wait)
	case s.told: // else whoever waits for the first start gets the error
		c.noteLocked(c.log.Warn, "worker failed to start", "slot", s.id, "error", err, "again_in", wait, "state", string(s.state))
	}
	var after []func()
	if s.state == StateBroken && !s.isSpare() {
		after = c.slotBrokenLocked(s, err)
	}
	if wait > 0 {
		c.pumpLocked() // what waited for this start can be done by a slot that rests
	}
	c.unlock()
	for _, f := range after {
		f()
	}
	s.tellFirst(err)
	return s.pause(wait)
}

// pause waits; false if the slot ends meanwhile.
func (s *slot) pause(wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.rouse:
	case <-s.quit:
		return false
	}
	c := s.core
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.state == StateBackoff {
		s.setLocked(StateStarting)
	}
	return !s.ending
}

// slotBrokenLocked moves what waits for a broken slot to others, and breaks the pool if no slot is left.
func (c *core) slotBrokenLocked(s *slot, cause error) (after []func()) {
	for _, other := range c.slots {
		if other.state != StateBroken {
			for _, call := range c.rehomeLocked(s) {
				after = append(after, func() { call.complete(answer{err: brokenError(cause), worker: nowhere}) })
			}
			return after
		}
	}
	if c.broken == nil {
		c.noteLocked(c.log.Error, "the pool is broken: no worker can be started", "error", cause)
	}
	c.broken = cause
	return c.failAllLocked(brokenError(cause))
}

// healthyLocked takes note that a worker could be started.
func (c *core) healthyLocked() {
	if c.broken != nil {
		c.broken = nil
		c.noteLocked(c.log.Warn, "the pool works again")
	}
}

// quitLocked makes the slot end: its process in good order, or, if it has none, at once.
func (s *slot) quitLocked() {
	if s.ending {
		return
	}
	s.ending = true
	close(s.quit)
	if s.idleTimer != nil {
		s.idleTimer.Stop() // it would hold the pool
	}
	s.core.idle.remove(s)
	if s.proc != nil {
		s.proc.leaveLocked(ReasonStopped)
		s.setLocked(StateStopping)
	}
	if s.spare != nil {
		s.spare.leaveLocked(ReasonStopped)
		s.setLocked(StateStopping)
	}
	if s.starting != nil {
		s.starting.killLocked(ReasonStopped, nil)
	}
}

// jittered lowers a limit by a random part of the recycling jitter.
func (c *core) jittered(limit float64) float64 { return limit * (1 - rand.Float64()*c.cfg.jitter) }

// armAgeLocked retires a worker when it gets too old. Its age counts from when it was ready: else a limit below the time that a start takes
// would renew without end.
func (c *core) armAgeLocked(p *proc) {
	if c.cfg.maxAge <= 0 {
		return
	}
	age := time.Duration(c.jittered(float64(c.cfg.maxAge)))
	timer := time.AfterFunc(age, func() {
		c.mu.Lock()
		defer c.unlock()
		if p.leaving {
			return // what it has now may be the finalizer
		}
		if p.slot.isSpare() {
			p.leaveLocked(ReasonRetired)
			return
		}
		c.retireLocked(p)
		p.recallAllLocked()
		p.dropAnsweredLocked()
		p.leaveIfDoneLocked()
		c.pumpLocked()
	})
	go func() { // the timer goes with the process
		<-p.gone
		timer.Stop()
	}()
}

// retireLocked asks for a replacement of p, which gets no more tasks.
func (c *core) retireLocked(p *proc) {
	if p.retiring || p.leaving || p.slot.proc != p {
		return
	}
	p.retiring = true
	c.idle.remove(p.slot)
	close(p.renew)
}

// leaveIfDoneLocked lets a retired worker go when it has answered everything and its replacement is there.
func (p *proc) leaveIfDoneLocked() {
	if p.retiring && p.replaced && len(p.inflight) == 0 {
		p.leaveLocked(ReasonRetired)
	}
}

var errRemoved = errors.New("procpool: the slot was taken away by Resize")
