package pool

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// canListen says that a caller can wait for his answer himself.
const canListen = true

// waiter waits for something to read, in the kernel: that wakes this thread sooner than the runtime's poller does. Only one goroutine may be in it.
type waiter struct {
	conn  syscall.RawConn
	look  func(fd uintptr) bool // made once
	fds   [1]unix.PollFd
	limit unix.Timespec
	ready bool
}

func newWaiter(conn syscall.RawConn) *waiter {
	w := &waiter{conn: conn}
	w.look = func(fd uintptr) bool {
		w.fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
		n, err := unix.Ppoll(w.fds[:], &w.limit, nil)
		w.ready = err == nil && n > 0 // after a signal recv goes on
		return true
	}
	return w
}

// await waits so long, and reports whether there is anything.
func (w *waiter) await(d time.Duration) bool {
	w.limit = unix.NsecToTimespec(int64(d))
	return w.conn.Read(w.look) == nil && w.ready
}
