//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package proc

import "golang.org/x/sys/unix"

// A watch has nothing to hold here: both jobs are done by process id.
type watch struct{}

// await blocks a thread until the process has ended, without reaping it, and reports false where it could not tell. waitid
// with WNOWAIT is of no use here: it also returns when the process is stopped (golang.org/issue/19314).
func (w watch) await(pid int) bool {
	kq, err := unix.Kqueue()
	if err != nil {
		return false
	}
	defer unix.Close(kq)
	var ev unix.Kevent_t
	unix.SetKevent(&ev, pid, unix.EVFILT_PROC, unix.EV_ADD|unix.EV_ONESHOT)
	ev.Fflags = unix.NOTE_EXIT
	for {
		_, err := unix.Kevent(kq, []unix.Kevent_t{ev}, make([]unix.Kevent_t, 1), nil)
		if err != unix.EINTR {
			return err == nil || err == unix.ESRCH // ESRCH: it had ended before it could be watched
		}
	}
}

// killGroup sends SIGKILL to the child's process group. The caller vouches that the child has not been reaped.
func (w watch) killGroup(pid int) { _ = unix.Kill(-pid, unix.SIGKILL) }

func (w watch) close() {}
