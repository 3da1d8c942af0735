// Package harden narrows what a child process can do: rules that its first thread is born with, and limits that are set on
// it from outside.
//
// Rules are properties of a thread on Linux, inherited by clone and kept by exec. They cannot be taken back, so whoever
// means to restrict a child and not itself calls Restrict on a thread of its own, starts the child there, and lets the
// thread end. Two children from one restricted thread share a Landlock domain and could signal and trace each other;
// children from two threads cannot.
//
// Rules work on Linux. Elsewhere everything that is asked for is unsupported, and says so.
package harden

import (
	"errors"
	"fmt"
	"time"
)

// Rules are what is forbidden. The zero value forbids nothing.
//
// Each brings NoNewPrivs along, which the kernel demands of whoever restricts itself without privilege. What is open
// already stays usable: the pipes to the parent, for one. Landlock, which Files and Signals are made of, does not cover
// connecting to a Unix socket in the file system, nor reading or changing what is known about a file rather than in it
// (stat, chmod, utimes).
//
// Files and Signals also keep the child from tracing processes outside of it, which closes the mem, environ, maps and fd
// files that those have in /proc; to read environ and maps is still allowed to root (CAP_PERFMON). Root keeps whatever
// else its capabilities give it: rules are meant for users without privilege.
type Rules struct {
	// NoNewPrivs makes set-user-ID, set-group-ID and file capabilities mean nothing to what is executed: sudo and ping
	// stop working. Linux 3.5.
	NoNewPrivs bool

	// Files denies to open, execute, make, remove, rename and truncate files, but for those below ReadOnly and ReadWrite and
	// what any program needs in order to run (see systemFiles). There is no temporary directory unless it is listed.
	// Linux 5.13. Before 5.19 nothing can be renamed or linked from one directory to another; before 6.2 truncate(2), and
	// before 6.10 ioctl on devices, are not covered.
	Files bool

	// ReadOnly are files, and directories with all that is below them, that may be read and executed; ReadWrite those
	// where everything is allowed. Paths are absolute and must exist: a rule is about the file that has the name
	// when Restrict is called, not about the name. They mean something with Files only. With any, the system's loader of
	// dynamic programs may be executed as well.
	ReadOnly, ReadWrite []string

	// Network denies to make sockets but those that stay on the machine (Unix, netlink), of whatever protocol, and io_uring,
	// which could make them too; and from Linux 6.7 to bind and connect TCP sockets that are handed over. Programs for
	// 32 bits do not run. Needs seccomp filters, on amd64, arm64, riscv64 or loong64.
	Network bool

	// Signals denies to signal processes outside, and to connect to their abstract Unix sockets. Linux 6.12, with a
	// correction that came with 6.15 and later versions of 6.12 to 6.14.
	Signals bool

	// Image is the program that is executed afterwards and so is allowed under Files, with the loader or interpreter
	// that it names. Empty is the image of this process.
	Image string
}

// Any reports whether anything is forbidden.
func (r Rules) Any() bool { return r.NoNewPrivs || r.Files || r.Network || r.Signals }

// Confines reports whether a thread that has taken the rules on can do less than others: NoNewPrivs alone means something to what it
// executes only.
func (r Rules) Confines() bool { return r.Files || r.Network || r.Signals }

// UnsupportedError is a rule that this system cannot give. It is errors.ErrUnsupported.
type UnsupportedError struct {
	Rule   string // "no_new_privs", "files", "network", "signals"
	Reason string // what the rule needs, and what is there
}

// Error reads "signals: needs Linux 6.12 (Landlock ABI 6), here is ABI 5".
func (e *UnsupportedError) Error() string { return e.Rule + ": " + e.Reason }

func (e *UnsupportedError) Unwrap() error { return errors.ErrUnsupported }

// Error says what Restrict failed at. It unwraps to the system's errno, or to an *UnsupportedError.
type Error struct {
	Step string // "no_new_privs", "landlock" or "seccomp"
	Err  error
}

// refused is the error of Restrict for a rule that this system cannot give.
func refused(missing *UnsupportedError) error {
	step := "landlock"
	switch missing.Rule {
	case "no_new_privs":
		step = "no_new_privs"
	case "network":
		step = "seccomp"
	}
	return &Error{Step: step, Err: missing}
}

func (e *Error) Error() string { return e.Step + ": " + e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// Limits are resource limits of a process. A zero field leaves its limit as it is. None of them raises a hard limit: where
// the process has a lower one already, that one stays.
type Limits struct {
	// CPU is how much processor time the process may use in all its life, rounded up to seconds; then it is killed by
	// SIGKILL, without a warning (RLIMIT_CPU).
	CPU time.Duration

	// FileSize is the size in bytes beyond which no file can be written, memory files included (RLIMIT_FSIZE). A write beyond fails
	// with EFBIG; a program that is not Go dies of SIGXFSZ unless it ignores that.
	FileSize int64

	// OpenFiles is the number that all descriptors stay below (RLIMIT_NOFILE). What is open already stays so. A privileged Go
	// program that starts just now may undo it (its runtime raises the limit that it found a moment earlier): apply it
	// again when the program answers.
	OpenFiles uint64

	// Processes is the number of threads, of all processes of the user taken together, at which this one can make no more
	// (RLIMIT_NPROC). A Go program that needs a thread then dies. Root is exempt.
	Processes uint64

	// NoCore forbids core dumps (RLIMIT_CORE 0).
	NoCore bool

	// Data is the size in bytes of private writable memory (RLIMIT_DATA). A Go program does not start with less than about
	// 48 MiB.
	Data uint64
}

var errNegative = errors.New("is negative")

func (l Limits) check() error {
	switch {
	case l.CPU < 0:
		return fmt.Errorf("CPU time %v %w", l.CPU, errNegative)
	case l.FileSize < 0:
		return fmt.Errorf("file size %d %w", l.FileSize, errNegative)
	}
	return nil
}
