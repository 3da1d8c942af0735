// Package shm is the status page: memory that a worker shares with its parent, so
// that both know what has started and what is finished without asking each
// other, and so that the parent still knows it when the worker is dead.
//
// # Layout
//
// All words are 64 bits wide, in the machine's byte order, and read and written
// atomically; each has a cache line of its own where both sides write.
//
//	offset  word
//	     0  magic
//	    64  published: what was ever appended to the ring: items, modulo 2^24, in the
//	        upper 24 bits, bytes, modulo 2^40, in the lower 40
//	   128  claim words, one for each of wire.MaxBatches batches, by batch id modulo
//	        that number: id<<48 | next<<24 | limit
//	  1152  begun: when the running task began, in nanoseconds of CLOCK_MONOTONIC; only
//	        kept for tasks with a hard time limit
//	  1216  nudge: a futex of 32 bits, which the parent adds 1 to when it has written
//	        what a busy worker should look at
//	  1280  listen: a futex of 32 bits. The parent puts in the low 30 bits of the id of a
//	        batch whose only answer it waits for, and sets bit 30 when it falls asleep over it; a
//	        worker that leaves the answer in the ring sets bit 31 in place of that; 8 bytes
//	        behind the word is what the task took, in nanoseconds
//	  4096  the ring: RingSize bytes
//
// # Claim words
//
// The parent arms the word of a batch with next 0 and limit n before the batch goes
// into the pipe. The worker starts a task by moving next up by compare-and-swap while
// next < limit. The parent takes tasks back by moving limit down, never below next. So every
// task is either started or taken back, exactly, whatever the worker is doing.
//
// # Begun
//
// The worker stores the time before it claims the task. So whoever reads a claim word and then this one sees the
// beginning of that task or, if the task has ended meanwhile, a later time, never the beginning of an earlier task.
//
// # Nudge
//
// A worker that runs a task does not read what it is sent, unless it is nudged: so one thread can read, run and answer, one task after another,
// and no task costs a switch between two. The parent nudges when all of a frame is in the pipe.
//
// # Listen
//
// An answer that the worker has left in the ring is not written to the pipe, and counts as received when the parent has taken it from there.
//
// # The ring
//
// A worker appends each small result to the ring, publishes it, and only then claims the
// next task; it writes the results to the pipe later, many at a time, and
// appends over no byte before the write that carried it has returned. After a death the
// parent compares the bytes it has received with those published and finds
// the rest in the ring. At most one claimed task is without a
// result then: the one that was running.
//
// Everything in the page is a claim of the worker, as hostile as its frames: the
// parent copies what it reads before it looks at it and checks every number.
package shm

import (
	"os"
	"sync/atomic"
	"unsafe"
)

const (
	// RingSize is how many bytes of results the ring holds.
	RingSize = 64 << 10
	// MaxRingItem is the longest result item that goes through the ring. Longer ones are
	// written to the pipe at once and count as running until the last byte is in it.
	MaxRingItem = 16 << 10
	// Claims is the number of claim words.
	Claims = 16

	magic       = 0x70726f63706f6f6c // "procpool"
	offMagic    = 0
	offPublish  = 64
	offClaims   = 128
	claimStride = 64
	offBegun    = offClaims + Claims*claimStride
	offNudge    = offBegun + claimStride
	offListen   = offNudge + claimStride
	offRing     = 4096

	// Size is the size of the page in bytes.
	Size = offRing + RingSize
)

// Page is one status page, as seen by either side.
type Page struct {
	mem     []byte
	file    *os.File // nil for a page on the heap
	release func()   // unmaps; nil for a page on the heap
}

// NewLocal returns a page on the heap: for a worker whose parent cannot see it, and
// for one that runs in the parent's own process.
func NewLocal() *Page {
	words := make([]uint64, Size/8)
	p := &Page{mem: unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), Size)}
	p.word(offMagic).Store(magic)
	return p
}

// File returns the descriptor to hand to the worker, nil for a local page.
func (p *Page) File() *os.File { return p.file }

// Close unmaps the page. Nobody may use it any more, unless it is on the heap: that one stays until nobody does.
func (p *Page) Close() {
	if p.release == nil {
		return
	}
	p.mem = nil
	p.release()
	if p.file != nil {
		_ = p.file.Close() // nothing was written through it
	}
}

func (p *Page) word(offset int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&p.mem[offset]))
}
