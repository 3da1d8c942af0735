package serve

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/procpool/procpool/internal/codec"
	"github.com/procpool/procpool/wire"
)

// Task is the context of one running task, and what the task can ask of its worker. There is one for each task, so it is as small as it can be: one byte,
// its place among those that were made together. Running one that never looks at its context costs nothing beyond that: whether it has been
// cancelled, or has ended, is found out when somebody asks.
type Task struct{ place uint8 }

// tasksAtOnce is how many tasks are made together. They are never used again: a goroutine that a task left behind may hold its context for ever.
const tasksAtOnce = 40

// family is tasks that were made together. It can be found from each of them.
type family struct {
	batch *batch
	first int                     // the offset of the first
	ends  atomic.Pointer[endings] // nil until somebody waits for the end of one, where nothing ends with time
	tasks [tasksAtOnce]Task
}

type endings [tasksAtOnce]atomic.Pointer[ending]

// family returns those that t was made with, by its place in their array.
func (t *Task) family() *family {
	return (*family)(unsafe.Add(unsafe.Pointer(t), -int(unsafe.Offsetof(family{}.tasks))-int(t.place)))
}

func (t *Task) batch() *batch { return t.family().batch }
func (t *Task) offset() int   { return t.family().first + int(t.place) }

// ending returns the end that somebody waits for, nil if nobody does.
func (t *Task) ending() *ending {
	if all := t.family().ends.Load(); all != nil {
		return all[t.place].Load()
	}
	return nil
}

// setEndingLocked says that somebody waits.
func (t *Task) setEndingLocked(e *ending) {
	f := t.family()
	if f.ends.Load() == nil {
		f.ends.Store(&endings{})
	}
	f.ends.Load()[t.place].Store(e)
}

// ending is the end of a context that somebody waits for, or that comes with time.
type ending struct {
	done  chan struct{}
	err   atomic.Pointer[error] // why it ended; nil while it has not; written under Server.mu
	clock *clock                // nil where nothing ends with time
}

// clock is what a task knows of its time.
type clock struct {
	deadline time.Time // when the context ends; zero for never
	limit    time.Time // when the task's own time is up: its soft limit, else its hard one; zero for none
	soft     bool      // deadline is the soft limit
	timer    *time.Timer
	overdue  atomic.Bool // the context ended at the soft limit
}

type taskKey struct{}

// FromContext returns the task that ctx belongs to, nil outside of one.
func FromContext(ctx context.Context) *Task {
	t, _ := ctx.Value(taskKey{}).(*Task)
	return t
}

// wind makes the clock of a task that begins now, of a batch that is limited.
func (t *Task) wind() {
	b := t.batch()
	head, due := &b.head, b.deadline
	c := &clock{deadline: due}
	switch {
	case head.Soft > 0:
		c.limit = time.Now().Add(head.Soft)
		if due.IsZero() || c.limit.Before(due) {
			c.deadline, c.soft = c.limit, true
		}
	case head.Hard > 0:
		c.limit = time.Now().Add(head.Hard) // the parent's affair: the context goes on
	}
	t.watch(c)
	if !c.deadline.IsZero() {
		c.timer = time.AfterFunc(time.Until(c.deadline), t.expire)
	}
}

// clock returns the clock of a task that has one.
func (t *Task) clock() *clock {
	if e := t.ending(); e != nil {
		return e.clock
	}
	return nil
}

// expire ends the context at the deadline.
func (t *Task) expire() {
	if c := t.clock(); c.soft {
		c.overdue.Store(true) // before the context ends: the task may return at once
	}
	s := t.batch().server
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(t, context.DeadlineExceeded)
}

// isOverdue reports whether the context has ended at the task's soft limit.
func (t *Task) isOverdue() bool {
	c := t.clock()
	return c != nil && c.overdue.Load()
}

// Limit returns when the task's time is up: its soft limit, else its hard one, else its context's deadline. It is zero where there is none.
func (t *Task) Limit() time.Time {
	c := t.clock()
	switch {
	case c == nil:
		return time.Time{}
	case !c.limit.IsZero():
		return c.limit
	}
	return c.deadline
}

// Deadline implements context.Context.
func (t *Task) Deadline() (time.Time, bool) {
	c := t.clock()
	if c == nil {
		return time.Time{}, false
	}
	return c.deadline, !c.deadline.IsZero()
}

