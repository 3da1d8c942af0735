// Package backoff says how long to wait before trying again.
package backoff

import (
	"math/rand/v2"
	"time"
)

// jitter is the part of a wait that is random, so that slots that failed together do not try together.
const jitter = 0.2

// Backoff doubles the wait at each failure, up to a limit. Use New.
type Backoff struct {
	first, most, next time.Duration
}

// New returns a Backoff that begins with first and never waits longer than most, but for the jitter.
func New(first, most time.Duration) Backoff { return Backoff{first: first, most: most, next: first} }

// Next returns how long to wait now and doubles the wait after it.
func (b *Backoff) Next() time.Duration {
	wait := b.next
	b.next = min(2*b.next, b.most)
	return wait + time.Duration((rand.Float64()-0.5)*jitter*float64(wait))
}

// Reset makes the next wait the first again.
func (b *Backoff) Reset() { b.next = b.first }
