package shm

import "time"

// Go does not show what its monotonic clock reads, only differences; the system's clock is read once to tell what they begin at. A system call for
// each task, instead, would cost more than a tiny task does.
var (
	epoch   = time.Now()
	epochAt = systemClock()
)

// Clock is CLOCK_MONOTONIC in nanoseconds: the same for every process of the machine.
func Clock() int64 { return epochAt + int64(time.Since(epoch)) }

// At is what Clock was at a time that was read from Go's monotonic clock.
func At(t time.Time) int64 { return epochAt + int64(t.Sub(epoch)) }
