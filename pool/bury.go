package pool

import (
	"errors"
	"os"
	"slices"
	"time"

	"github.com/procpool/procpool/wire"
)

// WorkerExit says that a worker process ended.
type WorkerExit struct {
	Slot, PID int              // Slot is -1 for a spare (WithSpare)
	State     *os.ProcessState // nil where there is no process of the pool's own (WithInline)
	Reason    ExitReason
	Stderr    []byte // the last of what it wrote to standard error, at most 64 KiB
}

// bury accounts for a process that has ended and whose wire is read to the end: what it had finished is delivered, what was running is lost, what had not
// started goes elsewhere.
func (c *core) bury(p *proc) {
	p.deafen()
	_ = p.child.Pipe().Close() // nobody reads it
	p.out.end()
	p.text.wait()
	inGroup := p.leaveGroup() > 0
	byKiller := isKill(signalOf(p.child.State())) && !p.wasKilled() && (inGroup || c.kills.take())
	c.mu.Lock()
	p.ready = false // another attempt at a task with a key wakes its slot, which this process is still in
	p.diedLocked(time.Now())
	p.verdictLocked(byKiller)
	p.endInspectionsLocked()
	after := p.accountLocked()
	p.watchdog.stop()
	p.buriedLocked()
	after = append(after, c.resettleLocked(p.slot)...)
	if !p.slot.ending && !p.slot.keyed.empty() {
		c.wakeLocked(p.slot) // its replacement may be idle
	}
	c.pumpLocked()
	c.unlock()
	for _, f := range after {
		f()
	}
	p.child.Close()
	close(p.gone)
}

// accountLocked decides about every task that the process had, and returns what is to be told once core.mu is free.
func (p *proc) accountLocked() (after []func()) {
	var ring []byte
	if p.page != nil {
		ring, _ = p.page.Unreceived(p.received)
	}
	for _, b := range p.inflight {
		started := p.startedLocked(b)
		n, failed, rest := countResults(ring, p.answerableLocked(b, started)-b.got)
		if n > 0 {
			after = append(after, p.recoveredLocked(b, n, failed, ring[:len(ring)-len(rest)]))
			ring = rest
		}
		if b.from != nil && started < b.limit {
			b.from.putBack(b, started)
		}
		after = append(after, b.dropOffers)               // after what was recovered has taken its own
		for offset := b.got; offset < started; offset++ { // last, so that another attempt comes first
			after = append(after, p.lostLocked(b, offset))
		}
		b.leg.endLocked()
	}
	p.inflight = nil
	return after
}

// countResults finds up to most result items at the front of what a dead worker left behind.
func countResults(ring []byte, most int) (n, failed int, rest []byte) {
	rest = ring
	for n < most {
		r, after, ok := wire.CutResult(rest)
		if !ok {
			break
		}
		if r.Outcome != wire.Value {
			failed++
		}
		rest = after
		n++
	}
	return n, failed, rest
}

func (p *proc) recoveredLocked(b *batch, n, failed int, items []byte) func() {
	from := b.got
	b.got += n
	p.tasks += n
	if b.from == nil {
		return func() { p.hookDone(items) }
	}
	p.recoveredNotedLocked(b, from, n, p.core.countLocked(b, from, n, failed), items)
	b.leg.acceptLocked(&wire.ResultsHead{}, items, n, failed)
	return func() {
		b.endTrip(&wire.ResultsHead{}, false)
		b.from.deliver(b, from, n, items, true)
	}
}

func (p *proc) lostLocked(b *batch, offset int) func() {
	p.tasks++
	if b.from == nil {
		return func() {} // who waits for a hook waits for the process as well
	}
	if b.from.unwanted(b, offset, 1) > 0 {
		if b.leg != nil {
			b.leg.loseLocked(offset, p.exitErrorLocked())
		}
		return func() {} // it has its answer
	}
	err := p.lossLocked(b, offset)
	p.lostNotedLocked(b, offset, err)
	b.leg.loseLocked(offset, err)
	if b.from.retryLocked(b, offset) {
		return func() { b.pass(1) }
	}
	p.core.countLocked(b, offset, 1, 1)
	return func() { b.from.lose(b, offset, err) }
}

