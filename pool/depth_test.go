package pool_test

import (
	"context"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/pooltest"
	"github.com/procpool/procpool/worker"
)

// What it takes a second look at the code to find: each of these hung, once.

const patience = 30 * time.Second

// within fails the test if f takes longer than patience.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s has not ended after %v", what, patience)
	}
}

var (
	depthDie  = worker.Register("depth.die", func(context.Context, []byte) (int, error) { os.Exit(3); return 0, nil })
	depthWait = worker.Register("depth.wait", func(_ context.Context, path string) (int, error) {
		for { // until the file is there
			if _, err := os.Stat(path); err == nil {
				return os.Getpid(), nil
			}
			time.Sleep(time.Millisecond)
		}
	})
	depthPID = worker.Register("depth.pid", func(context.Context, int) (int, error) { return os.Getpid(), nil })
)

// The window counts bytes as well as tasks: those of tasks that were lost must be given back.
func TestAStreamGoesOnThoughEveryTaskIsLost(t *testing.T) {
	const n = 80 // of a MiB each; 64 MiB are in the window at the most
	p := pooltest.New(t, pool.WithWorkers(2), pool.WithLogger(hclog.NewNullLogger()))
	arg := make([]byte, 1<<20)
	within(t, "the stream", func() {
		lost := 0
		for _, err := range pool.Stream(t.Context(), p, depthDie, func(yield func([]byte) bool) {
			for range n {
				if !yield(arg) {
					return
				}
			}
		}) {
			var exit *pool.ExitError
			require.ErrorAs(t, err, &exit)
			lost++
		}
		require.Equal(t, n, lost)
	})
}

func TestShutdownDoesNotWaitForAnInputThatIsBlocked(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1))
	blocked, goOn := make(chan struct{}), make(chan struct{})
	defer close(goOn)
	ended := make(chan error, 1)
	go func() {
		var last error
		for _, err := range pool.Stream(t.Context(), p, depthPID, func(yield func(int) bool) {
			if yield(1) {
				close(blocked)
				<-goOn
			}
		}) {
			last = err
		}
		ended <- last
	}()
	<-blocked
	within(t, "Shutdown", func() { require.NoError(t, p.Shutdown(context.Background())) })
	within(t, "the stream", func() { require.ErrorIs(t, <-ended, pool.ErrClosed) })
}

// Both slots are busy, each with a batch of its key's tasks of which it has begun one; the one that is taken away must give up the rest.
func TestTasksOfAKeyMoveWhenTheirBusySlotIsTakenAway(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(2))
	keys := map[int]string{} // by process
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		pid, err := pool.Call(t.Context(), p, depthPID, 1, pool.Key(key))
		require.NoError(t, err)
		keys[pid] = key
	}
	require.Len(t, keys, 2, "eight keys, two slots")
	file := t.TempDir() + "/go"
	var jobs []*pool.Future[[]int]
	var calls []*pool.Future[int]
	for _, key := range keys {
		jobs = append(jobs, pool.GoMap(t.Context(), p, depthWait, []string{file, file, file, file, file, file}, pool.Key(key), pool.Chunk(6)))
	}
	require.Eventually(t, func() bool { return p.Stats().Busy == 2 }, patience, time.Millisecond)
	for _, key := range keys {
		calls = append(calls, pool.Go(t.Context(), p, depthWait, file, pool.Key(key)))
	}
	require.NoError(t, p.Resize(t.Context(), 1))
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	within(t, "the keys' tasks", func() {
		for i := range jobs {
			pids, err := jobs[i].Wait(context.Background())
			require.NoError(t, err)
			require.Len(t, pids, 6)
			_, err = calls[i].Wait(context.Background())
			require.NoError(t, err)
		}
	})
}

func TestAKeyWakesASlotWhoseWorkerIsJustLeaving(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(2), pool.WithIdleTimeout(0, time.Millisecond), pool.WithLogger(hclog.NewNullLogger()))
	within(t, "the calls", func() {
		for i := range 150 {
			_, err := pool.Call(t.Context(), p, depthPID, i, pool.Key("k"))
			require.NoError(t, err)
			_, err = pool.Call(t.Context(), p, depthPID, i)
			require.NoError(t, err)
			time.Sleep(time.Duration(i%5) * 500 * time.Microsecond) // lets the idle timer come at different moments
		}
	})
}

// asking is where a logger writes to that wants to know how the pool is.
type asking struct {
	pool  atomic.Pointer[pool.Pool]
	asked atomic.Int32
}

func (a *asking) Write(b []byte) (int, error) {
	if p := a.pool.Load(); p != nil {
		p.Stats()
		p.Workers()
		a.asked.Add(1)
	}
	return len(b), nil
}

func TestALoggerMayAskThePool(t *testing.T) {
	to := &asking{}
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithMaxTasksPerWorker(2), pool.WithLogger(hclog.New(&hclog.LoggerOptions{Output: to, Level: hclog.Debug})))
	to.pool.Store(p)
	within(t, "a pool that logs", func() {
		_, err := pool.Call(t.Context(), p, depthDie, nil)
		require.Error(t, err)
		_, err = pool.Map(t.Context(), p, depthPID, make([]int, 5))
		require.NoError(t, err)
		require.NoError(t, p.Shutdown(t.Context()))
	})
	require.Positive(t, to.asked.Load())
}
