//go:build unix

package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// passed notes that a gate was passed.
var passed = worker.Register2("passed", func(ctx context.Context, v visit, path string) (struct{}, error) {
	if err := v.wait(context.Background()); err != nil {
		return struct{}{}, err
	}
	return struct{}{}, appendLine(path, "passed")
})

func TestC085CloseEndsATaskThatWaitsForEver(t *testing.T) {
	inProcesses(t, func(t *testing.T, m mode) {
		p := m.pool(t, 2)
		g := newGate(t)
		path := t.TempDir() + "/passed"
		f := pool.Go(t.Context(), p, passed, worker.Pack2(g.visit("for ever"), path))
		v := g.next(t)
		procs := pids(p)
		closed(t, p)
		_, err := answered(t, f)
		require.ErrorIs(t, err, pool.ErrClosed)
		gone(t, append(procs, v.pid))
		v.release()
		require.NoFileExists(t, path)
		refuses(t, p)
		closed(t, p)
	})
}

func TestC085CloseOfAPoolWhoseWorkersAreDeadIsNothingSpecial(t *testing.T) {
	inProcesses(t, func(t *testing.T, m mode) {
		p := m.pool(t, 2)
		for _, pid := range pids(p) {
			require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		}
		closed(t, p)
		refuses(t, p)
	})
}

func TestC087NothingIsTakenAfterShutdown(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		shut(t, p)
		refuses(t, p)
		shut(t, p)
	})
}

func TestC090ShutdownFinishesWhatWasSubmitted(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		var fs []*pool.Future[int]
		for i := range 50 {
			fs = append(fs, pool.Go(t.Context(), p, sqrLater, worker.Pack2(i, 5*time.Millisecond)))
		}
		shut(t, p)
		for i, f := range fs {
			select {
			case <-f.Done():
			default:
				t.Fatalf("Shutdown returned before task %d was done", i)
			}
			got, err := answered(t, f)
			require.NoError(t, err)
			require.Equal(t, i*i, got)
		}
	})
}

func TestC090ShutdownAtOnceFinishesAMapThatWasSubmitted(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		for range 20 {
			p := m.pool(t, 1)
			f := pool.GoMap(t.Context(), p, sqr, upTo(100))
			shut(t, p)
			got, err := answered(t, f)
			require.NoError(t, err)
			require.Equal(t, squares(100), got)
		}
	})
}

func TestC091DropQueuedCancelsWhatHasNotStarted(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		g := newGate(t)
		var fs []*pool.Future[int]
		for _, v := range g.visits(50) {
			fs = append(fs, pool.Go(t.Context(), p, visiting, v))
		}
		running := g.wait(t, 5)
		down := make(chan error, 1)
		go func() { down <- p.Shutdown(t.Context(), pool.DropQueued()) }()
		eventually(t, "the queued tasks are dropped", func() bool {
			n := 0
			for _, f := range fs {
				select {
				case <-f.Done():
					n++
				default:
				}
			}
			return n == 45
		})
		for _, v := range running {
			v.release()
		}
		within(t, limit/2, "Shutdown", func() { require.NoError(t, <-down) })
		finished, cancelled := 0, 0
		for _, f := range fs {
			if _, err := answered(t, f); err == nil {
				finished++
			} else {
				require.ErrorIs(t, err, pool.ErrClosed)
				cancelled++
			}
		}
		require.Equal(t, 5, finished)
		require.Equal(t, 45, cancelled)
	})
}

func TestC093ShutdownAfterACancelReturns(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		f := pool.Go(t.Context(), p, visiting, newGate(t).visit("cancelled"))
		f.Cancel()
		shut(t, p)
		_, err := answered(t, f)
		require.ErrorIs(t, err, context.Canceled)
	})
}

var abs = worker.Register("abs", func(_ context.Context, x int) (int, error) { return max(x, -x), nil })

func TestC094ADeferredShutdownJoinsTheWorkers(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		var procs []int
		func() {
			p := m.loose(t, 5)
			defer shut(t, p)
			procs = pids(p)
			got, err := pool.Map(t.Context(), p, abs, []int{-5, -4, -3, -2, -1, 0, 1, 2, 3, 4})
			require.NoError(t, err)
			require.Equal(t, []int{5, 4, 3, 2, 1, 0, 1, 2, 3, 4}, got)
		}()
		if !m.inline {
			gone(t, procs)
		}
	})
}

