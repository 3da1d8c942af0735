package serve

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/procpool/procpool/internal/registry"
	"github.com/procpool/procpool/internal/remote"
	"github.com/procpool/procpool/internal/shm"
	"github.com/procpool/procpool/wire"
)

const (
	// headroom is what is kept free before an encoded result for everything that
	// precedes it in a frame of its own: header, head and the item's own head.
	headroom = wire.HeaderSize + 32 + 32

	// keepScratch is the largest result buffer that is kept for the next task.
	keepScratch = 4 << 20

	// watchEach is the mean execution time from which on each task's time is taken. Below it one
	// reading of the clock (about 30 ns) has to do for watchEvery tasks.
	watchEach  = 2 * time.Microsecond
	watchEvery = 32

	// tasksAtOnce is how many task contexts are allocated together. They are never reused: a
	// goroutine that a task left behind may hold its context for ever.
	tasksAtOnce = 32
)

// batch is the worker's record of one Tasks frame.
type batch struct {
	server   *Server
	id       uint64
	count    int
	head     wire.TasksHead
	items    []byte
	owned    bool      // items are memory of the batch's one task
	deadline time.Time // the caller's; zero for none

	// Where somebody asks where the time goes; else zero.
	arrived time.Duration // when it had been read, by monotonic
	shown   int64         // the same, where the parent has the same clock
	laps    *Laps         // of the task that is running, or ran last

	fresh []Task // contexts not used yet

	offset int         // of the task that is running, or ran last
	last   *Task       // it
	over   atomic.Bool // nothing of the batch runs any more
}

func (b *batch) task(offset int) *Task {
	if len(b.fresh) == 0 {
		b.fresh = make([]Task, min(tasksAtOnce, b.count-offset))
	}
	t := &b.fresh[0]
	b.fresh = b.fresh[1:]
	t.batch, t.offset = b, offset
	b.last = t
	return t
}

// execLoop runs batches until Stop. A task that leaves by runtime.Goexit takes this
// goroutine with it: a successor then goes on after it.
func (s *Server) execLoop() {
	var current *batch
	returned := false
	defer func() {
		if !returned {
			go s.resume(current)
		}
	}()
	for ok := true; ok; {
		if current, ok = s.next(); ok {
			s.run(current)
		}
	}
	returned = true
	s.flush()
	close(s.idle)
}

// resume finishes the batch of a task that left by runtime.Goexit and goes on with execLoop.
func (s *Server) resume(b *batch) {
	returned := false
	defer func() {
		if !returned {
			go s.resume(b)
		}
	}()
	s.run(b)
	returned = true
	s.execLoop()
}

// run runs what is left of a batch.
func (s *Server) run(b *batch) {
	invoke := s.lookup(b.head.Func)
	w := stopwatch{perTask: b.laps != nil}
	w.start()
	s.busy.Store(true)
	for !s.gone.Load() {
		if b.head.Hard > 0 {
			s.cfg.Page.Begin(shm.Clock())
		}
		offset, ok := s.cfg.Page.Claim(b.id)
		b.finishLast()
		if !ok {
			break
		}
		arg, rest, ok := wire.CutItem(b.items)
		if !ok {
			s.broken <- fmt.Errorf("task %d of batch %d is damaged", offset, b.id)
			s.gone.Store(true) // nothing that comes after it can be trusted
			return
		}
		b.items, b.offset = rest, offset
		s.announce(b)
		s.one(b, invoke, arg, &w)
	}
	b.over.Store(true)
	b.finishLast()
	s.busy.Store(false)
	s.settle()
	s.forget(b.id)
}

// finishLast ends the context of the task that ran last, once others can tell that it is over: whoever began to wait for its end
// before that is seen here, whoever does after it sees the end.
func (b *batch) finishLast() {
	if t := b.last; t != nil {
		t.finish()
	}
}

