package pool

import (
	"slices"
	"time"
)

// speed is what is known of a function's execution time: what is usual, by the last frames of results. It is the median of their means, not the mean of
// all: one task that takes a thousand times as long as the others says nothing about the next one, while a mean would take it for a
// thousand slow ones, and have every worker wait for the parent between two tasks. Where the times have changed for good, the median
// follows after half as many frames as are kept; a frame is one task where they are slow.
type speed struct {
	usual  time.Duration // of one task; 0 while nothing is known
	recent []time.Duration
	next   int // where the next one goes in recent

	costs *costs // what its tasks cost; nil before the first is answered
}

// speedFrames is how many frames are looked at.
const speedFrames = 8

// add takes a measurement of n tasks. One of no time at all is none: the clock was not read.
func (s *speed) add(total time.Duration, n int) {
	if n == 0 || total <= 0 {
		return
	}
	mean := max(total/time.Duration(n), 1)
	if len(s.recent) < speedFrames {
		s.recent = append(s.recent, mean)
	} else {
		s.recent[s.next] = mean
		s.next = (s.next + 1) % speedFrames
	}
	var sorted [speedFrames]time.Duration
	known := append(sorted[:0], s.recent...)
	slices.Sort(known)
	s.usual = known[(len(known)-1)/2]
}

func (c *core) speedLocked(fn string) *speed {
	s := c.speeds[fn]
	if s == nil {
		s = &speed{}
		c.speeds[fn] = s
	}
	return s
}
