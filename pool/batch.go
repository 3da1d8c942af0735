package pool

import (
	"time"

	"github.com/procpool/procpool/internal/shm"
	"github.com/procpool/procpool/wire"
)

// batch is tasks of one function that travel in one frame.
type batch struct {
	from  source
	head  wire.TasksHead
	n     int
	body  []byte  // n task items; read-only
	lent  []byte  // the end of the only item, where that is a caller's memory
	calls []*call // the calls, one for each task; nil where the tasks are a job's

	one    [1]*call // the memory of calls where there is one
	lender any      // who lent it: a call or a job

	due time.Time // the caller's deadline; zero for none

	travel *travel // where somebody wants to know where the time goes; else nil

	// rest is the items of the tasks that are not answered, left how many that are, in the goroutine that answers for the proc: deliver and lose move
	// them on.
	rest []byte
	left int

	// offers is the shared memory that came for results which have not come yet, by offset. Of recv.
	offers map[int]*offered

	made      moment // when its tasks were submitted, about; 0 where no clock was read, since they did not wait
	lentStart []byte // of a sampled one: the beginning of lent

	// These are written once when a worker gets the batch.
	origin  origin
	sent    time.Time
	waited  time.Duration // since its tasks were submitted
	sampled bool          // it was chosen by sampleLocked

	// Of the proc that has it, under core.mu.
	id      uint64
	limit   int // tasks from this offset on were taken back
	got     int // tasks answered
	started int // tasks announced by Started, from a worker without a page
	doomed  int // one more than the offset of the running task that was cancelled last: its grace timer runs; 0 for none

	heard     uint32 // by what name its caller waits for the page; 0 if he does not
	fromPage  bool   // the answer was taken from there
	recalling bool   // a worker without a page was asked to give back what it has not started
}

// openCalls returns the calls that are not answered.
func (b *batch) openCalls() []*call {
	if b.calls == nil {
		return nil
	}
	return b.calls[min(b.got, len(b.calls)):]
}

// pass moves on by n answered tasks and returns how many bytes their items have.
func (b *batch) pass(n int) int {
	size := len(b.rest)
	if n < b.left {
		size = max(0, wire.SkipItems(b.rest, n))
	}
	b.left -= n
	b.rest = b.rest[size:]
	return size + len(b.lent)
}

// tail returns the items from offset from on.
func (b *batch) tail(from int) []byte {
	return b.body[wire.SkipItems(b.body, from):]
}

// cut returns the items of the tasks from up to to.
func (b *batch) cut(from, to int) []byte {
	if b.lent != nil {
		return b.body // it is the only item, and not whole
	}
	rest := b.tail(from)
	return rest[:wire.SkipItems(rest, to-from)]
}

// ringBytes returns how many bytes of a frame's result items went through the ring: all, but for a long one,
// which travels alone.
func ringBytes(items []byte, count int) uint64 {
	if count == 1 && len(items) > shm.MaxRingItem {
		return 0
	}
	return uint64(len(items))
}

// taskError names one task of the batch in its error.
func (b *batch) taskError(index int, err error) *TaskError {
	return &TaskError{
		Func: b.head.Func, Index: index,
		Slot: b.origin.slot, PID: b.origin.pid, Attempt: b.origin.attempt, Err: err,
	}
}

// itemBytes returns the size of the value in a task item of that size.
func itemBytes(item int) int {
	for _, prefix := range []int{1, 2, 3, 5} {
		if n := item - prefix; n >= 0 && wire.UintSize(uint64(n)) == prefix {
			return n
		}
	}
	return max(item-5, 0)
}
