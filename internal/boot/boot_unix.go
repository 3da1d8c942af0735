//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package boot

import "golang.org/x/sys/unix"

// wirePolled says that the wire is read and written by way of the runtime's poller.
const wirePolled = true

// armLife has nothing to arm: O_ASYNC can send SIGIO only, which is ignored by default. The end of stdin is the guard here.
func armLife() {}

// CloseOnExecFrom marks every open descriptor from first upwards close-on-exec. Marks, not closes: they may be the Go
// runtime's.
func CloseOnExecFrom(first int) {
	for _, fd := range someDescriptors() {
		if fd >= first {
			unix.CloseOnExec(fd) // of a number that is not open: an error, nothing else
		}
	}
}

func dup2(from, to int) error { return unix.Dup2(from, to) }
