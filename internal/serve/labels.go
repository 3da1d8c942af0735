package serve

import (
	"context"
	"runtime/pprof"
	"strconv"

	"github.com/procpool/procpool/internal/registry"
)

// instance is this worker's own of a function.
type instance struct {
	invoke registry.Invoke
	slot   int64 // that labels name
	labels context.Context
}

// label makes profiles tell whose work the running goroutine's is: it gets the labels func and slot, and passes them on to those that tasks start. It is done for
// each batch, which costs some nanoseconds, and not for each task, which would cost as much as a tiny one; not only where another function comes, since a task may
// have set labels of its own. A task's context has them too, so that pprof.Do adds to them and leaves them as they were.
func (s *Server) label(b *batch, of *instance) {
	if slot := s.slot.Load(); of.labels == nil || of.slot != slot {
		of.slot = slot
		of.labels = pprof.WithLabels(context.Background(), pprof.Labels("func", b.head.Func, "slot", strconv.FormatInt(slot, 10)))
	}
	if b.labels == nil { // else it goes on after a task that left by runtime.Goexit
		b.labels = of.labels
	}
	pprof.SetGoroutineLabels(of.labels)
}
