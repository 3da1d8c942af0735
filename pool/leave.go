package pool

import (
	"syscall"
	"time"

	"github.com/procpool/procpool/wire"
)

// termGrace is what a worker that ignored the stop frame has after SIGTERM.
const termGrace = time.Second

// leaveLocked ends a process in good order. It gets no more tasks; what it has not started goes elsewhere.
func (p *proc) leaveLocked(reason ExitReason) {
	if p.leaving {
		return
	}
	p.leaving = true
	if p.reason == "" {
		p.reason = reason
	}
	if p.life.phase == resting {
		p.enterLocked(exiting, time.Now())
	}
	if p.slot.proc == p {
		p.core.idle.remove(p.slot)
		p.slot.setLocked(StateStopping)
	}
	go p.farewell()
}

// farewell is the stop ladder: wait for the running task, finalizer, stop frame, grace, SIGTERM, a second, SIGKILL. One goroutine of a proc that
// leaves in good order; it ends with the process.
func (p *proc) farewell() {
	if !p.awaitQuiet() {
		return
	}
	c := p.core
	patience := time.AfterFunc(c.cfg.stopGrace, func() { p.child.Signal(syscall.SIGTERM) })
	defer patience.Stop()
	last := time.AfterFunc(c.cfg.stopGrace+termGrace, func() { p.kill(ReasonStopped, nil) })
	defer last.Stop()
	c.mu.Lock()
	bye := p.bye
	c.mu.Unlock()
	if c.cfg.finalizer != nil && !bye {
		if err := p.runHook(c.cfg.finalizer, wire.IsFinalizer); err != nil {
			c.log.Warn("finalizer failed", "slot", p.slot.id, "pid", p.child.PID(), "error", err)
		}
	}
	c.mu.Lock()
	p.stopSent = true
	p.sendLocked(wire.AppendControl(nil, wire.Stop, 0, 0, nil))
	c.unlock()
	<-p.gone
}

// awaitQuiet waits until nothing is in flight; false if the process is gone before.
func (p *proc) awaitQuiet() bool {
	c := p.core
	c.mu.Lock()
	p.recallAllLocked()
	p.dropAnsweredLocked()
	var quiet chan struct{}
	if len(p.inflight) > 0 {
		quiet = make(chan struct{})
		p.quiet = quiet
	}
	after := c.resettleLocked(p.slot)
	c.pumpLocked()
	c.unlock()
	for _, f := range after {
		f()
	}
	if quiet == nil {
		return true
	}
	select {
	case <-quiet:
		return true
	case <-p.gone:
		return false
	}
}
