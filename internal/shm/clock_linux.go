package shm

import (
	"time"

	"golang.org/x/sys/unix"
)

// systemClock returns what the system's clock read at epoch. Between two readings this process may be interrupted, for milliseconds on a busy
// machine, and all stamps of this process would be wrong by half of that: the closest of some pairs counts.
func systemClock() (at int64) {
	const near, attempts = time.Microsecond, 50
	best := time.Hour
	for range attempts {
		var ts unix.Timespec
		before := time.Since(epoch)
		if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
			return 0 // only where the kernel lacks the clock that Go itself needs
		}
		after := time.Since(epoch)
		if took := after - before; took < best {
			best, at = took, ts.Nano()-int64(before+after)/2
		}
		if best < near {
			break
		}
	}
	return at
}
