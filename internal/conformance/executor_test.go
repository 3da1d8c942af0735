//go:build unix

package conformance_test

import (
	"context"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

type collisions struct{ Self, Fn, Ctx, P, Opts int }

var echoCollisions = echo[collisions]("collisions")

func TestC052ArgumentsReachTheTaskWhateverTheyAreCalled(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		got, err := pool.Go(t.Context(), p, power, worker.Pack2(2, 8)).Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, 256, got)
		got, err = pool.Go(t.Context(), p, mul, worker.Pack2(2, 8)).Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, 16, got)
		want := collisions{Self: 2, Fn: 3, Ctx: 4, P: 5, Opts: 6}
		same, err := pool.Go(t.Context(), p, echoCollisions, want).Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, same)
	})
}

func TestC052AFunctionThatNobodyRegisteredIsRefused(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 1)
		var none worker.Func[int, int]
		_, err := answered(t, pool.Go(t.Context(), p, none, 1))
		require.ErrorContains(t, err, "zero Func")
		_, err = answered(t, pool.Go(t.Context(), p, worker.Named[int, int]("no such function"), 1))
		require.ErrorIs(t, err, pool.ErrNotRegistered)
		require.ErrorContains(t, err, "no such function")
	})
}

func TestC053MapOverPairsEqualsTheSequentialResult(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		var args []worker.Args2[int, int]
		want := []int{1, 1, 4, 27, 256, 3125, 46656, 823543, 16777216, 387420489}
		for i := range 10 {
			args = append(args, worker.Pack2(i, i))
		}
		for _, opts := range [][]pool.CallOption{nil, {pool.Chunk(3)}} {
			got, err := pool.Map(t.Context(), p, power, args, opts...)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	})
}

func TestC066WithWorkersBelowOneIsRefusedWithAMessage(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		for _, n := range []int{0, -1} {
			p, err := pool.New(t.Context(), m.options(n, nil)...)
			require.ErrorContains(t, err, "WithWorkers")
			require.Nil(t, p)
		}
	})
}

// Python breaks the whole executor; here only the victim fails.
func TestC069AKilledWorkerCostsItsTaskOnly(t *testing.T) {
	inProcesses(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		g := newGate(t)
		victim := pool.Go(t.Context(), p, visiting, g.visit("victim"))
		v := g.next(t)
		neighbour := pool.Go(t.Context(), p, visiting, g.visit("neighbour"))
		n := g.next(t)
		require.NoError(t, syscall.Kill(v.pid, syscall.SIGKILL))
		_, err := answered(t, victim)
		var task *pool.TaskError
		require.ErrorAs(t, err, &task)
		require.Equal(t, v.pid, task.PID)
		require.Equal(t, -1, task.Index)
		var exit *pool.ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, syscall.SIGKILL, exit.Signal)
		require.NotNil(t, exit.State)
		require.Contains(t, err.Error(), "signal: killed")

		n.release()
		got, err := answered(t, neighbour)
		require.NoError(t, err)
		require.Equal(t, n.pid, got)
		squared, err := pool.Map(t.Context(), p, sqr, upTo(50))
		require.NoError(t, err)
		require.Equal(t, squares(50), squared)
	})
}

func TestC070EachFutureHasItsOwnError(t *testing.T) {
	inProcesses(t, func(t *testing.T, m mode) {
		p := m.pool(t, 3)
		g := newGate(t)
		var fs []*pool.Future[int]
		for _, v := range g.visits(3) {
			fs = append(fs, pool.Go(t.Context(), p, visiting, v))
		}
		for _, v := range g.wait(t, 3) {
			require.NoError(t, syscall.Kill(v.pid, syscall.SIGKILL))
		}
		var tasks []*pool.TaskError
		var exits []*pool.ExitError
		var procs []int
		for _, f := range fs {
			_, err := answered(t, f)
			var task *pool.TaskError
			require.ErrorAs(t, err, &task)
			var exit *pool.ExitError
			require.ErrorAs(t, err, &exit)
			tasks, exits, procs = append(tasks, task), append(exits, exit), append(procs, task.PID)
		}
		require.Equal(t, 3, distinct(tasks))
		require.Equal(t, 3, distinct(exits))
		require.Equal(t, 3, distinct(procs))
	})
}

func TestC071AnyChunkSizeGivesTheSameResult(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		args, want := products(40)
		for _, n := range []int{6, 50, 40} {
			got, err := pool.Map(t.Context(), p, mul, args, pool.Chunk(n))
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		_, err := pool.Map(t.Context(), p, mul, args, pool.Chunk(-1))
		require.ErrorContains(t, err, "Chunk")
	})
}

func TestC073AnExitInATaskNamesTheExitCode(t *testing.T) {
	inProcesses(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		_, err := pool.Call(t.Context(), p, hardexit, 99)
		var exit *pool.ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, 99, exit.Code)
		require.Equal(t, pool.ReasonExit, exit.Reason)
		require.Equal(t, 99, exit.State.ExitCode())
		require.Contains(t, err.Error(), "99")
	})
}

