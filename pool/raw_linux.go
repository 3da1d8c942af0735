package pool

import (
	"errors"
	"io"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawMost is how many bytes a pipe is asked for, or given, at the most by a system call that the Go runtime is not told of. It takes a few microseconds: the parent's ends
// of the pipes never wait for data or for room.
//
// The runtime is told of a system call so that it can give the processor to another goroutine should that take long. Where everything rested before, being told wakes its
// monitor thread, which then looks what goes on every 20 µs for a while: seven times for each answer of a task of a millisecond, and each of them takes a processor
// from a worker.
//
// There is one thing that such a call does wait for, the lock of the pipe, which the other end holds while it copies: milliseconds in a worker that is short of memory;
// without end in one that arranges for its memory never to be there (userfaultfd, or a file system of its own). Then the processor of the parent is missing. So
// workers that are not trusted are not read this way.
const rawMost = 32 << 10

// isTrusted reports whether the workers are what the parent is, and nobody has said that they may turn against it.
func (c *config) isTrusted() bool { return len(c.command) == 0 && !c.set["WithHardening"] }

// wireFile reads the parent's end of a pipe.
type wireFile struct {
	file *os.File
	conn syscall.RawConn
	try  func(fd uintptr) bool // made once

	// Of the goroutine in Read.
	b   []byte
	n   int
	err error
}

func newWire(f *os.File) io.Reader {
	conn, err := f.SyscallConn()
	if err != nil {
		return f // it is closed, and says so
	}
	w := &wireFile{file: f, conn: conn}
	w.try = func(fd uintptr) bool {
		w.n, w.err = raw(unix.SYS_READ, fd, w.b)
		return w.err != unix.EAGAIN
	}
	return w
}

// Read implements io.Reader.
func (w *wireFile) Read(b []byte) (int, error) {
	if len(b) == 0 || len(b) > rawMost {
		return w.file.Read(b)
	}
	w.b = b
	err := w.conn.Read(w.try)
	w.b = nil
	switch {
	case err != nil || w.err != nil:
		return w.file.Read(b) // which finds the same, and says it as files do
	case w.n == 0:
		return 0, io.EOF
	}
	return w.n, nil
}

// raw reads or writes without waiting.
func raw(call, fd uintptr, b []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch {
		case errno == 0:
			return int(n), nil
		case !errors.Is(errno, unix.EINTR):
			return 0, errno
		}
	}
}

func rawWrite(fd uintptr, b []byte) (int, error) { return raw(unix.SYS_WRITE, fd, b) }
