package shm

import "sync/atomic"

func (p *Page) claim(batch uint64) *atomic.Uint64 {
	return p.word(offClaims + int(batch%Claims)*claimStride)
}

func split(w uint64) (next, limit uint32) { return uint32(w >> 32), uint32(w) }
func join(next, limit uint32) uint64      { return uint64(next)<<32 | uint64(limit) }

// Arm prepares the claim word of a batch of n tasks. The parent calls it before it
// sends the batch, when no other batch with the same word is unanswered.
func (p *Page) Arm(batch uint64, n int) { p.claim(batch).Store(join(0, uint32(n))) }

// Claim starts the next task of the batch: it returns its offset, or false where
// no task is left.
func (p *Page) Claim(batch uint64) (offset int, ok bool) {
	word := p.claim(batch)
	for {
		old := word.Load()
		next, limit := split(old)
		if next >= limit {
			return 0, false
		}
		if word.CompareAndSwap(old, join(next+1, limit)) {
			return int(next), true
		}
	}
}

// Recall takes back the tasks of the batch from offset from on, as far as they have not
// been claimed, and returns the limit that holds now: tasks below it are
// started or will be, tasks from it on will never be.
func (p *Page) Recall(batch uint64, from int) (limit int) {
	word := p.claim(batch)
	for {
		old := word.Load()
		next, lim := split(old)
		to := max(next, uint32(from))
		if to >= lim {
			return int(lim)
		}
		if word.CompareAndSwap(old, join(next, to)) {
			return int(to)
		}
	}
}

// Started returns how many tasks of the batch have been claimed.
func (p *Page) Started(batch uint64) int {
	next, _ := split(p.claim(batch).Load())
	return int(next)
}
