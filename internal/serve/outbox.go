package serve

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/procpool/procpool/internal/shm"
	"github.com/procpool/procpool/wire"
)

const (
	// flushAt is how many bytes of results wait at the most: half the ring, so
	// that a full one never has to be waited for.
	flushAt = shm.RingSize / 2

	// flushAfter is how long a result waits at the most for others to join it.
	flushAfter = time.Millisecond
)

// outbox is the way out of a worker: results through the ring, everything else as it comes.
//
// Results are published in the ring one by one and written to the pipe many at a time: by
// execLoop when it has nothing more to run, when much has gathered, or when the next task will take too long if it is like the last one; by a timer when
// a task turns out to. A result that is only published takes no lock: how many there are is in the page, and whose they are is
// written down where a batch begins.
type outbox struct {
	put  func(pieces [][]byte) error // writes them all
	page *shm.Page

	// Of execLoop alone.
	ring    *shm.Ring
	scratch []byte // where a result is encoded
	id      uint64 // the batch and offset that the open group goes on with; 0 for none
	next    int

	since   atomic.Int64  // when the oldest result that waits was published, or earlier, by monotonic; execLoop writes it
	written atomic.Uint64 // the shm.Mark up to which everything is written
	armed   atomic.Bool   // the timer runs, or is about to look at the page
	exec    atomic.Int64  // time taken by tasks of the last group, not yet in its head
	cpu     atomic.Int64

	others atomic.Int64 // frames that are no results, since the batch began

	mu     sync.Mutex // held while writing, so that frames do not mix
	groups []group    // oldest first; the last is open
	frames []byte     // where frames are put together
	timer  *time.Timer
	err    error // the first failure; nothing is written after it
}

// group is a run of results of one batch: from its start to the start of the next one, or to what is published.
type group struct {
	id    uint64
	from  int // offset into the batch
	start shm.Mark
	head  wire.ResultsHead
}

func newOutbox(w io.Writer, page *shm.Page) *outbox {
	o := &outbox{put: vectorWriter(w), page: page, ring: page.Ring()}
	o.timer = time.AfterFunc(time.Hour, o.onTimer)
	o.timer.Stop()
	return o
}

// takeScratch returns the buffer to encode the next result into, with headroom before it.
//
// Tried before: short results encoded in the ring itself, to be spared the copy. A batch of 4096 integers took 270 µs instead of 190.
func (o *outbox) takeScratch() []byte {
	if cap(o.scratch) < headroom || cap(o.scratch) > keepScratch {
		o.scratch = make([]byte, headroom, 4096)
	}
	return o.scratch[:headroom]
}

// isEmpty reports whether no result waits. Of execLoop.
func (o *outbox) isEmpty() bool { return o.ring.Mark() == shm.Mark(o.written.Load()) }

// age returns how long the oldest result waits. Of execLoop.
func (o *outbox) age(now time.Duration) time.Duration {
	if o.isEmpty() {
		return 0
	}
	return now - time.Duration(o.since.Load())
}

// add takes one result, at a time that may be a little ago: out holds the value behind headroom, but for the bytes that are lent. now says that nothing
// will follow for a while.
func (o *outbox) add(b *batch, at time.Duration, out, lent []byte, outcome wire.Outcome, took lapse, cost *wire.Cost, now bool) {
	if &out[0] != &o.scratch[0] {
		o.scratch = out[:headroom] // it has grown
	}
	item := withHead(out, outcome, cost, len(out)-headroom+len(lent))
	if len(item)+len(lent) > shm.MaxRingItem {
		o.writeLarge(b, out, len(item), lent, wire.ResultsHead{Exec: took.exec, CPU: took.cpu, Arrived: b.shown})
		return
	}
	if o.id != b.id || o.next != b.offset {
		o.open(b)
	}
	o.next++
	if took != (lapse{}) {
		o.exec.Add(int64(took.exec))
		o.cpu.Add(int64(took.cpu))
	}
	if o.isEmpty() {
		o.since.Store(int64(at))
	}
	o.ring.Publish(item)
	if now && b.count == 1 && cost == nil && o.leave(b) {
		return
	}
	if _, waiting := o.ring.Mark().Since(shm.Mark(o.written.Load())); now || waiting >= flushAt {
		o.flush()
	}
}

