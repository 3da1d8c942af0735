//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package proc

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// spawn starts the child. There is no Pdeathsig here and no signal to choose for O_ASYNC, so the life pipe is passed on
// (one layout of descriptors everywhere) but not armed: a worker learns of the parent's end from the end of its stdin.
func spawn(spec *Spec, path string, l *links) (*Process, error) {
	if len(spec.CPUs) > 0 {
		return nil, stepError("affinity", errors.ErrUnsupported)
	}
	if err := spec.restrict(path); err != nil { // no system but Linux has rules, so this thread stays as it is
		return nil, err
	}
	child, err := os.StartProcess(path, spec.argv(path), &os.ProcAttr{
		Dir:   spec.Dir,
		Env:   spec.env(),
		Files: l.files(spec.Page),
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return nil, forkError(path, spec.Dir, err)
	}
	if err := setNice(spec, child.Pid); err != nil {
		_ = unix.Kill(-child.Pid, unix.SIGKILL)
		_, _ = child.Wait()
		return nil, err
	}
	return newProcess(child, l, watch{}), nil
}

// setNice works from outside: niceness belongs to the process here, not to its threads as on Linux.
func setNice(spec *Spec, pid int) error {
	if !spec.SetNice {
		return nil
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, pid, spec.Nice); err != nil {
		return stepError("nice", err)
	}
	return nil
}

// selfImage is the file that this process was started from, if it is still there.
func selfImage() (string, error) { return os.Executable() }

func describe(path string) string { return path }
