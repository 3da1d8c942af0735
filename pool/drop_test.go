package pool_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/pooltest"
	"github.com/procpool/procpool/worker"
)

// dropGate says that it has begun and waits until its file exists; without one it returns at once.
var dropGate = worker.Register("drop-gate", func(ctx context.Context, file string) (string, error) {
	if file == "" {
		return "", nil
	}
	worker.Report(ctx, file)
	for {
		if _, err := os.Stat(file); err == nil {
			return file, nil
		}
		time.Sleep(time.Millisecond)
	}
})

// A task that a worker was given along with the running one, and has not begun, is one that no worker has started.
func TestDropQueuedTakesBackWhatAWorkerHasNotBegun(t *testing.T) {
	const quick = 1000
	for name, opts := range map[string][]pool.Option{"processes": nil, "inline": {pool.WithInline()}} {
		t.Run(name, func(t *testing.T) {
			begun := make(chan struct{}, 100)
			p := pooltest.New(t, append(opts, pool.WithWorkers(1), pool.WithOnReport(func(worker.TaskInfo, worker.Raw) { begun <- struct{}{} }))...)
			file := filepath.Join(t.TempDir(), "open")
			args := func(yield func(string) bool) {
				for i := range 2 * quick { // the worker is given many at a time, since they have been quick
					if !yield([]string{"", file}[i/quick]) {
						return
					}
				}
			}
			down := make(chan error, 1)
			go func() {
				<-begun
				now, cancel := context.WithCancel(t.Context())
				cancel()
				_ = p.Shutdown(now, pool.DropQueued()) // it has begun when this returns
				down <- os.WriteFile(file, nil, 0o600)
			}()
			n, last := 0, pool.Result[string]{}
			for last = range pool.Results(t.Context(), p, dropGate, args) {
				n++
			}
			require.NoError(t, <-down)
			require.Equal(t, quick+2, n, "the quick ones, the one that ran, and the end")
			require.Equal(t, -1, last.Index)
			require.ErrorIs(t, last.Err, pool.ErrClosed)
			require.Empty(t, begun)
			require.NoError(t, p.Shutdown(t.Context()))
		})
	}
}

// A worker without a page answers when it is asked to give something back.
func TestDropQueuedTakesBackFromAWorkerInPython(t *testing.T) {
	p := python(t, pool.WithWorkers(1))
	args := func(yield func(float64) bool) {
		for range 20 {
			if !yield(0.2) {
				return
			}
		}
	}
	n := 0
	for r := range pool.Results(t.Context(), p, pySleep, args, pool.Chunk(20), pool.Window(20)) {
		if n == 0 {
			now, cancel := context.WithCancel(t.Context())
			cancel()
			_ = p.Shutdown(now, pool.DropQueued())
		}
		if r.Index >= 0 {
			n++
		}
	}
	require.Less(t, n, 20)
	require.NoError(t, p.Shutdown(t.Context()))
}
