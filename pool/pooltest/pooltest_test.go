//go:build linux

package pooltest_test

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/pooltest"
	"github.com/procpool/procpool/worker"
)

var whoami = worker.Register("pooltest.whoami", func(context.Context, struct{}) (int, error) { return os.Getpid(), nil })

// elope starts a process that leaves the worker's process group, which is how one escapes the pool.
var elope = worker.Register("pooltest.elope", func(context.Context, struct{}) (int, error) {
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err := cmd.Start()
	if err != nil {
		return 0, err
	}
	return cmd.Process.Pid, nil
})

func TestMain(m *testing.M) {
	worker.Main()
	leaktest.Main(m)
}

func TestThePoolIsClosedWhenTheTestEnds(t *testing.T) {
	var p *pool.Pool
	var pid int
	t.Run("inner", func(t *testing.T) {
		p = pooltest.New(t, pool.WithWorkers(2))
		var err error
		pid, err = pool.Call(t.Context(), p, whoami, struct{}{})
		require.NoError(t, err)
		require.True(t, leaktest.Alive(pid))
	})
	require.False(t, leaktest.Alive(pid))
	_, err := pool.Call(t.Context(), p, whoami, struct{}{})
	require.ErrorIs(t, err, pool.ErrClosed)
}

func TestParallelTestsHavePoolsOfTheirOwn(t *testing.T) {
	for range 3 {
		t.Run("one of many", func(t *testing.T) {
			t.Parallel()
			p := pooltest.New(t, pool.WithWorkers(1))
			_, err := pool.Call(t.Context(), p, whoami, struct{}{})
			require.NoError(t, err)
		})
	}
}

// A fake testing.TB takes the verdict, so that a failure can be seen without failing.
type verdict struct {
	testing.TB
	errors   []string
	cleanups []func()
}

func (v *verdict) Helper()          {}
func (v *verdict) Cleanup(f func()) { v.cleanups = append(v.cleanups, f) }
func (v *verdict) Errorf(format string, args ...any) {
	v.errors = append(v.errors, format)
	v.Logf(format, args...)
}

func TestAProcessThatIsLeftFailsTheTest(t *testing.T) {
	v := &verdict{TB: t}
	p := pooltest.New(v, pool.WithWorkers(1))
	pid, err := pool.Call(t.Context(), p, elope, struct{}{})
	require.NoError(t, err)
	for _, f := range v.cleanups {
		f()
	}
	require.Len(t, v.errors, 1)
	require.Contains(t, v.errors[0], "are left after Close")
	process, err := os.FindProcess(pid)
	require.NoError(t, err)
	require.NoError(t, process.Kill())
}
