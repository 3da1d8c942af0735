package proc

import (
	"sync"

	"github.com/procpool/procpool/internal/boot"
)

// sealInherited marks what this process itself inherited, from a shell or a supervisor, close-on-exec, so that it does not
// pass through to every worker. Marked and not closed: some of it belongs to the Go runtime (its cgroup files). A program
// that means to hand a descriptor on can do so as before by exec.Cmd.ExtraFiles, which clears the mark on the copy.
//
// It happens once. What a C library opens later without the mark is that library's affair; a worker marks
// everything it got for the sake of its own children.
var sealInherited = sync.OnceFunc(func() { boot.CloseOnExecFrom(3) })
