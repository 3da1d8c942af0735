package doctor

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func openSocket() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// reachParent asks whether the parent could be signalled.
func reachParent(pid int) error { return unix.Kill(pid, 0) }

// takeCensus works without /proc too, where all descriptors look the same.
func takeCensus() (c census) {
	wakePoller()
	c.descriptors = map[int]string{}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		for fd := range 4096 {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
				c.descriptors[fd] = "open"
			}
		}
	}
	for _, e := range entries {
		fd, _ := strconv.Atoi(e.Name())
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && !isRuntimes(target) { // the directory's own is closed by now
			c.descriptors[fd] = target
		}
	}
	c.children, err = children()
	if err != nil {
		c.unsure = "whether there are child processes: " + err.Error()
	}
	return c
}

// wakePoller has Go's runtime open the descriptors of its poller, if it has not yet.
func wakePoller() {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
}

// isRuntimes reports whether Go's runtime keeps a file open for good: its poller, and the processor limit of its group.
func isRuntimes(target string) bool {
	return target == "anon_inode:[eventpoll]" || target == "anon_inode:[eventfd]" || strings.HasPrefix(target, "/sys/fs/cgroup/")
}

// children lists the child processes, zombies included. Without /proc it is only known whether there are any: then one is called 0.
func children() (pids []int, err error) {
	err = unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if errors.Is(err, unix.ECHILD) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	pids = childrenOf("self")
	if len(pids) == 0 {
		return []int{0}, nil
	}
	return pids, nil
}
