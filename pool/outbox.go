package pool

import (
	"slices"
	"sync"
	"sync/atomic"
)

// pipe is the parent's end of a worker's standard input.
type pipe interface {
	// Send calls step with something that writes as much as goes without waiting. Where wait is set it waits for room and calls step again, until
	// that says that it is done. Only one goroutine may be in it.
	Send(wait bool, step func(vectorWriter) (done bool)) error
	Close() error
}

// vectorWriter writes several pieces in one system call, as far as that goes without waiting, and returns how many bytes have left.
type vectorWriter interface {
	writeVector(pieces [][]byte) (int, error)
}

const (
	// copyBelow is the size up to which bytes are copied behind the frames that wait already.
	copyBelow = 16 << 10

	// maxPieces is how many pieces leave in one system call.
	maxPieces = 16
)

// outbox is the way to one worker. Whoever has a frame puts it in, under core.mu, which gives the order; then one of those who did
// writes, as far as the pipe takes it at once. What the pipe does not take is left to the proc's goroutine
// (run), so that nobody who submits or receives ever waits for a worker.
type outbox struct {
	to    pipe
	nudge func()                         // makes a busy worker read
	kick  chan struct{}                  // capacity 1: there is something that has to wait for the pipe
	step  func(vectorWriter) (done bool) // advance, made once

	written atomic.Int64 // bytes that the pipe has taken

	// pen is held while the system reads what is in the queue. It is taken before mu.
	pen    sync.Mutex
	pieces [][]byte // what it reads
	full   bool     // of the one who writes: the pipe did not take everything

	mu      sync.Mutex
	queue   []piece // to be written; the first may be begun
	writing bool    // somebody has taken it on himself to write what is in the queue
	ended   bool
	spare   []byte // of the last round, for the next
	added   int64  // bytes ever queued
	marks   []mark // frames of which somebody wants to know when they have left; oldest first
}

// piece is bytes that are to be written.
type piece struct {
	buf    []byte
	off    int  // so many are written
	copied bool // the memory is the outbox's own: more may be appended
	urgent bool // the worker is to read it even while it is busy
	lender any  // whose memory it is, until it is written or reclaimed; nil where it is the pool's
}

func newOutbox(to pipe, nudge func()) *outbox {
	o := &outbox{to: to, nudge: nudge, kick: make(chan struct{}, 1)}
	o.step = o.advance
	return o
}

// add queues one frame: head is copied, body if it is short, lent never.
func (o *outbox) add(head, body, lent []byte, lender any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return
	}
	o.added += int64(len(head) + len(body) + len(lent))
	o.copyLocked(head)
	if len(body) <= copyBelow {
		o.copyLocked(body)
	} else {
		o.queue = append(o.queue, piece{buf: body})
	}
	if len(lent) > 0 {
		o.queue = append(o.queue, piece{buf: lent, lender: lender})
	}
}

// addUrgent queues a frame that the worker is to read even while it is busy. It is called under core.mu.
func (o *outbox) addUrgent(frame []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return
	}
	if len(o.queue) > 0 {
		o.nudge() // run may be waiting for room, which a busy worker does not make by itself
	}
	o.copyLocked(frame)
	o.queue[len(o.queue)-1].urgent = true
}

func (o *outbox) copyLocked(b []byte) {
	if n := len(o.queue); n > 0 {
		if last := &o.queue[n-1]; last.copied && cap(last.buf)-len(last.buf) >= len(b) {
			last.buf = append(last.buf, b...)
			return
		}
	}
	room := o.spare
	o.spare = nil
	if cap(room) < len(b) {
		room = make([]byte, 0, max(4096, len(b)))
	}
	o.queue = append(o.queue, piece{buf: append(room[:0], b...), copied: true})
}

// reclaim returns when nobody reads what lender has lent any more. What is not written yet is copied.
func (o *outbox) reclaim(lender any) {
	o.mu.Lock()
	lent := slices.ContainsFunc(o.queue, func(p piece) bool { return p.lender == lender })
	o.mu.Unlock()
	if !lent {
		return // what is being written is still in the queue
	}
	o.pen.Lock()
	defer o.pen.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.queue {
		if p := &o.queue[i]; p.lender == lender {
			*p = piece{buf: slices.Clone(p.buf[p.off:])} // lent memory is never urgent
		}
	}
}

