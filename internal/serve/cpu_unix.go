//go:build unix

package serve

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is the CPU time that this process has used. It costs a system call.
func cpuTime() time.Duration {
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
