package pool

import (
	"fmt"
	"time"

	"github.com/procpool/procpool/wire"
)

// pulse is the pool's regular look at its processes: do they still answer, and how much memory do they take. One goroutine of each pool of processes; it ends
// with the pool.
type pulse struct {
	core   *core
	period time.Duration
	last   time.Time
}

const (
	pulsePeriod  = 2500 * time.Millisecond
	samplePeriod = 100 * time.Millisecond

	// countAfter is how long after New has begun the out-of-memory killer's count is read first. It takes a tenth of a millisecond of a processor that the workers
	// need until then; and nobody runs out of memory so soon.
	countAfter = 10 * time.Millisecond

	// progressBytes is how much a frame must have moved within a heartbeat to count as an answer: more than a worker that sends a byte a second
	// to seem alive, far less than any pipe carries.
	progressBytes = 64 << 10
)

func (c *core) startPulse() {
	if c.cfg.inline {
		return
	}
	u := &pulse{core: c, period: pulsePeriod, last: time.Now()}
	if c.cfg.heartbeat > 0 {
		u.period = min(u.period, c.cfg.heartbeat/4)
	}
	if c.cfg.memoryLimit > 0 {
		u.period = min(u.period, samplePeriod)
	}
	go u.run()
}

func (u *pulse) run() {
	select {
	case <-time.After(countAfter):
		u.core.kills.begin()
	case <-u.core.stopped:
		return
	}
	ticker := time.NewTicker(u.period)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			u.beat(time.Now())
		case <-u.core.stopped:
			return
		}
	}
}

func (u *pulse) beat(now time.Time) {
	c := u.core
	gap := now.Sub(u.last)
	u.last = now
	c.kills.forget()
	c.mu.Lock()
	var suspects, busy []*proc
	for p := range c.live {
		if !p.ready || p.killed || p.stopSent {
			continue
		}
		if c.cfg.heartbeat > 0 && p.heartLocked(now, gap > 2*u.period+c.cfg.heartbeat/4, c.cfg.heartbeat) {
			suspects = append(suspects, p)
		}
		if len(p.inflight) > 0 {
			busy = append(busy, p)
		}
	}
	c.unlock()
	for _, p := range suspects {
		if traced(p.child.PID()) {
			p.restartHeart(now)
			continue
		}
		p.kill(ReasonUnresponsive, fmt.Errorf("no answer for %v (WithHeartbeat)", c.cfg.heartbeat))
	}
	if c.cfg.memoryLimit > 0 {
		for _, p := range busy {
			p.sampleMemory()
		}
	}
}

// heart is what is known of a process's answers to Ping. Under core.mu.
type heart struct {
	asked time.Time // when the Ping was sent that is not answered; zero where none is
	moved int64     // bytes that had come and gone then
}

// heartLocked asks the process for a sign of life and reports whether the last one is overdue. paused says that this process itself was
// stopped for a while, or had no time: then nobody else is to blame.
func (p *proc) heartLocked(now time.Time, paused bool, patience time.Duration) bool {
	h := &p.heart
	moved := p.traffic()
	switch {
	case h.asked.IsZero():
		h.asked, h.moved = now, moved
		p.sendLocked(wire.AppendControl(nil, wire.Ping, 0, 0, nil))
	case paused || moved-h.moved >= progressBytes || p.telling.Load():
		// A Ping waits behind the frame that is being written, its answer behind the one that is being sent.
		h.asked, h.moved = now, moved
	case now.Sub(h.asked) >= patience:
		return true
	}
	return false
}

// restartHeart gives a process another heartbeat's time.
func (p *proc) restartHeart(now time.Time) {
	p.core.mu.Lock()
	defer p.core.mu.Unlock()
	if !p.heart.asked.IsZero() {
		p.heart.asked = now
	}
}

// traffic is how many bytes have passed between the pool and the process, either way.
func (p *proc) traffic() int64 { return p.out.written.Load() + p.read.Load() }

// beatNotice takes the answer to a Ping.
func (p *proc) beatNotice() error {
	p.core.mu.Lock()
	defer p.core.mu.Unlock()
	if p.heart.asked.IsZero() {
		return illegal(wire.Frame{Header: wire.Header{Kind: wire.Beat}}, "nobody asked")
	}
	p.heart.asked = time.Time{}
	return nil
}
