package pool

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/procpool/procpool/wire"
)

// Profile asks the worker of a slot for a profile of itself, in the format of package runtime/pprof, for "go tool pprof". The worker goes on working meanwhile, and is
// heard in the middle of a task, also of an endless one. kind is
//
//   - "cpu": where CPU time goes, over the time d, which must be more than 0 and at most an hour. Other kinds take no time, and d is ignored;
//   - "heap": what is alive (the worker collects its garbage for it), "allocs": what was ever allocated; a sample for each 512 KiB;
//   - "goroutine" and "threadcreate";
//   - "block" and "mutex": what tasks waited for, if the program has that counted (runtime.SetBlockProfileRate, SetMutexProfileFraction).
//
// Goroutines that run tasks have the labels func and slot, and pass them on to those that they start; "go tool pprof -tagfocus func=NAME" shows one
// function's share. A task's context has the labels too: pprof.Do adds to them.
//
// Requests for one worker take turns. One ends with an error when ctx does, when the worker ends, and when it has not answered ten seconds after d;
// an answer has at most 64 MiB. It is an error if the slot has no process, if that has not yet said hello, and, wrapping errors.ErrUnsupported, if it is a program that
// does not say that it can be asked (WithCommand); after Close it is ErrClosed. With WithInline it is a profile of this process, all slots together.
func (p *Pool) Profile(ctx context.Context, slot int, kind string, d time.Duration) ([]byte, error) {
	defer runtime.KeepAlive(p)
	switch {
	case !slices.Contains(profiles, kind):
		return nil, fmt.Errorf("procpool: Profile: there is no profile %q; there are %s", kind, strings.Join(profiles, ", "))
	case kind != "cpu":
		d = 0
	case d <= 0 || d > maxProfile:
		return nil, fmt.Errorf("procpool: Profile: a cpu profile over %v: want more than 0, and at most %v", d, maxProfile)
	}
	data, err := p.core.inspect(ctx, slot, wire.InspectBody{Kind: kind, Time: d})
	return data, named("Profile", err)
}

// Goroutines asks the worker of a slot for the stacks of all its goroutines, as a panic that nobody recovers shows them; that of the running task is among them. The text
// has at most 8 MiB. All else is as with Profile.
func (p *Pool) Goroutines(ctx context.Context, slot int) (string, error) {
	defer runtime.KeepAlive(p)
	data, err := p.core.inspect(ctx, slot, wire.InspectBody{Kind: wire.Stacks})
	return printable(string(data)), named("Goroutines", err)
}

// profiles are the kinds of Profile.
var profiles = []string{"cpu", "heap", "allocs", "goroutine", "threadcreate", "block", "mutex"}

const (
	// maxProfile is how long a profile may take.
	maxProfile = time.Hour

	// inspectTime is what a worker has to answer, beyond the time for which it was asked to look.
	inspectTime = 10 * time.Second
)

// named says which method failed. What speaks of the call comes bare.
func named(method string, err error) error {
	if err == nil || errors.Is(err, ErrClosed) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("procpool: %s: %w", method, err)
}

// inspection is one request to a worker. It ends when the worker has answered it or has ended, when it takes too long, and when nobody waits any more.
// The worker may know nothing of an end yet: the next one waits for the answer all the same.
type inspection struct {
	body wire.InspectBody
	done chan struct{} // closed when it has ended; chunks and err are not written any more then

	// Under core.mu.
	id     uint64 // 0 until it is sent
	size   int    // bytes that have come
	chunks [][]byte
	err    error
	ended  bool
	late   bool        // it ended because it took too long
	timer  *time.Timer // makes it late; runs from when it is sent
}

// inspections is what one worker is asked. Under core.mu.
type inspections struct {
	queue []*inspection // in the order in which they came; the worker has the first
	last  uint64        // the id of the last that was sent
}

// inspect asks the worker of a slot, and waits for the answer.
func (c *core) inspect(ctx context.Context, slot int, body wire.InspectBody) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, causeOf(ctx)
	}
	q := &inspection{body: body, done: make(chan struct{})}
	c.mu.Lock()
	p, err := c.inspectableLocked(slot)
	if err == nil {
		p.inspectLocked(q)
	}
	c.unlock()
	if err != nil {
		return nil, err
	}
	select {
	case <-q.done:
	case <-ctx.Done():
		c.mu.Lock()
		p.withdrawInspectionLocked(q)
		c.unlock()
		return nil, causeOf(ctx)
	}
	if q.err != nil {
		return nil, q.err
	}
	return slices.Concat(q.chunks...), nil
}

// inspectableLocked returns the process that a slot has, if it can be asked something.
func (c *core) inspectableLocked(slot int) (*proc, error) {
	if c.closed {
		return nil, ErrClosed
	}
	s, err := c.slotLocked(slot)
	if err != nil {
		return nil, err
	}
	p := s.proc
	if p == nil {
		p = s.starting // its initializer may be what is of interest
	}
	if _, lives := c.live[p]; !lives {
		p = nil // it is buried, and who started it has yet to see that
	}
	switch {
	case p == nil:
		return nil, s.emptyLocked()
	case !p.greeted:
		return nil, p.errorf("it has not said hello yet")
	case !p.hello.Inspect:
		return nil, p.errorf("the program does not say in its hello that it can be looked into (see package wire): %w", errors.ErrUnsupported)
	case p.killed || p.stopSent || p.bye:
		return nil, p.errorf("it is on its way out")
	case len(p.inspect.queue) > 0 && p.inspect.queue[0].late:
		return nil, p.errorf("it has not answered an earlier request yet")
	}
	return p, nil
}

