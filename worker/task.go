package worker

import (
	"context"
	"time"

	"github.com/procpool/procpool/internal/serve"
)

// TaskInfo says which task is running, and where.
type TaskInfo struct {
	Func     string
	Slot     int       // the worker's place in the pool, from 0
	PID      int       // of the worker process
	Index    int       // of the item in its Map or Stream, -1 in Call, Go and Broadcast
	Attempt  int       // 1 for the first
	Deadline time.Time // when the task's time is up: its soft limit, else its hard one, else the caller's deadline; zero for none
}

// Info returns what is known of the task that ctx belongs to. Outside of a task all is zero but Index, which is -1.
func Info(ctx context.Context) TaskInfo {
	t := serve.FromContext(ctx)
	if t == nil {
		return TaskInfo{Index: -1}
	}
	head := t.Head()
	return TaskInfo{
		Func: head.Func, Slot: t.Slot(), PID: t.PID(),
		Index: t.Index(), Attempt: head.Attempt, Deadline: t.Limit(),
	}
}

// Report sends a progress event from inside a task to the pool's WithOnReport function.
// It costs a frame; it does nothing where nobody listens, where progress cannot be encoded,
// or outside of a task.
func Report(ctx context.Context, progress any) {
	if t := serve.FromContext(ctx); t != nil {
		_ = t.Report(progress) // progress is not worth failing a task for
	}
}

// Carrier returns what the parent's tracer (pool.WithTracer) lets the task that ctx belongs to know: names and values, as the headers of a request are. It is
// decoded at each call, and nil where there is nothing. Package pool/tracing makes a context for spans of it.
func Carrier(ctx context.Context) map[string]string {
	if t := serve.FromContext(ctx); t != nil {
		return t.Head().Carrier.Pairs()
	}
	return nil
}