// lookup returns this worker's instance of a function.
func (s *Server) lookup(name string) registry.Invoke {
	invoke := s.invokes[name]
	if invoke == nil {
		instance, known := registry.Lookup(name)
		if !known {
			return unknown(name)
		}
		invoke = instance()
		s.invokes[name] = invoke
	}
	return invoke
}

// announce tells a parent that sees no page which task begins.
func (s *Server) announce(b *batch) {
	if !s.cfg.Shared {
		_ = s.out.write(wire.AppendControl(nil, wire.Started, b.id, uint32(b.offset), nil))
	}
}

// one runs one task and hands its result to the outbox.
func (s *Server) one(b *batch, invoke registry.Invoke, arg []byte, w *stopwatch) {
	t := b.task(b.offset)
	t.wind()
	b.laps.begin()
	out, lent, outcome := s.call(t, invoke, arg)
	t.finish()
	s.answer(b, out, lent, outcome, w)
	s.settle()
}

// call invokes the function and turns whatever comes of it into an outcome and its value,
// which lies in s.out.scratch behind headroom, but for the bytes that are lent.
func (s *Server) call(t *Task, invoke registry.Invoke, arg []byte) (out, lent []byte, outcome wire.Outcome) {
	scratch := s.out.takeScratch()
	returned := false
	defer func() {
		if returned {
			return
		}
		failure := panicked(recover())
		out, lent, outcome = failure.append(scratch), nil, wire.Panicked
		if failure.goexit {
			s.leave(t, out)
		}
	}()
	out, lent, outcome, err := invoke(t, arg, registry.How{Owned: t.batch.owned, Positional: t.batch.head.Flags&wire.Positional != 0}, scratch)
	if err != nil && outcome == wire.Failed && t.isOverdue() {
		outcome = wire.Overdue
	}
	if size := uint64(len(out) - headroom + len(lent)); err == nil && size > s.welcome.Max {
		err = fmt.Errorf("%w: %d bytes, more than the %d of WithMaxPayload", wire.ErrTooLarge, size, s.welcome.Max)
		outcome = wire.Unencodable
	}
	if err != nil {
		out, lent = remote.Append(scratch[:headroom], err), nil
	}
	returned = true
	return out, lent, outcome
}

// leave answers for a task that takes its goroutine with it; nothing after the call of
// the function will run.
func (s *Server) leave(t *Task, out []byte) {
	t.finish()
	var w stopwatch
	w.start()
	s.answer(t.batch, out, nil, wire.Panicked, &w)
	s.settle()
}

func (s *Server) answer(b *batch, out, lent []byte, outcome wire.Outcome, w *stopwatch) {
	last := b.offset+1 >= b.count
	b.laps.end() // before the CPU time is asked for, which takes longer than a tiny task
	exec, cpu := w.lap(last)
	s.out.add(b, out, lent, outcome, exec, cpu, b.laps.cost(b.arrived, cpu), last && len(s.work) == 0 || !s.cfg.Shared)
}

func (s *Server) flush() { s.out.flush() }

func unknown(name string) registry.Invoke {
	err := fmt.Errorf("there is no %q; register functions before worker.Main is called, best in package-level variables", name)
	return func(_ context.Context, _ []byte, _ registry.How, dst []byte) ([]byte, []byte, wire.Outcome, error) {
		return dst, nil, wire.Unknown, err
	}
}

// panicValue is what a task panicked with.
type panicValue struct {
	text   string
	stack  string
	goexit bool
}

func panicked(value any) panicValue {
	if value == nil {
		return panicValue{text: "the function called runtime.Goexit", stack: string(debug.Stack()), goexit: true}
	}
	return panicValue{text: textOf(value), stack: string(debug.Stack())}
}

// textOf formats what a user panicked with; its own methods may panic.
func textOf(value any) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("a %T that cannot be printed", value)
		}
	}()
	switch v := value.(type) {
	case error:
		return v.Error()
	case fmt.Stringer:
		return v.String()
	default:
		return fmt.Sprint(v)
	}
}

func (p panicValue) append(scratch []byte) []byte {
	return wire.AppendPanic(scratch[:headroom], p.text, p.stack)
}