// flush writes what is queued, as far as that goes without waiting.
func (o *outbox) flush() {
	o.mu.Lock()
	if o.writing || len(o.queue) == 0 {
		o.mu.Unlock() // whoever writes looks again before he ends
		return
	}
	o.writing = true
	o.mu.Unlock()
	if !o.write(false) {
		o.wake() // run goes on writing
	}
}

// run writes what has to wait. One goroutine of each proc; it ends when the outbox does.
func (o *outbox) run() {
	for range o.kick {
		if !o.isEnded() { // else it is the end that it was woken for, and nobody has left it the right to write
			o.write(true)
		}
		if o.isEnded() {
			return
		}
	}
}

// write writes what is in the queue and gives up the right to; false if there is more, but no room for it.
func (o *outbox) write(wait bool) bool {
	for {
		o.full = true
		err := o.to.Send(wait, o.step)
		o.mu.Lock()
		switch {
		case err != nil:
			o.endLocked() // the reader will see that the process is gone, or kill it
		case o.ended || len(o.queue) == 0:
		case wait || !o.full: // something came as Send returned
			o.mu.Unlock()
			continue
		default:
			o.mu.Unlock()
			return false
		}
		o.writing = false
		o.mu.Unlock()
		return true
	}
}

// advance writes as far as that goes without waiting; true if nothing is left, or will be.
func (o *outbox) advance(w vectorWriter) (done bool) {
	for {
		left, moved, err := o.writePieces(w)
		switch {
		case err != nil:
			o.mu.Lock()
			o.endLocked()
			o.mu.Unlock()
			return true
		case left == 0:
			o.full = false
			return true
		case moved == 0:
			return false
		}
	}
}

// writePieces writes the first pieces, and returns how many are left, and how many bytes have left.
func (o *outbox) writePieces(w vectorWriter) (left, n int, err error) {
	o.pen.Lock()
	defer o.pen.Unlock()
	o.mu.Lock()
	pieces := o.pieces[:0]
	for i := range o.queue[:min(len(o.queue), maxPieces)] {
		pieces = append(pieces, o.queue[i].buf[o.queue[i].off:])
	}
	o.mu.Unlock()
	if len(pieces) == 0 {
		return 0, 0, nil
	}
	n, err = w.writeVector(pieces)
	o.written.Add(int64(n))
	clear(pieces)
	o.pieces = pieces
	o.mu.Lock()
	o.passMarksLocked()
	urgent := o.dropLocked(n)
	left = len(o.queue)
	stuck := n == 0 && err == nil && slices.ContainsFunc(o.queue, func(p piece) bool { return p.urgent })
	o.mu.Unlock()
	if urgent || stuck { // now that all of it is in the pipe; or there is no room for it, and will be none while a busy worker does not read
		o.nudge()
	}
	return left, n, err
}

// dropLocked takes off the queue what is written, and reports whether any of it was urgent.
func (o *outbox) dropLocked(n int) (urgent bool) {
	for n > 0 && len(o.queue) > 0 {
		p := &o.queue[0]
		took := min(n, len(p.buf)-p.off)
		p.off += took
		n -= took
		if p.off < len(p.buf) {
			return urgent
		}
		urgent = urgent || p.urgent
		if o.spare == nil && p.copied && cap(p.buf) <= 64<<10 {
			o.spare = p.buf[:0]
		}
		*p = piece{} // else the array holds what was written until something else takes its place
		o.queue = slices.Delete(o.queue, 0, 1)
	}
	return urgent
}

// end makes the outbox drop everything; nothing of it is read any more when it returns. The pipe must be closed first, so that run, which may be
// waiting for it, ends. Nobody nudges any more either: that is done under pen, or under core.mu while the outbox has not ended.
func (o *outbox) end() {
	o.pen.Lock()
	defer o.pen.Unlock()
	o.mu.Lock()
	o.endLocked()
	o.mu.Unlock()
	o.wake()
}

func (o *outbox) isEnded() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ended
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
