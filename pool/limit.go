package pool

import (
	"cmp"
	"runtime"
	"time"

	"github.com/procpool/procpool/internal/shm"
	"github.com/procpool/procpool/wire"
)

// limits are the time limits of a task, from its start; 0 for none.
type limits struct{ soft, hard time.Duration }

// limits returns what holds for one call: what its options say, else what the pool's do. A soft limit that the pool has set does not reach beyond the
// hard limit of one call.
func (c *config) limits(cfg *callConfig) limits {
	l := limits{soft: c.softTimeout, hard: c.taskTimeout}
	if cfg.hardSet {
		l.hard = cfg.hard
	}
	switch {
	case cfg.softSet:
		l.soft = cfg.soft
	case l.hard > 0 && l.soft >= l.hard:
		l.soft = 0
	}
	return l
}

// quitTime is what a worker has to write down its goroutines before it is killed.
const quitTime = 250 * time.Millisecond

// overdue is the task that made the pool end a process: it ran for longer than its hard limit.
type overdue struct {
	batch  *batch
	offset int
	from   int64 // position in standard error at the limit: what comes then is the dump

	stack string // of an inline worker, which writes none
}

// watchdog keeps watch over the hard limits of one process's tasks: one timer, which fires when the running task can be over its limit at the
// earliest. A process that runs a million tiny tasks costs no more than one that runs a single long one.
type watchdog struct {
	timer *time.Timer
	due   time.Time // when the timer fires; zero where it does not run

	// The task that ran when the timer fired last, and when it began as far as that is known. A worker that claims that its task
	// began later is not believed.
	batch  uint64
	offset int
	begun  int64
}

// armWatchdogLocked makes sure that the timer of p fires at time at, or before.
func (p *proc) armWatchdogLocked(at time.Time) {
	g := &p.watchdog
	if !g.due.IsZero() && !at.Before(g.due) {
		return
	}
	g.due = at
	wait := max(time.Until(at), 0)
	if g.timer == nil {
		g.timer = time.AfterFunc(wait, p.onWatchdog)
		return
	}
	g.timer.Reset(wait)
}

// stop lets go of a process that has ended: its timer would hold it, buffers and all, for as long as the limit is.
func (g *watchdog) stop() {
	if g.timer != nil {
		g.timer.Stop()
	}
}

func (p *proc) onWatchdog() {
	c := p.core
	c.mu.Lock()
	defer c.unlock()
	p.watchdog.due = time.Time{}
	if _, alive := c.live[p]; !alive || p.killed {
		return
	}
	b, offset, begun := p.runningLocked()
	if b == nil {
		p.rearmWatchdogLocked()
		return
	}
	left := b.head.Hard - time.Duration(shm.Clock()-begun)
	switch {
	case b.head.Hard == 0:
		p.rearmWatchdogLocked()
	case left > 0:
		p.armWatchdogLocked(time.Now().Add(left))
		p.rearmWatchdogLocked() // what waits behind it may begin at once, and have less time
	default:
		p.overdueLocked(b, offset)
	}
}

// rearmWatchdogLocked comes back when what p has and has not begun can be over its limit at the earliest.
func (p *proc) rearmWatchdogLocked() {
	for _, b := range p.inflight {
		if b.head.Hard > 0 {
			p.armWatchdogLocked(time.Now().Add(b.head.Hard))
		}
	}
}

// runningLocked returns the task that p runs now and when it began, by shm.Clock; nil where none runs.
func (p *proc) runningLocked() (b *batch, offset int, begun int64) {
	claimed, answered := 0, 0
	for _, in := range p.inflight {
		if started := p.startedLocked(in); started > 0 {
			b, offset = in, started-1
			claimed += started - in.got
		}
	}
	switch {
	case b == nil || p.page == nil && claimed == 0: // what was announced last is answered
		return nil, 0, 0
	case p.page == nil:
		return b, offset, p.noticed
	}
	// What the ring holds is finished, though it has not come by the pipe yet.
	if ring, ok := p.page.Unreceived(p.received); ok {
		answered, _, _ = countResults(ring, claimed)
	}
	if answered >= claimed {
		return nil, 0, 0
	}
	begun = min(max(p.page.Begun(), 0), shm.Clock()) // after the claim word: see package shm
	g := &p.watchdog
	if g.batch == b.id && g.offset == offset {
		begun = min(begun, g.begun)
	}
	g.batch, g.offset, g.begun = b.id, offset, begun
	return b, offset, begun
}

// overdueLocked ends a process whose task is over its hard limit: it is asked to write down where its goroutines are, and
// killed. What it has not started goes elsewhere at once.
func (p *proc) overdueLocked(b *batch, offset int) {
	c := p.core
	p.overdue = &overdue{batch: b, offset: offset, from: p.text.position()}
	if c.cfg.inline {
		p.overdue.stack = allStacks()
	}
	for _, in := range p.inflight {
		p.recallLocked(in, p.startedLocked(in))
	}
	p.reason, p.killed, p.leaving = ReasonTimeout, true, true
	if p.slot.proc == p {
		c.idle.remove(p.slot)
		p.slot.setLocked(StateStopping)
	}
	p.text.mute()
	p.child.Quit()
	time.AfterFunc(quitTime, p.child.Kill)
	c.pumpLocked()
}

// answerableLocked returns up to which offset of b the results that a dead worker left behind count. An inline worker does not die: a task that it was told
// to leave may answer still.
func (p *proc) answerableLocked(b *batch, started int) int {
	if o := p.overdue; o != nil && o.batch == b && p.core.cfg.inline {
		return min(started, o.offset)
	}
	return started
}

// lossLocked says why a task that p was running is lost.
func (p *proc) lossLocked(b *batch, offset int) error {
	exit := p.exitErrorLocked()
	o := p.overdue
	if o == nil || o.batch != b || o.offset != offset {
		return exit
	}
	p.core.stats.TimedOut++
	exit.Stderr = p.text.between(p.mark, o.from)
	return &TimeoutError{Limit: b.head.Hard, Hard: true, Stack: cmp.Or(o.stack, p.text.dump(o.from)), Err: exit}
}

// allStacks is the stacks of all goroutines of this process.
func allStacks() string {
	buf := make([]byte, tailSize)
	return string(buf[:runtime.Stack(buf, true)])
}

// countOverdue returns how many of n result items failed after their soft limit.
func countOverdue(items []byte, n int) (overdue int) {
	for range n {
		r, rest, ok := wire.CutResult(items)
		if !ok {
			break // the frame was checked
		}
		if r.Outcome == wire.Overdue {
			overdue++
		}
		items = rest
	}
	return overdue
}

// softLimit turns the failure of a task that went on after its soft limit into what it is.
func softLimit(l time.Duration, outcome wire.Outcome, err error) error {
	if outcome != wire.Overdue || l == 0 { // a worker that speaks of a limit where there is none
		return err
	}
	return &TimeoutError{Limit: l, Err: err}
}