func TestC095ADroppedPoolLeavesTheResultsOfAFinishedMap(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		var f *pool.Future[[]int]
		procs := dropped(t, m, func(p *pool.Pool) {
			f = pool.GoMap(t.Context(), p, abs, []int{-2, -1, 0, 1})
			<-f.Done()
		})
		departed(t, m, procs)
		got, err := answered(t, f)
		require.NoError(t, err)
		require.Equal(t, []int{2, 1, 0, 1}, got)
	})
}

// A pool whose last use is the call that is under way is not dropped.
func TestC095APoolLivesAsLongAsACallUsesIt(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		g := newGate(t)
		pair := g.visits(2)
		var procs []int
		start := func() *pool.Pool {
			p := m.loose(t, 1)
			procs = append(procs, pids(p)...)
			return p
		}
		// garbage collects it between the two tasks, time and again, so that
		// a cleanup has its chance.
		garbage := func() (done chan struct{}) {
			done = make(chan struct{})
			go func() {
				defer close(done)
				g.next(t).release()
				v := g.next(t)
				for range 5 {
					runtime.GC()
					time.Sleep(time.Millisecond)
				}
				v.release()
			}()
			return done
		}

		done := garbage()
		_, err := pool.Map(t.Context(), start(), visiting, pair)
		<-done
		require.NoError(t, err, "Map")

		done = garbage()
		for _, err := range pool.Stream(t.Context(), start(), visiting, slices.Values(pair)) {
			require.NoError(t, err, "Stream")
		}
		<-done

		n := 0
		for v, err := range pool.Stream(t.Context(), start(), sqr, count(10), pool.Window(1)) {
			runtime.GC()
			require.NoError(t, err, "Stream")
			require.Equal(t, n*n, v)
			n++
		}
		require.Equal(t, 10, n)
		departed(t, m, procs)
	})
}

func TestC096ShutdownWithoutWaitingLeavesTheResultsAndEndsTheWorkers(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		procs := pids(p)
		g := newGate(t)
		f := pool.GoMap(t.Context(), p, visiting, g.visits(10))
		waiting := g.wait(t, 1)
		within(t, prompt, "Shutdown", func() {
			if err := p.Shutdown(ended()); !errors.Is(err, context.Canceled) {
				t.Errorf("Shutdown: %v", err)
			}
		})
		waiting[0].release()
		g.open()
		got, err := answered(t, f)
		require.NoError(t, err)
		require.Len(t, got, 10)
		departed(t, m, procs)
	})
}

// step is one of 97's tasks.
var step = worker.Register2("step", func(ctx context.Context, v visit, text string) (string, error) {
	if text == "fail" {
		return "", errors.New("step failed")
	}
	return text, v.wait(ctx)
})

func TestC097FailFastAndShutdownWithoutWaitingEndQuietly(t *testing.T) {
	for _, workers := range []int{2, 4} {
		t.Run(fmt.Sprint("workers=", workers), func(t *testing.T) {
			each(t, func(t *testing.T, m mode) {
				p := m.pool(t, workers, after(1)...)
				g := newGate(t)
				steps := []worker.Args2[visit, string]{
					worker.Pack2(g.visit("a"), "ok"),
					worker.Pack2(g.visit("b"), "fail"),
					worker.Pack2(g.visit("c"), "ok"),
				}
				var err error
				within(t, prompt, "Map", func() { _, err = pool.Map(t.Context(), p, step, steps, pool.FailFast(), pool.Chunk(1)) })
				var failed pool.Errors
				require.ErrorAs(t, err, &failed)
				require.Len(t, failed, 1, "%v", err)
				require.Equal(t, 1, failed[0].Index)
				require.ErrorContains(t, err, "step failed")
				within(t, prompt, "Shutdown", func() { _ = p.Shutdown(ended()) })
				shut(t, p)
			})
		})
	}
}
