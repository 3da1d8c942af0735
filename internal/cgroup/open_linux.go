package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const delegate = "have it delegated to this user, for example by systemd-run --user --scope -p Delegate=yes"

// A Parent is a cgroup in which groups can be made.
type Parent struct {
	dir        string
	generation *generation
}

// Open returns the cgroup directory dir once it has seen that groups with a memory limit can be made in it. In v2 it turns
// the memory controller on for them, and that of process counts where there is one; they stay on.
func Open(dir string) (*Parent, error) {
	p, err := identify(dir)
	if err != nil {
		return nil, err
	}
	if err := p.probe(); err != nil {
		return nil, err
	}
	if p.generation == first {
		return p, nil
	}
	if err := p.enable(); err != nil {
		return nil, err
	}
	if err := mayMove(p.dir, ownGroups("/")); err != nil {
		return nil, err
	}
	return p, nil
}

// identify tells which kind of cgroup directory dir is.
func identify(dir string) (*Parent, error) {
	if dir == "" {
		return nil, errors.New("cgroup: no directory was given")
	}
	// Links are resolved, and the path made absolute, since the program may change its working directory.
	path, err := filepath.EvalSymlinks(dir)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err == nil {
		err = unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, complain(dir, "there is no such directory", unix.ENOENT, "create it, or mount the cgroup filesystem")
	case err != nil:
		return nil, complain(dir, "it cannot be looked at", errno(err), delegate)
	case exists(path, "cgroup.controllers"):
		return &Parent{path, second}, nil
	case exists(path, first.limit):
		return &Parent{path, first}, nil
	case exists(path, "cgroup.procs"):
		return nil, complain(dir, "it belongs to a v1 hierarchy without memory controller", errors.ErrUnsupported, elsewhere())
	}
	return nil, complain(dir, "it is no cgroup directory: it has neither cgroup.controllers (v2) nor "+first.limit+" (v1)",
		unix.EINVAL, "name one below /sys/fs/cgroup that was delegated to this user")
}

// probe makes a group and removes it: permissions, read-only mounts and the kernel's own limits in one question.
func (p *Parent) probe() error {
	dir, err := os.MkdirTemp(p.dir, "procpool-probe-*")
	if err != nil {
		return cannotCreate(p.dir, err)
	}
	return (&Group{dir: dir, patience: patience}).Remove()
}

func cannotCreate(dir string, err error) error {
	const what = "no group can be created in it"
	switch e := errno(err); {
	case errors.Is(e, fs.ErrPermission):
		return complain(dir, what, e, delegate)
	case e == unix.EROFS:
		return complain(dir, what, e, "have it mounted writable: containers usually get cgroups for reading only")
	case e == unix.EAGAIN:
		return complain(dir, what, e, "cgroup.max.descendants or cgroup.max.depth, here or above, is reached: remove groups or raise it")
	case e == unix.ENOSPC:
		return complain(dir, what, e, "the system has as many groups as it can: remove some")
	default:
		return complain(dir, what, e, "")
	}
}

// enable turns on the controllers for the groups that will be made.
func (p *Parent) enable() error {
	available := strings.Fields(read(p.dir, "cgroup.controllers"))
	if !slices.Contains(available, "memory") {
		return noMemory(p.dir, available)
	}
	enabled := strings.Fields(read(p.dir, "cgroup.subtree_control"))
	for _, controller := range []string{"memory", "pids"} {
		if !slices.Contains(available, controller) || slices.Contains(enabled, controller) {
			continue
		}
		// One at a time: pids is welcome, memory is needed.
		err := write(p.dir, "cgroup.subtree_control", "+"+controller)
		if err != nil && controller == "memory" {
			return cannotEnable(p.dir, err)
		}
	}
	return nil
}

func noMemory(dir string, available []string) error {
	what := "the memory controller is not available in it"
	if len(available) > 0 {
		what += ", only " + strings.Join(available, ", ")
	}
	return complain(dir, what, errors.ErrUnsupported, elsewhere())
}

// elsewhere says where the memory controller is.
func elsewhere() string {
	for _, m := range readMounts("/") {
		if m.generation == first {
			return "this system has it in its v1 hierarchy: name a directory below " + m.point
		}
	}
	return `have "+memory" written to cgroup.subtree_control of each directory above it`
}

func cannotEnable(dir string, err error) error {
	const what = "the memory controller cannot be enabled for its groups"
	switch e := errno(err); {
	case e == unix.EBUSY:
		return complain(dir, what, e, fmt.Sprintf(`processes are in this directory itself, and cgroup v2 wants them in the leaves `+
			`(its "no internal processes" rule): first move them, this program included, into a group of it, `+
			`for example by mkdir %[1]s/main && echo %[2]d >%[1]s/main/cgroup.procs`, dir, os.Getpid()))
	case errors.Is(e, fs.ErrPermission):
		return complain(dir, what, e, "cgroup.subtree_control is not this user's to write: "+delegate)
	case e == unix.EROFS:
		return complain(dir, what, e, "have it mounted writable: containers usually get cgroups for reading only")
	case e == unix.EOPNOTSUPP:
		return complain(dir, what, e, "its cgroup.type is threaded, or invalid, and memory needs a domain: name another directory")
	default:
		return complain(dir, what, e, "")
	}
}

// mayMove complains if the kernel will not let this process start others in dir: without privileges it wants the right to
// write cgroup.procs of the closest group that is above both. Where it cannot tell, the first worker will.
func mayMove(dir string, owns []place) error {
	for _, own := range owns {
		if own.generation != second {
			continue
		}
		above := common(dir, own.dir)
		err := unix.Faccessat(unix.AT_FDCWD, filepath.Join(above, "cgroup.procs"), unix.W_OK, unix.AT_EACCESS)
		if errors.Is(err, fs.ErrPermission) {
			return complain(dir, fmt.Sprintf("this process is in %s, and for a worker in another group it needs to write %s/cgroup.procs",
				own.dir, above), err, "start the program inside the directory that was delegated, for example by systemd-run --user --scope -p Delegate=yes")
		}
	}
	return nil
}

// common returns the closest directory that is above both, or one of them.
func common(a, b string) string {
	for a != "/" && a != b && !strings.HasPrefix(b, a+"/") {
		a = filepath.Dir(a)
	}
	return a
}

// complain says which directory, what is missing, why, and what to do about it.
func complain(dir, what string, err error, remedy string) error {
	if remedy == "" {
		return fmt.Errorf("cgroup %s: %s: %w", dir, what, err)
	}
	return fmt.Errorf("cgroup %s: %s: %w (%s)", dir, what, err, remedy)
}

// errno strips the path, which the sentence names already.
func errno(err error) error {
	if e, ok := errors.AsType[unix.Errno](err); ok {
		return e
	}
	return err
}

// write never creates: a file that is missing is the kernel's answer.
func write(dir, file, text string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

func exists(dir, file string) bool {
	_, err := os.Stat(filepath.Join(dir, file))
	return err == nil
}
