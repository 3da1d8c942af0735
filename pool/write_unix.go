//go:build unix

package pool

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// maxWrite bounds one write: longer ones do not get faster, and Darwin refuses those over 2 GiB.
const maxWrite = 1 << 30

// writeNow writes what a non-blocking descriptor takes at once.
func writeNow(fd uintptr, b []byte) (n int, err error) {
	for {
		n, err = unix.Write(int(fd), b[:min(len(b), maxWrite)])
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return 0, nil
		case err != nil:
			return 0, err
		default:
			return n, nil
		}
	}
}

// quiet returns a writer to the same place that does not end the program. A write of an os.File to descriptor 1 or 2 whose
// reader is gone raises SIGPIPE (os/signal says so); what a worker printed is no reason for the parent to die.
func quiet(w io.Writer) io.Writer {
	f, ok := w.(*os.File)
	if !ok || f == nil || f != os.Stdout && f != os.Stderr {
		return w
	}
	return standardStream{f}
}

type standardStream struct{ f *os.File }

// Write implements io.Writer.
func (s standardStream) Write(b []byte) (n int, err error) {
	conn, err := s.f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var writeErr error
	err = conn.Write(func(fd uintptr) bool {
		for n < len(b) {
			m, err := unix.Write(int(fd), b[n:])
			switch {
			case errors.Is(err, unix.EINTR):
			case errors.Is(err, unix.EAGAIN):
				return false // the poller says when to go on
			case err != nil:
				writeErr = err
				return true
			default:
				n += m
			}
		}
		return true
	})
	return n, errors.Join(err, writeErr)
}

// unheard reports whether what is written to f would reach nobody: a pipe or socket whose other end is closed.
func unheard(f *os.File) bool {
	conn, err := f.SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	err = conn.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd)}}
		_, err := unix.Poll(poll, 0)
		gone = err == nil && poll[0].Revents&unix.POLLERR != 0
	})
	return err != nil || gone
}
