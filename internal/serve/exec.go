package serve

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/procpool/procpool/internal/registry"
	"github.com/procpool/procpool/internal/remote"
	"github.com/procpool/procpool/internal/shm"
	"github.com/procpool/procpool/wire"
)

const (
	// headroom is what is kept free before an encoded result for everything that
	// precedes it in a frame of its own: header, head and the item's own head, however large the times in them.
	headroom = wire.HeaderSize + 64 + 64

	// keepScratch is the largest result buffer that is kept for the next task.
	keepScratch = 4 << 20

	// watchEach is the mean execution time from which on each task's time is taken. Below it one
	// reading of the clock (about 30 ns) has to do for watchEvery tasks.
	watchEach  = 2 * time.Microsecond
	watchEvery = 32
)

// batch is the worker's record of one Tasks frame.
type batch struct {
	server   *Server
	id       uint64
	count    int
	head     wire.TasksHead
	items    []byte
	owned    bool            // items are memory of the batch's one task
	kept     *[]byte         // the memory of items, which another batch may use after this one; nil where it is not worth it
	deadline time.Time       // the caller's; zero for none
	labels   context.Context // for profiles; nil until it runs

	// Where somebody asks where the time goes; else zero.
	arrived time.Duration // when it had been read, by monotonic
	shown   int64         // the same, where the parent has the same clock
	laps    *Laps         // of the task that is running, or ran last

	kin    *family // of the task that is running, or ran last
	place  int     // its place there
	offset int     // and in the batch
	over   atomic.Bool
	own    family // the first tasks
}

// limited reports whether time ends something of the tasks.
func (b *batch) limited() bool { return b.head.Soft > 0 || b.head.Hard > 0 || !b.deadline.IsZero() }

// task makes the context of the task at an offset.
func (b *batch) task(offset int) *Task {
	place := offset - b.kin.first
	if place >= tasksAtOnce {
		b.kin = &family{batch: b, first: offset}
		place = 0
	}
	b.offset, b.place = offset, place
	t := &b.kin.tasks[place]
	t.place = uint8(place)
	return t
}

// keepItems is the size from which on the memory of items is used again.
const keepItems = 512

var itemMemory = sync.Pool{New: func() any { return new([]byte) }}

// keep gives the batch its items. The memory of a frame is used again for the next one, so they are copied where it is not owned.
func (b *batch) keep(items []byte, owned bool) {
	switch {
	case owned:
		b.items = items
	case len(items) < keepItems:
		b.items = append(make([]byte, 0, len(items)), items...)
	default:
		b.kept = itemMemory.Get().(*[]byte)
		*b.kept = append((*b.kept)[:0], items...)
		b.items = *b.kept
	}
	b.own.batch, b.kin = b, &b.own
}

// release gives the memory of the items back: nothing that was decoded refers to it.
func (b *batch) release() {
	b.items = nil
	if b.kept != nil {
		itemMemory.Put(b.kept)
		b.kept = nil
	}
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
	of := s.lookup(b.head.Func)
	s.label(b, of)
	claims := s.cfg.Page.Claimer(b.id)
	w := stopwatch{perTask: b.laps != nil}
	w.start()
	s.out.others.Store(0)
	s.busy.Store(true)
	for !s.stretch(b, &claims, of.invoke, &w) {
	}
	b.over.Store(true)
	b.finishLast()
	s.busy.Store(false)
	s.settle()
	s.forget(b.id)
	b.release()
}

// stretch runs tasks of a batch until none is left, or one has panicked: to be ready for that anew for each task would
// take longer than a tiny one.
func (s *Server) stretch(b *batch, claims *shm.Claimer, invoke registry.Invoke, w *stopwatch) (over bool) {
	limited := b.limited()
	running := false
	defer func() {
		if running { // else it is no task that panics
			s.fell(b, panicked(recover()), w)
		}
	}()
	how := registry.How{Owned: b.owned, Positional: b.head.Flags&wire.Positional != 0}
	for !s.gone.Load() {
		if b.head.Hard > 0 {
			s.cfg.Page.Begin(shm.Clock())
		}
		offset, ok := claims.Claim()
		b.finishLast()
		if !ok {
			break
		}
		s.out.expectTask()
		arg, rest, ok := wire.CutItem(b.items)
		if !ok {
			s.broken <- fmt.Errorf("task %d of batch %d is damaged", offset, b.id)
			s.gone.Store(true) // nothing that comes after it can be trusted
			break
		}
		b.items = rest
		t := b.task(offset)
		if !s.cfg.Shared {
			s.announce(b)
		}
		if limited {
			t.wind()
		}
		b.laps.begin()
		scratch := s.out.takeScratch()
		running = true
		out, lent, outcome, err := invoke(t, arg, how, scratch)
		running = false
		if err != nil || uint64(len(out)-headroom+len(lent)) > s.welcome.Max {
			out, outcome = s.failed(t, out, lent, outcome, err)
			lent = nil
		}
		b.finishLast()
		s.answer(b, out, lent, outcome, w)
		s.settle()
	}
	return true
}

// finishLast ends the context of the task that ran last, once its function has returned. It is called again when others can tell that it is
// over: whoever began to wait for its end before that is seen here, whoever does after it sees the end.
func (b *batch) finishLast() {
	if b.kin.ends.Load() != nil {
		b.kin.tasks[b.place].finish()
	}
}

// lookup returns this worker's instance of a function.
func (s *Server) lookup(name string) *instance {
	own := s.instances[name]
	if own == nil {
		create, known := registry.Lookup(name)
		if !known {
			return &instance{invoke: unknown(name)}
		}
		own = &instance{invoke: create()}
		s.instances[name] = own
	}
	return own
}

// announce tells a parent that sees no page which task begins.
func (s *Server) announce(b *batch) {
	_ = s.out.write(wire.AppendControl(nil, wire.Started, b.id, uint32(b.offset), nil))
}

// failed returns what to answer for a task that has no result, or one that is too long.
func (s *Server) failed(t *Task, out, lent []byte, outcome wire.Outcome, err error) ([]byte, wire.Outcome) {
	switch {
	case err == nil:
		size := len(out) - headroom + len(lent)
		err = fmt.Errorf("%w: %d bytes, more than the %d of WithMaxPayload", wire.ErrTooLarge, size, s.welcome.Max)
		outcome = wire.Unencodable
	case outcome == wire.Failed && t.isOverdue():
		outcome = wire.Overdue
	}
	return remote.Append(out[:headroom], err), outcome
}

// fell answers for a task that has panicked. If it takes its goroutine with it, nothing after the call of the function will run.
func (s *Server) fell(b *batch, failure panicValue, w *stopwatch) {
	out := failure.append(s.out.takeScratch())
	b.finishLast()
	if failure.goexit {
		w.start()
	}
	s.answer(b, out, nil, wire.Panicked, w)
	s.settle()
}

func (s *Server) answer(b *batch, out, lent []byte, outcome wire.Outcome, w *stopwatch) {
	last := b.offset+1 >= b.count
	b.laps.end() // before the CPU time is asked for, which takes longer than a tiny task
	var took lapse
	now := !s.cfg.Shared || last && (b.head.First < 0 || len(s.work) == 0) // calls without an index are waited for one by one
	if w.unread++; last || w.unread >= w.patience {
		took = w.lap()
		now = now || s.out.age(w.last)+w.mean > flushAfter*3/4 // it would wait too long for one more task like this
	}
	s.out.add(b, w.last, out, lent, outcome, took, b.laps.cost(b.arrived, took.cpu), now)
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
