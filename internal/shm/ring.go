package shm

import "unsafe"

// Mark is a position in the ring: how many items, and how many bytes, were ever appended before it, each modulo a number that is
// far above what the ring holds. Both are in one word so that they belong to each other whenever it is read.
type Mark uint64

const (
	markBits = 40 // of the bytes
	markMask = 1<<markBits - 1
)

// Bytes returns how many bytes were appended, modulo 2^40.
func (m Mark) Bytes() uint64 { return uint64(m) & markMask }

// Since returns how many items and bytes were appended between from and m.
func (m Mark) Since(from Mark) (items, bytes int) {
	const countMask = 1<<(64-markBits) - 1
	return int((m>>markBits - from>>markBits) & countMask), int((m - from) & markMask)
}

// A Ring is the worker's end of a page's ring, for one goroutine at a time. It knows by itself how much was published: nobody else publishes.
type Ring struct {
	mem  []byte // RingSize bytes
	word *uint64
	mark Mark
}

// Ring returns the end that appends.
func (p *Page) Ring() *Ring {
	return &Ring{
		mem:  p.mem[offRing : offRing+RingSize : offRing+RingSize],
		word: (*uint64)(unsafe.Pointer(&p.mem[offPublish])),
		mark: p.Published(),
	}
}

// Mark returns how much was ever published.
func (r *Ring) Mark() Mark { return r.mark }

// Publish appends a result item of at most MaxRingItem bytes and makes it visible. The
// worker sees to it that no more than RingSize bytes are unwritten. Who publishes, and then claims the next task, may rely on it that whoever sees the
// claim sees the result; without a claim after it, others see it soon, but nobody can tell when.
func (r *Ring) Publish(item []byte) {
	at := r.mark.Bytes()
	if short := 16; len(item) <= short && cap(item) >= short && at%RingSize <= RingSize-uint64(short) {
		// Two words, whatever they hold behind the item: nothing is there yet. A call would take longer.
		*(*[16]byte)(r.mem[at%RingSize:]) = *(*[16]byte)(item[:short])
	} else {
		n := copy(r.mem[at%RingSize:], item)
		copy(r.mem, item[n:])
	}
	r.mark = Mark(uint64(r.mark)&^markMask + 1<<markBits | (at+uint64(len(item)))&markMask)
	publish(r.word, uint64(r.mark))
}

// Published returns how much was ever published.
func (p *Page) Published() Mark { return Mark(p.word(offPublish).Load()) }

// AppendFrom appends a copy of the n bytes from position from on, at most RingSize.
func (p *Page) AppendFrom(dst []byte, from uint64, n int) []byte {
	ring := p.mem[offRing:]
	at := int(from % RingSize)
	first := min(n, RingSize-at)
	dst = append(dst, ring[at:at+first]...)
	return append(dst, ring[:n-first]...)
}

// Unreceived returns a copy of what was published after the first received bytes. ok
// is false where the page claims what cannot be.
func (p *Page) Unreceived(received uint64) (items []byte, ok bool) {
	n := (p.Published().Bytes() - received) & markMask
	if n > RingSize {
		return nil, false
	}
	return p.AppendFrom(nil, received, int(n)), true
}
