package proc

import (
	"os"

	"golang.org/x/sys/unix"
)

// A watch is a pidfd of a child: what is needed to learn of its end, and to signal its group, without ever meaning another
// process. The zero watch, for kernels before 5.2 and sandboxes that forbid pidfds, does both by process id.
type watch struct {
	file *os.File // owns fd
	fd   int
}

// newWatch owns pidfd, which is -1 where there is none.
func newWatch(pidfd int) watch {
	if pidfd < 0 {
		return watch{}
	}
	// Non-blocking is what makes os.NewFile put it into the poller.
	_ = unix.SetNonblock(pidfd, true)
	return watch{file: os.NewFile(uintptr(pidfd), "pidfd"), fd: pidfd}
}

// await returns when the child has ended and waits to be reaped. It reports false, at once, where it cannot tell.
func (w watch) await(pid int) bool {
	if w.file != nil && w.inPoller() == nil {
		return true
	}
	return awaitPID(pid)
}

// inPoller waits without a thread. It fails, at once, where the poller does not take a pidfd.
func (w watch) inPoller() error {
	conn, err := w.file.SyscallConn()
	if err != nil {
		return err
	}
	return conn.Read(func(fd uintptr) bool { return readable(int(fd)) })
}

// readable reports whether the process of a pidfd has ended: all its threads, not the first one alone.
func readable(pidfd int) bool {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1
}

// awaitPID blocks a thread. ECHILD means that another part of the program has reaped the child: it has ended as well.
func awaitPID(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err == nil || err == unix.ECHILD
		}
	}
}

// killGroup sends SIGKILL to the child's process group. The caller vouches that the child has not been reaped; by pidfd,
// since Linux 6.9, it could not go wrong even then.
func (w watch) killGroup(pid int) {
	if w.file != nil && unix.PidfdSendSignal(w.fd, unix.SIGKILL, nil, unix.PIDFD_SIGNAL_PROCESS_GROUP) == nil {
		return
	}
	_ = unix.Kill(-pid, unix.SIGKILL)
}

// close ends the watch. The flags belong to the open file description, which os.Process shares: it has to block in
// waitid again, for the rare child that is a zombie and still not ours to reap, since a debugger has not let go.
func (w watch) close() {
	if w.file == nil {
		return
	}
	_ = unix.SetNonblock(w.fd, false)
	w.file.Close()
}
