//go:build unix

package pool

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// canTry says that a write need not wait.
const canTry = true

// maxWrite bounds one piece: longer ones do not get faster, and Darwin refuses those over 2 GiB.
const maxWrite = 1 << 30

// writeVector implements vectorWriter.
func (p *filePipe) writeVector(pieces [][]byte) (n int, err error) {
	for i, b := range pieces {
		if len(b) > maxWrite {
			pieces = append(pieces[:i:i], b[:maxWrite])
			break
		}
	}
	for {
		switch {
		case p.raw && len(pieces) == 1 && len(pieces[0]) <= rawMost:
			n, err = rawWrite(p.fd, pieces[0])
		case len(pieces) == 1:
			n, err = unix.Write(int(p.fd), pieces[0])
		default:
			n, err = unix.Writev(int(p.fd), pieces)
		}
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