// Done implements context.Context. The channel is closed at the deadline, when the task is
// cancelled, and when it returns.
func (t *Task) Done() <-chan struct{} { return t.watch(nil).done }

// watch makes the end of the context something that can be waited for.
func (t *Task) watch(c *clock) *ending {
	if e := t.ending(); e != nil {
		return e
	}
	s := t.batch().server
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := t.ending(); e != nil {
		return e
	}
	e := &ending{done: make(chan struct{}), clock: c}
	t.setEndingLocked(e)
	s.watched = append(s.watched, t)
	switch { // looked at after the store: execLoop looks for it when the task is over
	case t.isOver():
		s.endLocked(t, finished)
	case s.cancelsLocked(t):
		s.endLocked(t, context.Canceled)
	}
	return e
}

// isOver reports whether the task has returned: the next one has been claimed, or the batch has ended.
func (t *Task) isOver() bool {
	b := t.batch()
	return b.over.Load() || b.server.cfg.Page.Started(b.id) > t.offset()+1
}

// Err implements context.Context.
func (t *Task) Err() error {
	if e := t.ending(); e != nil {
		if err := e.err.Load(); err != nil {
			return *err
		}
		return nil
	}
	if t.isOver() {
		return finished
	}
	if s := t.batch().server; s.pending.Load() || s.stopping.Load() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.cancelsLocked(t) {
			return context.Canceled
		}
	}
	return nil
}

// Value implements context.Context. A task's context carries no values of the caller's, but its labels for profiles.
func (t *Task) Value(key any) any {
	if key == (taskKey{}) {
		return t
	}
	return t.batch().labels.Value(key)
}

// String keeps fmt from walking into the worker's innards when a context is printed.
func (t *Task) String() string { return "procpool task " + t.batch().head.Func }

// finished is what the context of a task that has returned says.
var finished = context.Canceled

// finish ends the context of a task that has returned, for goroutines that it left behind. Only execLoop calls it.
func (t *Task) finish() {
	e := t.ending()
	if e == nil {
		return // nobody waits
	}
	if e.clock != nil && e.clock.timer != nil {
		e.clock.timer.Stop()
	}
	s := t.batch().server
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(t, finished)
}

// endLocked ends the context of a watched task. The first cause stands.
func (s *Server) endLocked(t *Task, cause error) {
	e := t.ending()
	if i := slices.Index(s.watched, t); i >= 0 {
		s.watched = slices.Delete(s.watched, i, i+1)
		e.err.Store(&cause)
		close(e.done)
	}
}

// endWatchedLocked cancels the contexts for which which says so.
func (s *Server) endWatchedLocked(which func(*Task) bool) {
	for _, t := range slices.Clone(s.watched) {
		if which(t) {
			s.endLocked(t, context.Canceled)
		}
	}
}

// Head returns what the task has in common with its batch.
func (t *Task) Head() *wire.TasksHead { return &t.batch().head }

// Index returns the task's index in its job, -1 where there is none.
func (t *Task) Index() int { return t.batch().head.Index(t.offset()) }

// Slot returns the worker's place in the pool, -1 while it is a spare.
func (t *Task) Slot() int { return int(t.batch().server.slot.Load()) }

// PID returns the process id that the worker gave in its hello.
func (t *Task) PID() int { return t.batch().server.cfg.Hello.PID }

// LogLevel returns the lowest level of log records that the parent wants.
func (t *Task) LogLevel() int { return t.batch().server.welcome.Level }

// Log sends a log record to the parent. A record that cannot be sent is lost: there is
// nobody to tell.
func (t *Task) Log(record *wire.LogBody) {
	s := t.batch().server
	if frame, err := wire.AppendMap(nil, wire.Log, t.batch().id, uint32(t.offset()), record); err == nil {
		_ = s.out.write(frame)
	}
}

// Report sends a progress value to the parent, if anybody there listens.
func (t *Task) Report(value any) error {
	s := t.batch().server
	if !s.welcome.Reports || t.isOver() {
		return nil
	}
	payload, err := codec.For[any]().Append(nil, &value)
	if err != nil {
		return err
	}
	if len(payload) > wire.MaxControlBytes {
		return wire.ErrTooLarge
	}
	return s.out.write(wire.AppendControl(nil, wire.Report, t.batch().id, uint32(t.offset()), payload))
}
