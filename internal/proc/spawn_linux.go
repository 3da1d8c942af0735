package proc

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// spawn starts the child on the spawner's thread. An own child with Rules that confine comes from a thread that ends at once, and
// Pdeathsig with it: its life pipe is armed here, as a foreign child's is. If the parent dies before that, the child finds
// the pipe closed when it arms it itself.
func spawn(spec *Spec, path string, l *links) (*Process, error) {
	pidfd := -1
	attr := &os.ProcAttr{
		Dir:   spec.Dir,
		Env:   spec.env(),
		Files: l.files(spec.Page),
		Sys:   &syscall.SysProcAttr{Setpgid: true, PidFD: &pidfd},
	}
	mortal := spec.Own && !spec.Rules.Confines()
	if mortal {
		attr.Sys.Pdeathsig = syscall.SIGKILL
	}
	if spec.Cgroup != nil {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, *spec.Cgroup
	}
	var child *os.Process
	err := onSpawner(spec, path, func() (err error) {
		child, err = os.StartProcess(path, spec.argv(path), attr)
		if err != nil {
			return forkError(path, spec.Dir, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !mortal {
		armLife(l.theirs[fdLife], child.Pid)
	}
	return newProcess(child, l, newWatch(pidfd)), nil
}

// armLife makes the kernel kill the process group pgid when the write end of the life pipe is closed for good. The
// settings belong to the open file description, which the child shares; the parent's copy may be closed afterwards.
// Errors cannot happen on a pipe, and if they did the child would still have the end of its stdin to go by.
func armLife(r *os.File, pgid int) {
	fd := r.Fd()
	_, _ = unix.FcntlInt(fd, unix.F_SETOWN, -pgid)
	_, _ = unix.FcntlInt(fd, unix.F_SETSIG, int(unix.SIGKILL))
	if flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0); err == nil {
		_, _ = unix.FcntlInt(fd, unix.F_SETFL, flags|unix.O_ASYNC)
	}
}
