package pool

import (
	"errors"
	"fmt"
	"time"

	"github.com/procpool/procpool/wire"
)

// A spare is a process that is ready and in no slot. It stands in a place of its own: a slot that has no number, is not among core.slots and gets no tasks.
// The place's goroutine, keepSpare, starts a process, offers it, and starts the next when a slot has taken it or it has ended. Whoever needs a process takes a
// spare if one is ready, and starts one himself if not: nobody waits for a spare, and one that cannot be started is nobody's failure.

// noSlot is the number of a process that is in no slot.
const noSlot = -1

func (s *slot) isSpare() bool { return s.id == noSlot }

var errNoSpares = errors.New("the program does not say in its hello that it may be a spare (see package wire)")

// startSpares makes the places for spares and starts their goroutines, when the slots have their workers: New does not wait for spares.
func (c *core) startSpares() {
	if c.cfg.inline {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for range c.cfg.spare {
		s := c.newSlotLocked(noSlot, nil)
		s.told = true // nobody waits for its first start
		c.spares = append(c.spares, s)
		c.supervisors.Add(1)
		go s.keepSpare()
		if c.closed || c.stopping.Load() {
			s.quitLocked()
		}
	}
}

// keepSpare keeps a process ready that any slot may take. One goroutine for each place; it ends with the pool.
func (s *slot) keepSpare() {
	defer s.core.supervisors.Done()
	for s.wantsSpare() {
		p, err := s.launch()
		if err == nil && !p.hello.Spare {
			s.core.log.Warn("there are no spares (WithSpare)", "error", errNoSpares)
			p.kill(ReasonStopped, nil)
			<-p.gone
			return
		}
		if err == nil && s.offer(p) {
			err = s.awaitTaken(p)
		}
		if err != nil && !s.failed(err) {
			return
		}
	}
}

// wantsSpare reports whether the place is to have a process, and waits for its end where it is not: a pool that drains starts nothing for nothing.
func (s *slot) wantsSpare() bool {
	if s.core.stopping.Load() {
		<-s.quit
	}
	select {
	case <-s.quit:
		return false
	default:
		return true
	}
}

// offer makes p a spare that can be taken; false if the pool ends.
func (s *slot) offer(p *proc) bool {
	c := s.core
	c.mu.Lock()
	defer c.unlock()
	s.starting = nil
	p.ready, p.reserve = true, true
	if s.ending {
		p.leaveLocked(ReasonStopped)
		return false
	}
	s.spare = p
	s.setLocked(StateSpare)
	c.armAgeLocked(p)
	c.hurryLocked()
	return true
}

// awaitTaken waits until a slot has taken p, or p has ended. It returns why that counts as a failed start, nil if it does not.
func (s *slot) awaitTaken(p *proc) error {
	select {
	case <-s.rouse:
		return nil
	case <-p.gone:
	}
	c := s.core
	c.mu.Lock()
	taken := s.spare != p
	if !taken {
		s.spare = nil
		s.setLocked(StateStarting)
	}
	c.mu.Unlock()
	if taken { // a slot has it, and hears of its end
		<-s.rouse
		return nil
	}
	return s.prematurely(p)
}

// hurryLocked has one slot that waits after failed starts try again: there is a spare for it.
func (c *core) hurryLocked() {
	for _, s := range c.slots {
		if s.state == StateBackoff || s.state == StateBroken {
			select {
			case s.rouse <- struct{}{}:
			default:
			}
			return
		}
	}
}

// obtain gets a process for the slot: a spare, or one that it starts. The error is a *StartError, and no process is left then.
func (s *slot) obtain() (*proc, error) {
	if p := s.adopt(); p != nil {
		return p, nil
	}
	return s.launch()
}

// adopt takes a spare for the slot; nil if none is ready. Its identity is right from here on, before it gets a task.
func (s *slot) adopt() *proc {
	c := s.core
	if c.cfg.spare == 0 {
		return nil
	}
	c.mu.Lock()
	p := c.takeSpareLocked()
	if p != nil {
		now := time.Now()
		p.spendLocked(momentOf(now))
		p.slot, s.starting = s, p
		p.beginLifeLocked(now)
		p.sendLocked(wire.AppendControl(nil, wire.Slot, 0, uint32(s.id), nil))
		if s.ending {
			p.killLocked(ReasonStopped, nil)
		}
	}
	c.unlock()
	if p == nil {
		return nil
	}
	if err := p.confine(); err != nil {
		c.log.Warn("a spare could not be used", "slot", s.id, "pid", p.child.PID(), "error", err)
		p.kill(ReasonStopped, nil)
		<-p.gone
		return nil
	}
	return p
}

// takeSpareLocked takes a spare that lives, as far as is known, and tells its place; nil if there is none.
func (c *core) takeSpareLocked() *proc {
	for _, place := range c.spares {
		p := place.spare
		if p == nil || p.leaving || p.killed || p.bye || hasExited(p.child) {
			continue
		}
		place.spare = nil
		place.recent = nil // it came to good use
		place.retries.Reset()
		place.setLocked(StateStarting)
		place.rouse <- struct{}{} // there is room: a place has one spare at a time, and its goroutine takes one word for each that was taken
		return p
	}
	return nil
}

func hasExited(c child) bool {
	select {
	case <-c.Exited():
		return true
	default:
		return false
	}
}

// confine moves a process to the processors of its slot.
func (p *proc) confine() error {
	cfg := p.core.cfg
	child, ok := p.child.(*process)
	if len(cfg.cpus) == 0 || !ok {
		return nil
	}
	if err := child.Confine(cfg.cpusOf(p.slot.id)); err != nil {
		return fmt.Errorf("WithCPUAffinity: %w", err)
	}
	return nil
}

// slotID is the number of the slot that the process is in.
func (p *proc) slotID() int {
	p.core.mu.Lock()
	defer p.core.mu.Unlock()
	return p.slot.id
}
