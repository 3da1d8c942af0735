//go:build unix

package pool

import (
	"os"
	"runtime"
	"syscall"
)

// maxRSS returns the largest resident memory of a process that has ended, in bytes.
func maxRSS(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok || usage == nil {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return usage.Maxrss // already bytes there
	}
	return usage.Maxrss << 10
}
