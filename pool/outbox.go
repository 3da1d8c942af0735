package pool

import (
	"slices"
	"sync"
	"sync/atomic"
)

// pipe is the parent's end of a worker's standard input.
type pipe interface {
	// Write writes all of b, waiting as long as it takes.
	Write(b []byte) (int, error)
	// TryWrite writes what can be written without waiting.
	TryWrite(b []byte) (int, error)
	Close() error
}

// writePiece is how much is written between two counts of what has left.
const writePiece = 256 << 10

// copyBelow is the size up to which bytes are copied behind the frames that wait already, so that they leave in one system call.
const copyBelow = 16 << 10

// outbox is the way to one worker. Whoever has a frame puts it in, under core.mu, which gives the order; then one of those who did
// writes, as far as the pipe takes it at once. What the pipe does not take is left to the proc's goroutine
// (run), so that nobody who submits or receives ever waits for a worker.
type outbox struct {
	to   pipe
	kick chan struct{} // capacity 1: there is something that has to wait for the pipe

	written atomic.Int64 // bytes that the pipe has taken

	mu      sync.Mutex
	queue   [][]byte // to be written; the first may be begun
	writing bool     // somebody has taken it on himself to write what is in the queue
	ended   bool
	spare   []byte // of the last round, for the next
}

func newOutbox(to pipe) *outbox { return &outbox{to: to, kick: make(chan struct{}, 1)} }

// add queues one frame: head is copied, body if it is short.
func (o *outbox) add(head, body []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return
	}
	o.copyLocked(head)
	if len(body) <= copyBelow {
		o.copyLocked(body)
		return
	}
	o.queue = append(o.queue, slices.Clip(body)) // full: the next frame is not appended to memory that is not ours
}

func (o *outbox) copyLocked(b []byte) {
	n := len(o.queue)
	if n > 0 && cap(o.queue[n-1])-len(o.queue[n-1]) >= len(b) {
		o.queue[n-1] = append(o.queue[n-1], b...)
		return
	}
	room := o.spare
	o.spare = nil
	if cap(room) < len(b) {
		room = make([]byte, 0, max(4096, len(b)))
	}
	o.queue = append(o.queue, append(room[:0], b...))
}

// flush writes what is queued, as far as that goes without waiting.
func (o *outbox) flush() {
	o.mu.Lock()
	if o.writing {
		o.mu.Unlock() // whoever writes looks again before he ends
		return
	}
	o.writing = true
	for !o.ended && len(o.queue) > 0 {
		b := o.takeLocked()
		o.mu.Unlock()
		n, err := o.to.TryWrite(b)
		o.written.Add(int64(n))
		o.mu.Lock()
		if err != nil {
			o.endLocked() // the reader will see that the process is gone, or kill it
			break
		}
		if n < len(b) {
			o.queue = append([][]byte{b[n:len(b):len(b)]}, o.queue...)
			o.mu.Unlock()
			o.wake() // run goes on writing
			return
		}
		o.giveBackLocked(b)
	}
	o.writing = false
	o.mu.Unlock()
}

func (o *outbox) takeLocked() []byte {
	b := o.queue[0]
	o.queue[0] = nil // the array stays, and may be all that holds a large argument
	o.queue = o.queue[1:]
	return b
}

func (o *outbox) giveBackLocked(b []byte) {
	if o.spare == nil && cap(b) <= 64<<10 && cap(b) > len(b) {
		o.spare = b[:0]
	}
}

// run writes what has to wait. One goroutine of each proc; it ends when the outbox does.
func (o *outbox) run() {
	for range o.kick {
		o.mu.Lock()
		for !o.ended && len(o.queue) > 0 {
			b := o.takeLocked()
			o.mu.Unlock()
			err := o.write(b)
			o.mu.Lock()
			if err != nil {
				o.endLocked()
			}
		}
		o.writing = false
		ended := o.ended
		o.mu.Unlock()
		if ended {
			return
		}
	}
}

// write writes all of b, piece by piece, so that a worker that takes it slowly can be told from one that does not take it.
func (o *outbox) write(b []byte) error {
	for len(b) > 0 {
		n, err := o.to.Write(b[:min(len(b), writePiece)])
		o.written.Add(int64(n))
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// end makes the outbox drop everything. The pipe must be closed first, so that run, which may be waiting for it, ends.
func (o *outbox) end() {
	o.mu.Lock()
	o.endLocked()
	o.mu.Unlock()
	o.wake()
}

func (o *outbox) wake() {
	select {
	case o.kick <- struct{}{}:
	default: // it will look again anyway
	}
}

func (o *outbox) endLocked() {
	o.ended = true
	o.queue = nil
}
