package shm

import "sync/atomic"

func (p *Page) claim(batch uint64) *atomic.Uint64 {
	return p.word(offClaims + int(batch%Claims)*claimStride)
}

// A claim word is tag<<48 | next<<24 | limit. The tag is the low part of the batch's id: a batch that was taken back whole is forgotten by the
// parent, which may arm the word for another one, before the worker has come to look at it.
const (
	tagShift  = 48
	nextShift = 24
	countMask = 1<<24 - 1
)

func tagOf(batch uint64) uint64 { return batch << tagShift }

// split takes a word apart; for another batch than the word's there is nothing to claim.
func split(w, batch uint64) (next, limit uint64) {
	if w>>tagShift<<tagShift != tagOf(batch) {
		return 0, 0
	}
	return w >> nextShift & countMask, w & countMask
}

func join(batch, next, limit uint64) uint64 { return tagOf(batch) | next<<nextShift | limit }

// Arm prepares the claim word of a batch of n tasks. The parent calls it before it
// sends the batch, when no other batch with the same word is unanswered.
func (p *Page) Arm(batch uint64, n int) { p.claim(batch).Store(join(batch, 0, uint64(n))) }

// A Claimer starts the tasks of one batch, for one goroutine at a time.
type Claimer struct {
	word *atomic.Uint64
	id   uint64
	seen uint64 // the word, as it was last seen
}

// Claimer returns what starts the tasks of a batch.
func (p *Page) Claimer(batch uint64) Claimer {
	word := p.claim(batch)
	return Claimer{word: word, id: batch, seen: word.Load()}
}

// Claim starts the next task of the batch: it returns its offset, or false where
// no task is left.
func (c *Claimer) Claim() (offset int, ok bool) {
	for {
		next, limit := split(c.seen, c.id)
		if next >= limit { // a limit only falls
			return 0, false
		}
		if claimed := c.seen + 1<<nextShift; c.word.CompareAndSwap(c.seen, claimed) {
			c.seen = claimed
			return int(next), true
		}
		c.seen = c.word.Load()
	}
}

// Recall takes back the tasks of the batch from offset from on, as far as they have not
// been claimed, and returns the limit that holds now: tasks below it are
// started or will be, tasks from it on will never be.
func (p *Page) Recall(batch uint64, from int) (limit int) {
	word := p.claim(batch)
	for {
		old := word.Load()
		next, lim := split(old, batch)
		to := max(next, uint64(from))
		if to >= lim {
			return int(lim)
		}
		if word.CompareAndSwap(old, join(batch, next, to)) {
			return int(to)
		}
	}
}

// Waits reports whether a task of the batch is left to be claimed.
func (p *Page) Waits(batch uint64) bool {
	next, limit := split(p.claim(batch).Load(), batch)
	return next < limit
}

// Started returns how many tasks of the batch have been claimed.
func (p *Page) Started(batch uint64) int {
	next, _ := split(p.claim(batch).Load(), batch)
	return int(next)
}
