package serve

import (
	"io"
	"sync"
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
// execLoop when it has nothing more to run, when much has gathered, or by a timer
// when a task takes long.
type outbox struct {
	w    io.Writer
	page *shm.Page

	scratch []byte // of execLoop alone: where a result is encoded

	mu      sync.Mutex // held while writing, so that frames do not mix
	groups  []group    // published, not written; oldest first
	written uint64     // ring position up to which everything is written
	frames  []byte     // where frames are put together
	timer   *time.Timer
	armed   bool
	err     error // the first failure; nothing is written after it
}

// group is a run of results of one batch.
type group struct {
	id    uint64
	from  int
	count int
	end   uint64 // ring position after the last
	head  wire.ResultsHead
}

func newOutbox(w io.Writer, page *shm.Page) *outbox {
	o := &outbox{w: w, page: page}
	o.timer = time.AfterFunc(time.Hour, o.onTimer)
	o.timer.Stop()
	return o
}

// takeScratch returns the buffer to encode the next result into, with headroom before it.
func (o *outbox) takeScratch() []byte {
	if cap(o.scratch) < headroom || cap(o.scratch) > keepScratch {
		o.scratch = make([]byte, headroom, 4096)
	}
	return o.scratch[:headroom]
}

// add takes one result: out holds the value behind headroom. now says that nothing
// will follow for a while.
func (o *outbox) add(id uint64, offset int, out []byte, outcome wire.Outcome, timed bool, exec, cpu time.Duration, now bool) {
	o.scratch = out[:headroom]
	item := withHead(out, outcome, timed, exec, cpu)
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(item) > shm.MaxRingItem {
		o.flushLocked()
		o.writeLargeLocked(id, offset, out, len(item), wire.ResultsHead{Exec: exec, CPU: cpu})
		return
	}
	o.publishLocked(id, offset, item, exec, cpu)
	switch {
	case now || o.page.Published()-o.written >= flushAt:
		o.flushLocked()
	case !o.armed:
		o.armed = true
		o.timer.Reset(flushAfter)
	}
}

// withHead puts the item's head right before the value and returns the item.
func withHead(out []byte, outcome wire.Outcome, timed bool, exec, cpu time.Duration) []byte {
	var head [32]byte
	n := len(wire.AppendResultHead(head[:0], outcome, timed, exec, cpu, len(out)-headroom))
	copy(out[headroom-n:], head[:n])
	return out[headroom-n:]
}

func (o *outbox) publishLocked(id uint64, offset int, item []byte, exec, cpu time.Duration) {
	end := o.page.Publish(item)
	if n := len(o.groups); n > 0 && o.groups[n-1].id == id {
		g := &o.groups[n-1]
		g.count++
		g.end = end
		g.head.Exec += exec
		g.head.CPU += cpu
		return
	}
	o.groups = append(o.groups, group{id: id, from: offset, count: 1, end: end, head: wire.ResultsHead{Exec: exec, CPU: cpu}})
}

// writeLargeLocked writes a result that does not go through the ring: its frame is
// built in the headroom before it, so that the value is not copied.
func (o *outbox) writeLargeLocked(id uint64, offset int, out []byte, item int, head wire.ResultsHead) {
	var h [32]byte
	headLen := len(head.Append(h[:0]))
	start := len(out) - item - headLen - wire.HeaderSize
	frame := out[start:]
	wire.Header{Kind: wire.Results, Count: 1, ID: id, Arg: uint32(offset), Length: uint64(headLen + item)}.Put(frame)
	copy(frame[wire.HeaderSize:], h[:headLen])
	o.writeLocked(frame)
}

func (o *outbox) onTimer() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flushLocked()
}

func (o *outbox) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flushLocked()
}

func (o *outbox) flushLocked() {
	if o.armed {
		o.timer.Stop()
		o.armed = false
	}
	if len(o.groups) == 0 {
		return
	}
	frames := o.frames[:0]
	at := o.written
	for i := range o.groups {
		g := &o.groups[i]
		frames = o.appendFrame(frames, g, at)
		at = g.end
	}
	o.writeLocked(frames)
	o.written = at
	o.groups = o.groups[:0]
	o.frames = frames
}

func (o *outbox) appendFrame(dst []byte, g *group, from uint64) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, wire.HeaderSize)...)
	dst = g.head.Append(dst)
	dst = o.page.AppendRange(dst, from, g.end)
	wire.Header{
		Kind: wire.Results, Count: uint32(g.count), ID: g.id, Arg: uint32(g.from),
		Length: uint64(len(dst) - start - wire.HeaderSize),
	}.Put(dst[start:])
	return dst
}

// write writes a frame that is not Results.
func (o *outbox) write(frame []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writeLocked(frame)
	return o.err
}

func (o *outbox) writeLocked(b []byte) {
	if o.err == nil {
		_, o.err = o.w.Write(b)
	}
}
