package shm

// Publish appends a result item of at most MaxRingItem bytes and makes it visible. The
// worker calls it; it sees to it that no more than RingSize bytes are unwritten.
func (p *Page) Publish(item []byte) (end uint64) {
	word := p.word(offPublish)
	at := word.Load()
	p.put(at, item)
	end = at + uint64(len(item))
	word.Store(end)
	return end
}

// Published returns how many bytes were ever published.
func (p *Page) Published() uint64 { return p.word(offPublish).Load() }

// AppendRange appends a copy of the bytes from position from to position to, which
// are at most RingSize apart.
func (p *Page) AppendRange(dst []byte, from, to uint64) []byte {
	ring := p.mem[offRing:]
	for from < to {
		start := from % RingSize
		n := min(to-from, RingSize-start)
		dst = append(dst, ring[start:start+n]...)
		from += n
	}
	return dst
}

// Unreceived returns a copy of what was published after the first received bytes. ok
// is false where the page claims what cannot be.
func (p *Page) Unreceived(received uint64) (items []byte, ok bool) {
	published := p.Published()
	if published < received || published-received > RingSize {
		return nil, false
	}
	return p.AppendRange(nil, received, published), true
}

func (p *Page) put(at uint64, item []byte) {
	ring := p.mem[offRing:]
	n := copy(ring[at%RingSize:], item)
	copy(ring, item[n:])
}
