package shm

import (
	"time"

	"golang.org/x/sys/unix"
)

// systemClock returns what the system's clock read at epoch.
func systemClock() int64 {
	var ts unix.Timespec
	before := time.Since(epoch)
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0 // only where the kernel lacks the clock that Go itself needs
	}
	return ts.Nano() - int64(before+time.Since(epoch))/2
}