// countLocked counts n answered tasks of b, of which failed failed, and returns how many of those somebody waits for.
func (c *core) countLocked(b *batch, from, n, failed int) int {
	unwanted := b.from.unwanted(b, from, n)
	failed = max(0, failed-unwanted)
	c.stats.Failed += failed
	c.stats.Completed += n - unwanted - failed
	if j, ok := b.from.(*job); ok {
		j.counted += n - unwanted
		return failed
	}
	for _, call := range b.calls[from : from+n] {
		call.counted = true
	}
	return failed
}

// buriedLocked takes the process out of the pool.
func (p *proc) buriedLocked() {
	c, s := p.core, p.slot
	delete(c.live, p)
	p.spendLocked(now())
	c.hoarders.drop(p)
	p.watchdog.stop()
	if s.proc == p {
		c.idle.remove(s)
		s.proc = nil
		if !s.parked && !s.ending {
			s.setLocked(StateStarting)
		}
	}
	exit := WorkerExit{Slot: s.id, PID: p.child.PID(), State: p.child.State(), Reason: p.reason, Stderr: p.text.tail()}
	p.logExitLocked(exit)
	if c.exits != nil {
		c.exits.send(exit)
	}
	p.dropPage()
}

func (p *proc) logExitLocked(e WorkerExit) {
	args := []any{"slot", e.Slot, "pid", e.PID, "reason", string(e.Reason)}
	if e.State != nil {
		args = append(args, "state", e.State.String())
	}
	switch e.Reason {
	case ReasonRetired, ReasonIdle, ReasonStopped:
		p.core.noteLocked(p.core.log.Debug, "worker ended", args...)
	default:
		if line := headline(p.text.since(p.mark)); line != "" {
			args = append(args, "stderr", line)
		}
		p.core.noteLocked(p.core.log.Warn, "worker died", args...)
	}
}

// wasKilled reports whether the pool has killed the process.
func (p *proc) wasKilled() bool {
	p.core.mu.Lock()
	defer p.core.mu.Unlock()
	return p.killed
}

// verdictLocked decides why the process ended; byKiller says that the system's out-of-memory killer has struck. A process that was about to leave and died under a task did not leave.
func (p *proc) verdictLocked(byKiller bool) {
	if errors.Is(p.cause, errKilled) && !isKill(signalOf(p.child.State())) { // it had ended by itself before that
		p.reason, p.cause, p.killed = p.parting, nil, false
	}
	if p.reason != "" && (p.killed || !p.hasTaskLocked()) {
		return
	}
	state := p.child.State()
	switch {
	case state == nil:
		p.reason = ReasonStopped
	case byKiller && p.group != nil && p.core.cfg.memoryLimit > 0:
		p.reason = ReasonMemoryLimit
		p.cause = overLimit(p.core.cfg.memoryLimit, p.maxRSS())
	case byKiller:
		p.reason = ReasonOutOfMemory
	case signalOf(state) != nil:
		p.reason = ReasonSignal
		p.cause = p.overCPUTime(state)
	case state.ExitCode() == 2 && p.overMemoryLimitLocked():
		p.reason = ReasonMemoryLimit
	case state.ExitCode() == 2 && (crashAt(p.text.tail()) >= 0 || crashAt(p.text.since(p.mark)) >= 0):
		p.reason = ReasonCrash
	default:
		p.reason = ReasonExit
	}
}

// hasTaskLocked reports whether a task is unanswered.
func (p *proc) hasTaskLocked() bool {
	return slices.ContainsFunc(p.inflight, func(b *batch) bool { return b.from != nil })
}

// exitErrorLocked describes the end of the process to one task that ran in it.
func (p *proc) exitErrorLocked() *ExitError {
	state := p.child.State()
	e := &ExitError{State: state, Signal: signalOf(state), Reason: p.reason, Stderr: p.text.since(p.mark), Err: p.cause}
	if state != nil {
		e.Code = state.ExitCode()
		e.CPU = state.UserTime() + state.SystemTime()
		e.MaxRSS = p.maxRSS()
	}
	return e
}
