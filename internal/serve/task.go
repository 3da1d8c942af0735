package serve

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/procpool/procpool/internal/codec"
	"github.com/procpool/procpool/wire"
)

// Task is the context of one running task, and what the task can ask of its worker.
// Its Done channel is made only when somebody asks for it: most tasks never do. It is small, since there is one for each task.
type Task struct {
	batch  *batch
	offset int
	clock  *clock // nil where nothing ends with time, as for most tasks

	err  atomic.Pointer[error]         // why the context ended; nil while it has not
	done atomic.Pointer[chan struct{}] // nil until asked for, or until the end
}

// clock is what a task knows of its time.
type clock struct {
	deadline time.Time // when the context ends; zero for never
	limit    time.Time // when the task's own time is up: its soft limit, else its hard one; zero for none
	soft     bool      // deadline is the soft limit
	timer    *time.Timer
	overdue  atomic.Bool // the context ended at the soft limit
}

var closedChan = func() *chan struct{} {
	c := make(chan struct{})
	close(c)
	return &c
}()

type taskKey struct{}

// FromContext returns the task that ctx belongs to, nil outside of one.
func FromContext(ctx context.Context) *Task {
	t, _ := ctx.Value(taskKey{}).(*Task)
	return t
}

// wind makes the clock of a task that begins now, if it needs one.
func (t *Task) wind() {
	head, due := &t.batch.head, t.batch.deadline
	if head.Soft <= 0 && head.Hard <= 0 && due.IsZero() {
		return
	}
	c := &clock{deadline: due}
	t.clock = c
	switch {
	case head.Soft > 0:
		c.limit = time.Now().Add(head.Soft)
		if due.IsZero() || c.limit.Before(due) {
			c.deadline, c.soft = c.limit, true
		}
	case head.Hard > 0:
		c.limit = time.Now().Add(head.Hard) // the parent's affair: the context goes on
	}
	if !c.deadline.IsZero() {
		c.timer = time.AfterFunc(time.Until(c.deadline), t.expire)
	}
}

// expire ends the context at the deadline.
func (t *Task) expire() {
	if t.clock.soft {
		t.clock.overdue.Store(true) // before the context ends: the task may return at once
	}
	t.end(context.DeadlineExceeded)
}

// isOverdue reports whether the context has ended at the task's soft limit.
func (t *Task) isOverdue() bool { return t.clock != nil && t.clock.overdue.Load() }

// Limit returns when the task's time is up: its soft limit, else its hard one, else its context's deadline. It is zero where there is none.
func (t *Task) Limit() time.Time {
	switch {
	case t.clock == nil:
		return time.Time{}
	case !t.clock.limit.IsZero():
		return t.clock.limit
	}
	return t.clock.deadline
}

// Deadline implements context.Context.
func (t *Task) Deadline() (time.Time, bool) {
	if t.clock == nil {
		return time.Time{}, false
	}
	return t.clock.deadline, !t.clock.deadline.IsZero()
}

// Done implements context.Context. The channel is closed at the deadline, when the task is
// cancelled, and when it returns.
func (t *Task) Done() <-chan struct{} {
	if c := t.done.Load(); c != nil {
		return *c
	}
	c := make(chan struct{})
	if t.done.CompareAndSwap(nil, &c) {
		return c
	}
	return *t.done.Load()
}

// Err implements context.Context.
func (t *Task) Err() error {
	if err := t.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Value implements context.Context. A task's context carries no values of the caller's.
func (t *Task) Value(key any) any {
	if key == (taskKey{}) {
		return t
	}
	return nil
}

// String keeps fmt from walking into the worker's innards when a context is printed.
func (t *Task) String() string { return "procpool task " + t.batch.head.Func }

var finished = context.Canceled

// end ends the context. The first cause stands.
func (t *Task) end(cause error) {
	if !t.err.CompareAndSwap(nil, &cause) {
		return
	}
	t.closeDone()
}

// finish ends the context of a task that has returned, for goroutines that it left behind.
func (t *Task) finish() {
	if t.err.CompareAndSwap(nil, &finished) {
		t.closeDone()
	}
}

func (t *Task) closeDone() {
	if c := t.done.Swap(closedChan); c != nil && c != closedChan {
		close(*c)
	}
}

// Head returns what the task has in common with its batch.
func (t *Task) Head() *wire.TasksHead { return &t.batch.head }

// Index returns the task's index in its job, -1 where there is none.
func (t *Task) Index() int { return t.batch.head.Index(t.offset) }

// Slot returns the worker's place in the pool.
func (t *Task) Slot() int { return t.batch.server.welcome.Slot }

// PID returns the process id that the worker gave in its hello.
func (t *Task) PID() int { return t.batch.server.cfg.Hello.PID }

// LogLevel returns the lowest level of log records that the parent wants.
func (t *Task) LogLevel() int { return t.batch.server.welcome.Level }

// Log sends a log record to the parent. A record that cannot be sent is lost: there is
// nobody to tell.
func (t *Task) Log(record *wire.LogBody) {
	s := t.batch.server
	if frame, err := wire.AppendMap(nil, wire.Log, t.batch.id, uint32(t.offset), record); err == nil {
		_ = s.out.write(frame)
	}
}

// Report sends a progress value to the parent, if anybody there listens.
func (t *Task) Report(value any) error {
	s := t.batch.server
	if !s.welcome.Reports || t.Err() == finished {
		return nil
	}
	payload, err := codec.For[any]().Append(nil, &value)
	if err != nil {
		return err
	}
	if len(payload) > wire.MaxControlBytes {
		return wire.ErrTooLarge
	}
	return s.out.write(wire.AppendControl(nil, wire.Report, t.batch.id, uint32(t.offset), payload))
}