// leave leaves the only answer of a batch in the ring if the parent waits for it there. Whatever else was sent since the batch began must come before
// it, by the pipe.
func (o *outbox) leave(b *batch) bool {
	if o.others.Load() > 0 {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	end, g := o.ring.Mark(), &o.groups[len(o.groups)-1]
	if count, _ := end.Since(shm.Mark(o.written.Load())); count != 1 || g.id != b.id {
		return false
	}
	o.settleLocked()
	if !o.page.Leave(b.id, g.head.Exec) {
		return false
	}
	*g = group{id: b.id, from: g.from + 1, start: end}
	o.groups = append(o.groups[:0], *g)
	o.written.Store(uint64(end))
	return true
}

// expectTask sees to it that what is published does not wait for the task that begins now. The claim is made, so that whoever looks at the page from now on
// sees all of it: the timer, if it has been taken for running here, has yet to look.
func (o *outbox) expectTask() {
	if !o.armed.Load() && !o.isEmpty() {
		o.armed.Store(true)
		o.timer.Reset(flushAfter)
	}
}

// open begins a group.
func (o *outbox) open(b *batch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settleLocked()
	o.groups = append(o.groups, group{id: b.id, from: b.offset, start: o.ring.Mark(), head: wire.ResultsHead{Arrived: b.shown}})
	o.id, o.next = b.id, b.offset
}

// settleLocked adds the time that was measured to the last group.
func (o *outbox) settleLocked() {
	if n := len(o.groups); n > 0 {
		head := &o.groups[n-1].head
		head.Exec += time.Duration(o.exec.Swap(0))
		head.CPU += time.Duration(o.cpu.Swap(0))
	}
}

// withHead puts the item's head right before the value, which has size bytes, and returns the item.
func withHead(out []byte, outcome wire.Outcome, cost *wire.Cost, size int) []byte {
	if size < 0x80 && cost == nil { // the shape of nearly every result
		out[headroom-2], out[headroom-1] = byte(outcome), byte(size)
		return out[headroom-2:]
	}
	var head [64]byte
	n := len(wire.AppendResultHead(head[:0], outcome, cost, size))
	copy(out[headroom-n:], head[:n])
	return out[headroom-n:]
}

// writeLarge writes a result that does not go through the ring: its frame is
// built in the headroom before it, so that the value is not copied.
func (o *outbox) writeLarge(b *batch, out []byte, item int, lent []byte, head wire.ResultsHead) {
	stamp(&head)
	var h [64]byte
	headLen := len(head.Append(h[:0]))
	start := len(out) - item - headLen - wire.HeaderSize
	frame := out[start:]
	wire.Header{Kind: wire.Results, Count: 1, ID: b.id, Arg: uint32(b.offset), Length: uint64(headLen + item + len(lent))}.Put(frame)
	copy(frame[wire.HeaderSize:], h[:headLen])
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flushLocked()
	o.writeLocked(frame, lent)
	o.id = 0 // the next result begins a group
}

// onTimer writes what is published, if it has waited. armed is taken back before the page is looked at: who publishes after that look, and then claims a
// task, sets the timer again. Whoever else writes leaves the timer as it is: to set it for every frame would take longer than to look now and then.
func (o *outbox) onTimer() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.armed.Store(false)
	if uint64(o.page.Published()) == o.written.Load() {
		return
	}
	if left := flushAfter - (monotonic() - time.Duration(o.since.Load())); left > flushAfter/4 && o.armed.CompareAndSwap(false, true) {
		o.timer.Reset(left)
		return
	}
	o.flushLocked()
}

func (o *outbox) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flushLocked()
}

// flushLocked writes what is published.
func (o *outbox) flushLocked() {
	o.settleLocked()
	frames, end := o.frames[:0], o.page.Published()
	for i := range o.groups {
		to := end
		if i+1 < len(o.groups) {
			to = o.groups[i+1].start
		}
		frames = o.appendFrame(frames, &o.groups[i], to)
	}
	if n := len(o.groups); n > 1 {
		o.groups = append(o.groups[:0], o.groups[n-1])
	}
	if len(frames) > 0 {
		o.writeLocked(frames)
	}
	o.frames = frames
	o.written.Store(uint64(end))
}

// appendFrame appends what a group has up to a mark, if that is anything, and leaves the group with nothing.
func (o *outbox) appendFrame(dst []byte, g *group, to shm.Mark) []byte {
	count, size := to.Since(g.start)
	if count == 0 {
		return dst
	}
	start := len(dst)
	stamp(&g.head)
	dst = append(dst, make([]byte, wire.HeaderSize)...)
	dst = g.head.Append(dst)
	dst = o.page.AppendFrom(dst, g.start.Bytes(), size)
	wire.Header{
		Kind: wire.Results, Count: uint32(count), ID: g.id, Arg: uint32(g.from),
		Length: uint64(len(dst) - start - wire.HeaderSize),
	}.Put(dst[start:])
	*g = group{id: g.id, from: g.from + count, start: to, head: wire.ResultsHead{Arrived: g.head.Arrived}}
	return dst
}

// stamp notes when a frame leaves, where somebody asks.
func stamp(head *wire.ResultsHead) {
	if head.Arrived > 0 {
		head.Sent = int64(monotonic())
	}
}

// write writes a frame that is not Results.
func (o *outbox) write(frame []byte) error {
	o.others.Add(1)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writeLocked(frame)
	return o.err
}

func (o *outbox) writeLocked(pieces ...[]byte) {
	if o.err == nil {
		o.err = o.put(pieces)
	}
}
