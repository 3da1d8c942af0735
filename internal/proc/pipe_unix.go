//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package proc

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Whether the parent's end of a pipe is non-blocking and in the runtime's poller.
const (
	inPoller    = true
	notInPoller = false
)

// pipeToChild makes a pipe that the parent writes and the child reads. Both ends are close-on-exec.
func pipeToChild(poll bool) (ours, theirs *os.File, err error) {
	r, w, err := rawPipe()
	if err != nil {
		return nil, nil, stepError("pipe", err)
	}
	return wrapEnds(w, r, poll)
}

// pipeFromChild makes a pipe that the child writes and the parent reads.
func pipeFromChild() (ours, theirs *os.File, err error) {
	r, w, err := rawPipe()
	if err != nil {
		return nil, nil, stepError("pipe", err)
	}
	return wrapEnds(r, w, inPoller)
}

// socketPair makes a pair of connected sockets. Both are close-on-exec, and neither is non-blocking: the parent never waits for its end.
func socketPair() (ours, theirs *os.File, err error) {
	a, b, err := rawSocketPair()
	if err != nil {
		return nil, nil, stepError("socketpair", err)
	}
	return os.NewFile(uintptr(a), "parent's end of the link"), os.NewFile(uintptr(b), "child's end"), nil
}

func wrapEnds(our, their int, poll bool) (ours, theirs *os.File, err error) {
	if ours, err = wrapOurs(our, poll); err != nil {
		unix.Close(their)
		return nil, nil, err
	}
	return ours, os.NewFile(uintptr(their), "child's end"), nil
}

// wrapOurs owns fd: it is in the returned file, or closed.
func wrapOurs(fd int, poll bool) (*os.File, error) {
	if !poll {
		return os.NewFile(uintptr(fd), "life pipe"), nil
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, stepError("poll", err)
	}
	f := os.NewFile(uintptr(fd), "parent's end")
	// os.NewFile keeps it to itself when the poller refuses a descriptor (no watches left, no memory). A non-blocking
	// descriptor outside the poller would answer every Read with EAGAIN, so ask for what only the poller can do.
	if err := f.SetDeadline(time.Time{}); err != nil {
		f.Close()
		return nil, stepError("poll", err)
	}
	return f, nil
}