// slotLocked returns the slot of a number.
func (c *core) slotLocked(number int) (*slot, error) {
	for _, s := range c.slots {
		if s.id == number {
			return s, nil
		}
	}
	if number == noSlot {
		return nil, errors.New("a spare is in no slot (WithSpare)")
	}
	return nil, fmt.Errorf("there is no slot %d; Workers tells which there are", number)
}

// emptyLocked says why a slot has no process.
func (s *slot) emptyLocked() error {
	if s.parked {
		return fmt.Errorf("slot %d has no process now: there was nothing to do (WithIdleTimeout)", s.id)
	}
	return fmt.Errorf("slot %d has no process now: its state is %s", s.id, s.state)
}

// errorf is an error that names the process.
func (p *proc) errorf(format string, args ...any) error {
	return fmt.Errorf("worker of slot %d (pid %d): %w", p.slot.id, p.child.PID(), fmt.Errorf(format, args...))
}

// inspectLocked asks the worker when it is q's turn.
func (p *proc) inspectLocked(q *inspection) {
	p.inspect.queue = append(p.inspect.queue, q)
	if len(p.inspect.queue) == 1 {
		p.sendInspectLocked(q)
	}
}

func (p *proc) sendInspectLocked(q *inspection) {
	p.inspect.last++
	q.id = p.inspect.last
	p.sendLocked(wire.AppendInspect(nil, q.id, &q.body))
	q.timer = time.AfterFunc(q.body.Time+inspectTime, func() {
		p.core.mu.Lock()
		defer p.core.unlock()
		p.inspectionLateLocked(q)
	})
}

// endLocked ends q, once. It stays where it is.
func (q *inspection) endLocked(err error) {
	if !q.ended {
		q.ended, q.err = true, err
		if err != nil {
			q.chunks = nil
		}
		close(q.done)
	}
}

// withdrawInspectionLocked ends a request for which nobody waits any more. If the worker has it, it is told.
func (p *proc) withdrawInspectionLocked(q *inspection) {
	q.endLocked(context.Canceled) // which nobody sees
	at := slices.Index(p.inspect.queue, q)
	switch {
	case at > 0:
		p.inspect.queue = slices.Delete(p.inspect.queue, at, at+1)
	case at == 0:
		q.body.Time = 0 // nobody wants it to look any longer
		q.timer.Reset(inspectTime)
		p.sendLocked(wire.AppendControl(nil, wire.Inspect, q.id, wire.InspectWithdraw, nil))
	}
}

// inspectionLateLocked ends a request that the worker does not answer, and those that wait behind it.
func (p *proc) inspectionLateLocked(q *inspection) {
	if len(p.inspect.queue) == 0 || p.inspect.queue[0] != q {
		return
	}
	err := p.errorf("no answer within %v", q.body.Time+inspectTime)
	for _, waiting := range p.inspect.queue[1:] {
		waiting.endLocked(err)
	}
	p.inspect.queue = p.inspect.queue[:1:1]
	q.late = true
	if !q.ended {
		q.endLocked(err)
		p.sendLocked(wire.AppendControl(nil, wire.Inspect, q.id, wire.InspectWithdraw, nil))
	}
}

// finding takes a piece of an answer, and sends the next request after the last.
func (p *proc) finding(f wire.Frame) error {
	c := p.core
	c.mu.Lock()
	defer c.unlock()
	if len(p.inspect.queue) == 0 || p.inspect.queue[0].id != f.ID {
		return illegal(f, "nobody asked")
	}
	q := p.inspect.queue[0]
	if err := wire.CheckFinding(f, q.size); err != nil {
		return err
	}
	q.size += len(f.Payload)
	if !q.ended {
		q.addLocked(f)
	}
	switch f.Arg {
	case wire.FindingMore:
		return nil
	case wire.FindingNone:
		q.endLocked(p.errorf("%s", printable(clip(string(f.Payload)))))
	}
	q.endLocked(nil)
	q.timer.Stop()
	p.inspect.queue = slices.Delete(p.inspect.queue, 0, 1)
	switch {
	case p.stopSent:
		p.endInspectionsLocked()
	case len(p.inspect.queue) > 0:
		p.sendInspectLocked(p.inspect.queue[0])
	}
	return nil
}

func (q *inspection) addLocked(f wire.Frame) {
	chunk := f.Payload
	if !f.Owned {
		chunk = slices.Clone(chunk)
	}
	q.chunks = append(q.chunks, chunk)
}

// endInspectionsLocked ends what a process that is gone, or as good as that, will not answer.
func (p *proc) endInspectionsLocked() {
	err := p.errorf("it ended before it had answered: %s", p.reason)
	if p.core.closed {
		err = ErrClosed
	}
	for _, q := range p.inspect.queue {
		q.endLocked(err)
		if q.timer != nil {
			q.timer.Stop()
		}
	}
	p.inspect.queue = nil
}

// printable replaces what could drive a terminal, and what is no text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '.'
		}
		return r
	}, strings.ToValidUTF8(s, "."))
}
