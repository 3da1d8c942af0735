package pool

import (
	"errors"
	"fmt"
	"runtime"
)

// KillWorker ends the process pid of a slot as kill -9 would, whatever it is doing: also one that is stopped, is starting, or is leaving. Only its running task is lost, or has
// another attempt (Retries): it fails with an *ExitError whose Reason is ReasonSignal and whose Err says that it was KillWorker. What it had finished counts, the rest
// runs elsewhere, and the slot gets another process. KillWorker does not wait for any of that. The slot of a spare is -1.
//
// It is an error, and nothing is killed, if the slot has another process by now, or none. With WithInline there is none at all, and the error wraps errors.ErrUnsupported;
// after Close it is ErrClosed.
func (p *Pool) KillWorker(slot, pid int) error {
	defer runtime.KeepAlive(p)
	c := p.core
	c.mu.Lock()
	defer c.unlock()
	switch {
	case c.closed:
		return ErrClosed
	case c.cfg.inline:
		return fmt.Errorf("procpool: KillWorker: there are no processes (WithInline): %w", errors.ErrUnsupported)
	}
	for p := range c.live {
		if p.slot.id == slot && p.child.PID() == pid && !hasExited(p.child) {
			if !p.killed {
				p.parting = p.reason
			}
			p.killLocked(ReasonSignal, errKilled)
			return nil
		}
	}
	return fmt.Errorf("procpool: KillWorker(%d, %d): %w", slot, pid, c.otherLocked(slot))
}

var errKilled = errors.New("killed by KillWorker")

// otherLocked says what a slot has instead of the process that somebody looks for.
func (c *core) otherLocked(slot int) error {
	if slot == noSlot {
		return errors.New("there is no such spare (any more)")
	}
	s, err := c.slotLocked(slot)
	if err != nil {
		return err
	}
	for _, p := range []*proc{s.proc, s.starting} {
		if p != nil && !hasExited(p.child) {
			return fmt.Errorf("the process of the slot is %d", p.child.PID())
		}
	}
	return s.emptyLocked()
}
