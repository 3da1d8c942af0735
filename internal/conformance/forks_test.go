//go:build unix

package conformance_test

import (
	"sync"
	"testing"

	"github.com/procpool/procpool/internal/proc"
)

// forks stands between the pool and the system call that starts a process.
type forks struct {
	mu    sync.Mutex
	spare int   // so many still succeed
	err   error // what the others fail with; nil: none fails
}

// hookForks watches the forks of one test. Call it before the pool is
// started, so that the pool is closed before the hook is taken away.
func hookForks(t testing.TB) *forks {
	t.Helper()
	f := new(forks)
	proc.StartHook = func(proc.Spec) error { return f.next() }
	t.Cleanup(func() { proc.StartHook = nil })
	return f
}

// fail lets spare more processes start and then has each start fail with err.
func (f *forks) fail(err error, spare int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.spare = err, spare
}

func (f *forks) next() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		return nil
	}
	if f.spare > 0 {
		f.spare--
		return nil
	}
	return f.err
}
