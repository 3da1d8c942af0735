package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

var errNoImage = errors.New("neither a path nor an argument list was given")

// Error says which step of a start failed, and for which image. It unwraps to the operating system's error, so that
// errors.Is finds syscall.EMFILE, syscall.EAGAIN, fs.ErrNotExist, ...
type Error struct {
	Step string // "image", "hook", "pipe", "poll", "no_new_privs", "landlock", "seccomp", "nice", "affinity", "chdir", "fork/exec", "limit"
	Path string // the image, or for "chdir" the directory
	Err  error
}

// Error reads "start /usr/bin/convert: pipe: too many open files".
func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("start: %s: %v", e.Step, e.Err)
	}
	return fmt.Sprintf("start %s: %s: %v", e.Path, e.Step, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// stepError is an error that does not know yet for which image it is.
func stepError(step string, err error) error { return &Error{Step: step, Err: err} }

// named completes err with the image.
func named(err error, path string) error {
	e, ok := err.(*Error)
	if !ok {
		return &Error{Step: "start", Path: describe(path), Err: err}
	}
	if e.Path == "" {
		e.Path = describe(path)
	}
	return e
}

// forkError explains a failed os.StartProcess. The child can report no more than an errno, so ENOENT may mean the
// directory, the image or what the image needs in order to be run; a look at the first two tells them apart.
func forkError(path, dir string, err error) error {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		err = errno
	}
	if dir != "" {
		if derr := checkDir(dir); derr != nil {
			return &Error{Step: "chdir", Path: dir, Err: derr}
		}
	}
	if errors.Is(err, syscall.EBADF) {
		// All descriptors that the child gets are open here. The runtime moves some of them up in the child, by dup3, which says
		// EBADF where the new number is not below RLIMIT_NOFILE.
		err = fmt.Errorf("%w (the child's descriptors do not fit below the limit)", syscall.EMFILE)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if _, serr := os.Stat(path); serr == nil {
			err = fmt.Errorf("%w (the file is there; the interpreter or loader that it names is not)", err)
		}
	}
	return &Error{Step: "fork/exec", Path: describe(path), Err: err}
}

// checkDir returns why a process cannot work in dir, as an errno.
func checkDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		if errno, ok := errors.AsType[syscall.Errno](err); ok {
			return errno
		}
		return err
	}
	if !info.IsDir() {
		return syscall.ENOTDIR
	}
	return searchable(dir)
}