// crash dies of a signal that Go turns into exit 2.
var crash = worker.Register("crash", func(context.Context, struct{}) (int, error) {
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGSEGV)
	select {}
})

func TestC073ACrashNamesItsCause(t *testing.T) {
	inProcesses(t, func(t *testing.T, m mode) {
		p := m.pool(t, 1)
		_, err := pool.Call(t.Context(), p, crash, struct{}{})
		var exit *pool.ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, pool.ReasonCrash, exit.Reason)
		require.Contains(t, string(exit.Stderr), "SIGSEGV")
		got, err := pool.Call(t.Context(), p, sqr, 3)
		require.NoError(t, err)
		require.Equal(t, 9, got)
	})
}

// remembered are the arguments that remember saw, in the worker.
var remembered struct {
	sync.Mutex
	args []weak.Pointer[payload]
}

var remember = worker.Register("remember", func(_ context.Context, arg *payload) (int, error) {
	remembered.Lock()
	defer remembered.Unlock()
	remembered.args = append(remembered.args, weak.Make(arg))
	return len(remembered.args), nil
})

// recall says how many of them are still there.
var recall = worker.Register("recall", func(context.Context, struct{}) (int, error) {
	remembered.Lock()
	defer remembered.Unlock()
	runtime.GC()
	n := 0
	for _, w := range remembered.args {
		if w.Value() != nil {
			n++
		}
	}
	return n, nil
})

func TestC074AWorkerReleasesTheArgumentsOfItsTasks(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 1)
		for i := range 10 {
			n, err := pool.Call(t.Context(), p, remember, newPayload(i))
			require.NoError(t, err)
			require.Greater(t, n, i)
		}
		eventually(t, "the arguments are garbage", func() bool {
			n, err := pool.Call(t.Context(), p, recall, struct{}{})
			require.NoError(t, err)
			return n == 0
		})
	})
}

func TestC075ABacklogRunsOnExactlyTheWorkersThereAre(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		const workers = 5
		p := m.pool(t, workers)
		g := newGate(t)
		var fs []*pool.Future[int]
		for _, v := range g.visits(15 * workers) {
			fs = append(fs, pool.Go(t.Context(), p, visiting, v))
		}
		procs := pids(p)
		require.Len(t, procs, workers)
		together := g.wait(t, workers)
		require.Equal(t, workers, p.Stats().Busy)
		if !m.inline {
			var at []int
			for _, v := range together {
				at = append(at, v.pid)
			}
			require.ElementsMatch(t, procs, at)
		}
		for _, v := range together {
			v.release()
		}
		for range 14 * workers {
			g.next(t).release()
		}
		for _, f := range fs {
			_, err := answered(t, f)
			require.NoError(t, err)
		}
		require.Equal(t, procs, pids(p))
	})
}

// Tasks that have not started are recalled from a busy worker for an idle one:
// however fast tasks were before, none waits behind one that is slow.
func TestC075NoTaskWaitsBehindAnotherWhileAWorkerIsIdle(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		const workers = 2
		p := m.pool(t, workers)
		g := newGate(t)
		for _, v := range g.visits(200) { // fast: nobody is at the gate
			v.Gate += " is open"
			_, err := pool.Call(t.Context(), p, visiting, v)
			require.NoError(t, err)
		}
		for range 10 {
			f := pool.GoMap(t.Context(), p, visiting, g.visits(workers))
			for _, v := range g.wait(t, workers) {
				v.release()
			}
			_, err := answered(t, f)
			require.NoError(t, err)
		}
	})
}

// slotOf says where it runs.
var slotOf = worker.Register("slotOf", func(ctx context.Context, _ struct{}) (int, error) {
	return worker.Info(ctx).Slot, nil
})

// Python starts workers on demand; here all are started, and few are used.
func TestC076CallsInSequenceUseOneWorker(t *testing.T) {
	inProcesses(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		require.Equal(t, 5, distinct(pids(p)))
		var used []int
		for range 3 {
			slot, err := pool.Call(t.Context(), p, slotOf, struct{}{})
			require.NoError(t, err)
			used = append(used, slot)
		}
		require.Equal(t, 1, distinct(used))
	})
}

func TestC076AFewCallsAtATimeUseFewWorkers(t *testing.T) {
	inProcesses(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		var used []int
		for range 3 {
			a := pool.Go(t.Context(), p, pid, struct{}{})
			b := pool.Go(t.Context(), p, pid, struct{}{})
			for _, f := range []*pool.Future[int]{a, b} {
				got, err := answered(t, f)
				require.NoError(t, err)
				used = append(used, got)
			}
		}
		require.LessOrEqual(t, distinct(used), 3)
	})
}
