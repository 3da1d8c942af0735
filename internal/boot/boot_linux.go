package boot

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// wirePolled says that the wire is read and written by way of the runtime's poller. A worker has one thread that reads, and one worker has few others: the
// kernel wakes it sooner than the poller does, and a long value is not read in as many pieces.
const wirePolled = false

// armLife makes the kernel kill this process and its group when the parent is gone, and then does without Pdeathsig.
//
// Both must not stay armed: Pdeathsig kills the leader first, with it goes the armed descriptor, and the rest of the group
// survives. Pdeathsig belongs to the thread that was forked, the main thread, and package initialisation runs there.
//
// Every condition must hold, since all of it can be faked by whoever sets the variables: a life pipe on descriptor 3,
// and a process group of our own (else the signal would go to somebody else's).
func armLife() {
	if !isLifePipe(fdLife) || unix.Getpgrp() != unix.Getpid() {
		return
	}
	CloseOnExecFrom(3)
	nameMainThread()
	if !arm(fdLife) {
		return // Pdeathsig stays
	}
	if parentGone(fdLife) {
		// It went before the pipe was armed, so no signal will come.
		_ = unix.Kill(-unix.Getpid(), unix.SIGKILL)
	}
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0)
}

func isLifePipe(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_RDONLY && isPipe(fd)
}

func arm(fd uintptr) bool {
	if _, err := unix.FcntlInt(fd, unix.F_SETOWN, -unix.Getpid()); err != nil {
		return false
	}
	if _, err := unix.FcntlInt(fd, unix.F_SETSIG, int(unix.SIGKILL)); err != nil {
		return false
	}
	flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
	if err != nil {
		return false
	}
	_, err = unix.FcntlInt(fd, unix.F_SETFL, flags|unix.O_ASYNC)
	return err == nil
}

// parentGone reports whether the write end has been closed.
func parentGone(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 0)
		if err != unix.EINTR {
			return err == nil && n == 1 && fds[0].Revents&unix.POLLHUP != 0
		}
	}
}

// nameMainThread gives the process the name that tools show. A process that was started as /proc/self/exe is called
// "exe", which tells nobody anything.
func nameMainThread() {
	if len(os.Args) == 0 {
		return
	}
	name := append([]byte(filepath.Base(os.Args[0])), 0) // the kernel takes the first 15 bytes
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0)
}

// CloseOnExecFrom marks every open descriptor from first upwards close-on-exec. Marks, not closes: the Go runtime keeps
// files of its own open.
func CloseOnExecFrom(first int) {
	if unix.CloseRange(uint(first), math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) != nil {
		closeOnExecEach(first) // before Linux 5.11, or in a sandbox
	}
}

func closeOnExecEach(first int) {
	for _, fd := range openDescriptors() {
		if fd >= first {
			unix.CloseOnExec(fd)
		}
	}
}

// openDescriptors lists them as /proc knows them, or guesses.
func openDescriptors() (fds []int) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return someDescriptors()
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil {
			fds = append(fds, fd)
		}
	}
	return fds
}

func dup2(from, to int) error { return unix.Dup3(from, to, 0) }
