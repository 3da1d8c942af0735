package blob

import (
	"errors"
	"sync"
	"sync/atomic"
)

// ErrOtherPool is returned where a Blob is not the pool's that is to carry it.
var ErrOtherPool = errors.New("procpool: the Blob belongs to another pool, or to none; use Share of the pool that is to carry it")

// own is memory that a task has made and that no pool has yet.
type own struct{ memory *Memory }

// NewOwn returns a Handle of new memory. shared says that this is a worker process; elsewhere the memory is on the heap, where the
// tasks of WithInline and the pool find it as well.
func NewOwn(data []byte, shared bool) (*Handle, error) {
	if !shared {
		return NewHandle(len(data), &own{NewHeap(data)}), nil
	}
	m, err := New(data)
	if err != nil {
		return nil, err
	}
	return NewHandle(len(data), &own{m}), nil
}

// Bytes implements Source.
func (o *own) Bytes() ([]byte, error) { return o.memory.Bytes() }

// Release implements Source. Whoever still reads it finds zeros.
func (o *own) Release() { o.memory.Retire() }

// Drop implements Source. What was mapped may still be read by the task that made it, so that waits for the end of a task.
func (o *own) Drop() {
	if !o.memory.Mapped() {
		o.memory.Close()
		return
	}
	lost.mu.Lock()
	defer lost.mu.Unlock()
	lost.list = append(lost.list, o.memory)
	hasLost.Store(true)
}

// lost is memory whose Handles were dropped while it was mapped.
var lost struct {
	mu   sync.Mutex
	list []*Memory
}

var hasLost atomic.Bool

func settleLost() {
	lost.mu.Lock()
	defer lost.mu.Unlock()
	for _, m := range lost.list {
		m.Retire()
	}
	lost.list = nil
	hasLost.Store(false)
}
