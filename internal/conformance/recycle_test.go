//go:build unix

package conformance_test

import (
	"context"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// Inline there is no process to renew, so these tests are about processes.

// after makes every proc end after n tasks, exactly.
func after(n int) []pool.Option {
	return []pool.Option{pool.WithMaxTasksPerWorker(n), pool.WithRecycleJitter(0)}
}

// sqrBy squares and says where.
var sqrBy = worker.Register("sqrBy", func(ctx context.Context, x int) ([2]int, error) {
	return [2]int{x * x, worker.Info(ctx).PID}, nil
})

// tooMany fails if a process ran more than n tasks.
func tooMany(t *testing.T, n int, ran []int) {
	t.Helper()
	times := map[int]int{}
	for _, pid := range ran {
		require.NotZero(t, pid)
		times[pid]++
		require.LessOrEqual(t, times[pid], n, "tasks of process %d", pid)
	}
}

func TestC034WorkersAreRenewedAndNoResultIsLost(t *testing.T) {
	inProcesses(t, func(t *testing.T, m mode) {
		p := m.pool(t, 3, after(10)...)
		first := pids(p)
		var fs []*pool.Future[[2]int]
		for i := range 100 {
			fs = append(fs, pool.Go(t.Context(), p, sqrBy, i))
		}
		var ran []int
		for i, f := range fs {
			r, err := f.Wait(t.Context())
			require.NoError(t, err)
			require.Equal(t, i*i, r[0])
			ran = append(ran, r[1])
		}
		tooMany(t, 10, ran)
		eventually(t, "the workers are renewed", func() bool { return p.Stats().Recycles >= 7 })
		now := pids(p)
		require.Len(t, now, 3)
		require.NotContains(t, now, 0)
		require.Greater(t, distinct(append(now, first...)), 3)
		require.Zero(t, p.Stats().Restarts, "a renewal was taken for a crash")
	})
}

func TestC035ShutdownAtOnceLosesNothingToRecycling(t *testing.T) {
	inProcesses(t, func(t *testing.T, m mode) {
		p := m.pool(t, 3, after(1)...)
		var fs []*pool.Future[int]
		for i := range 6 {
			fs = append(fs, pool.Go(t.Context(), p, sqrLater, worker.Pack2(i, 20*time.Millisecond)))
		}
		shut(t, p)
		for i, f := range fs {
			got, err := answered(t, f)
			require.NoError(t, err)
			require.Equal(t, i*i, got)
		}
	})
}

func TestC036AWorkerWithoutTasksIsRefused(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		for _, n := range []int{0, -1} {
			_, err := pool.New(t.Context(), m.options(1, []pool.Option{pool.WithMaxTasksPerWorker(n)})...)
			require.ErrorContains(t, err, "WithMaxTasksPerWorker")
		}
	})
}

func TestC077AWorkerIsRenewedAfterExactlyItsTasks(t *testing.T) {
	inProcesses(t, func(t *testing.T, m mode) {
		p := m.pool(t, 1, after(3)...)
		ran := make([]int, 4)
		for i := range ran {
			got, err := pool.Call(t.Context(), p, pid, struct{}{})
			require.NoError(t, err)
			ran[i] = got
			require.Len(t, p.Workers(), 1)
		}
		require.Equal(t, ran[0], ran[1])
		require.Equal(t, ran[0], ran[2])
		require.NotEqual(t, ran[0], ran[3])
	})
}

func TestC078RecyclingWithABacklogDoesNotStall(t *testing.T) {
	inProcesses(t, func(t *testing.T, m mode) {
		for _, c := range []struct{ workers, limit, tasks int }{{1, 2, 6}, {2, 2, 8}} {
			p := m.pool(t, c.workers, after(c.limit)...)
			var fs []*pool.Future[[2]int]
			for i := range c.tasks {
				fs = append(fs, pool.Go(t.Context(), p, sqrBy, i))
			}
			var ran []int
			for i, f := range fs {
				got, err := answered(t, f)
				require.NoError(t, err)
				require.Equal(t, i*i, got[0])
				ran = append(ran, got[1])
			}
			tooMany(t, c.limit, ran)

			got, err := pool.Map(t.Context(), p, sqr, upTo(c.tasks))
			require.NoError(t, err)
			require.Equal(t, squares(c.tasks), got)
		}
	})
}

