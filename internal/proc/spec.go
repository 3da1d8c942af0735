package proc

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/procpool/procpool/internal/harden"
)

// Spec says what to start.
type Spec struct {
	// Argv is the child's argument list. Argv[0] is only the name that is displayed when Path is set.
	Argv []string

	// Path is the image. Empty with Own it is the image of this process, also after its file was removed or replaced
	// (where /proc is mounted); empty without Own it is Argv[0] as it stands: looking it up is the caller's affair.
	Path string

	// Env is the complete environment; nil is an empty one.
	Env []string

	// Dir is the working directory; empty is the parent's.
	Dir string

	// Own says that the child runs this binary and package boot in it: it gets the descriptors 4 to 6 and, on Linux without
	// Rules, Pdeathsig until it has armed its life pipe. Other children get the descriptors 0 to 3 only.
	Own bool

	// Page is inherited as descriptor 4 by an Own child; nil leaves 4 closed.
	Page *os.File

	// Nice is the child's absolute niceness when SetNice is set. Lowering it needs a privilege: Start fails with EACCES.
	Nice    int
	SetNice bool

	// CPUs are the processors that the child may run on; empty is the parent's set. Linux only, elsewhere Start fails.
	CPUs []int

	// Rules are what is forbidden to the child and to all that it starts; nothing to this process. Rules.Image is set by
	// Start. Two children cannot signal or trace each other either, if their Rules are of Landlock.
	Rules harden.Rules

	// Cgroup, if not nil, is the descriptor of the cgroup (v2) that the child is born into. Linux only, elsewhere it is ignored.
	Cgroup *int

	// Limits are set on the child before Start returns, when it has run for a moment already.
	Limits harden.Limits

	// Capacity is what the pipes behind the child's descriptors 0 and 1 should hold, in bytes; 0 is what the system gives. Linux only, and only as
	// far as the user's quota allows (pipe-user-pages-soft, pipe-max-size): a pipe that cannot be enlarged stays as it is.
	Capacity int

	// OOMScore is added to how likely the kernel is to kill the child when memory runs out; see harden.RaiseOOMScore. Where that
	// does not work the child runs without.
	OOMScore int
}

// StartHook is a seam for tests: what it returns, if not nil, Start returns (wrapped) instead of forking. Start reads it
// without a lock, so set it before the first Start and let the function itself decide when to fail. It is nil in production.
var StartHook func(Spec) error

// PipeSize is a seam for tests: the capacity in bytes, a multiple of the page size, of every pipe that Start makes. It is set
// before the first Start and honoured on Linux only. Production leaves it 0: the pipes have what the system gives.
var PipeSize int

// argv is never empty: execve with an empty list makes Linux insert an empty name, and other systems refuse.
func (s *Spec) argv(path string) []string {
	if len(s.Argv) == 0 {
		return []string{path}
	}
	return s.Argv
}

// env is never nil: to os.StartProcess a nil environment means the parent's.
func (s *Spec) env() []string {
	if s.Env == nil {
		return []string{}
	}
	return s.Env
}

// image is the path to execute.
func (s *Spec) image() (string, error) {
	switch {
	case s.Path != "":
		return s.Path, nil
	case s.Own:
		return selfImage()
	case len(s.Argv) > 0:
		return s.Argv[0], nil
	}
	return "", errNoImage
}

// restrict applies the rules to the calling thread, for good.
func (s *Spec) restrict(path string) error {
	rules := s.Rules
	rules.Image = path
	if s.Dir != "" && !filepath.IsAbs(path) {
		rules.Image = filepath.Join(s.Dir, path) // the child is there already when it executes the image
	}
	err := rules.Restrict()
	if e, ok := errors.AsType[*harden.Error](err); ok {
		return stepError(e.Step, e.Err)
	}
	return err
}
