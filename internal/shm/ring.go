package shm

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

// Publish appends a result item of at most MaxRingItem bytes and makes it visible. The
// worker calls it; it sees to it that no more than RingSize bytes are unwritten.
func (p *Page) Publish(item []byte) Mark {
	word := p.word(offPublish)
	old := Mark(word.Load())
	p.put(old.Bytes(), item)
	now := Mark(uint64(old)&^markMask + 1<<markBits | (old.Bytes()+uint64(len(item)))&markMask)
	word.Store(uint64(now))
	return now
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

func (p *Page) put(at uint64, item []byte) {
	ring := p.mem[offRing : offRing+RingSize]
	n := copy(ring[at%RingSize:], item)
	copy(ring, item[n:])
}