func TestC079ShutdownWithoutWaitingStillRunsWhatIsQueued(t *testing.T) {
	inProcesses(t, func(t *testing.T, m mode) {
		p := m.pool(t, 1, after(1)...)
		g := newGate(t)
		held := pool.Go(t.Context(), p, visiting, g.visit("held"))
		var fs []*pool.Future[int]
		for i := range 3 {
			fs = append(fs, pool.Go(t.Context(), p, echoInt, i))
		}
		v := g.next(t)
		within(t, prompt, "Shutdown", func() {
			if err := p.Shutdown(ended()); err == nil {
				t.Error("Shutdown did not say that it gave up waiting")
			}
		})
		v.release()
		_, err := answered(t, held)
		require.NoError(t, err)
		for i, f := range fs {
			got, err := answered(t, f)
			require.NoError(t, err)
			require.Equal(t, i, got)
		}
		shut(t, p)
	})
}

// What is pending keeps a pool: its futures may be waited for. It ends with
// the last of them, and then the pool goes though the futures are kept.
func TestC080DroppingAPoolLeavesNoTaskWithoutAnAnswer(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		g := newGate(t)
		var fs []*pool.Future[int]
		procs := dropped(t, m, func(p *pool.Pool) {
			for _, v := range g.visits(6) {
				fs = append(fs, pool.Go(t.Context(), p, visiting, v))
			}
		}, after(1)...)
		waiting := g.wait(t, 2)
		for range 3 {
			runtime.GC()
		}
		for _, v := range waiting {
			v.release()
		}
		g.open()
		for _, f := range fs {
			if _, err := answered(t, f); err != nil {
				require.ErrorIs(t, err, pool.ErrClosed)
			}
		}
		departed(t, m, procs)
		runtime.KeepAlive(fs)
	})
}

func TestC081CloseDuringRecyclingLeavesNothing(t *testing.T) {
	inProcesses(t, func(t *testing.T, m mode) {
		p := m.pool(t, 2, after(1)...)
		g := newGate(t)
		var fs []*pool.Future[int]
		for _, v := range g.visits(10) {
			fs = append(fs, pool.Go(t.Context(), p, visiting, v))
		}
		procs := pids(p)
		first := g.next(t) // its worker is renewed from here on
		first.release()
		i, err := strconv.Atoi(first.tag)
		require.NoError(t, err)
		_, err = answered(t, fs[i]) // before Close: the one that takes its place may be ready before the answer is here
		require.NoError(t, err)
		for _, v := range g.wait(t, 2) {
			procs = append(procs, v.pid)
		}
		procs = append(procs, pids(p)...)
		within(t, prompt, "Close", func() { _ = p.Close() })
		failed := 0
		for _, f := range fs {
			if _, err := answered(t, f); err != nil {
				require.ErrorIs(t, err, pool.ErrClosed)
				failed++
			}
		}
		require.Equal(t, len(fs)-1, failed)
		gone(t, append(procs, pids(p)...))
	})
}

func TestC082WithoutAWorkerThatCanBeStartedTasksFailWithTheReason(t *testing.T) {
	inProcesses(t, func(t *testing.T, m mode) {
		forks := hookForks(t)
		p := m.pool(t, 1)
		g := newGate(t)
		victim := pool.Go(t.Context(), p, visiting, g.visit("victim"))
		queued := pool.Go(t.Context(), p, echoInt, 7)
		v := g.next(t)
		forks.fail(syscall.EAGAIN, 0)
		require.NoError(t, syscall.Kill(v.pid, syscall.SIGKILL))
		_, err := answered(t, victim)
		var exit *pool.ExitError
		require.ErrorAs(t, err, &exit)
		_, err = answered(t, queued)
		require.ErrorIs(t, err, pool.ErrBroken)
		require.ErrorIs(t, err, syscall.EAGAIN)
		within(t, prompt, "Call", func() { _, err = pool.Call(t.Context(), p, echoInt, 8) })
		require.ErrorIs(t, err, pool.ErrBroken)

		forks.fail(nil, 0)
		eventually(t, "the pool is whole again", func() bool {
			got, err := pool.Call(t.Context(), p, echoInt, 9)
			return err == nil && got == 9
		})
	})
}

func TestC083ShutdownAtOnceWithOneTaskPerWorkerRunsThemAll(t *testing.T) {
	inProcesses(t, func(t *testing.T, m mode) {
		p := m.pool(t, 3, after(1)...)
		var fs []*pool.Future[[2]int]
		for i := range 6 {
			fs = append(fs, pool.Go(t.Context(), p, sqrBy, i))
		}
		shut(t, p)
		var ran []int
		for i, f := range fs {
			got, err := answered(t, f)
			require.NoError(t, err)
			require.Equal(t, i*i, got[0])
			ran = append(ran, got[1])
		}
		require.Equal(t, 6, distinct(ran))
	})
}
