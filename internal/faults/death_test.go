//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// pidAt returns the process of some worker, of the one in a slot if the pool has several.
func (f *fixture) pidAt(i int) int {
	f.t.Helper()
	workers := f.Workers()
	require.Greater(f.t, len(workers), i)
	require.Positive(f.t, workers[i].PID)
	return workers[i].PID
}

func TestRow001SIGKILLOfAnIdleWorkerIsNobodysLoss(t *testing.T) {
	f := start(t, 2)
	f.works()
	restarts := f.Stats().Restarts
	dead := watchPID(t, f.pidAt(0))
	dead.signal(t, syscall.SIGKILL)

	e := f.exit()
	assert.Equal(t, dead.pid, e.PID)
	assert.Equal(t, pool.ReasonSignal, e.Reason)
	f.works()
	f.replaced(dead.pid)
	assert.EqualValues(t, restarts+1, f.Stats().Restarts, "Restarts")
}

func TestRow002SIGKILLMidTaskCostsThatTaskAlone(t *testing.T) {
	const n, doomed = 40, 17
	f := start(t, 3)
	g, l := newGate(t), newLedger(t)
	futures := make([]*pool.Future[answer], n)
	for i := range futures {
		o := order{Index: i, Ledger: l}
		if i == doomed {
			o.Gate = g.addr
		}
		futures[i] = submit(f, obey, o)
	}
	v := g.next(t)
	killed := time.Now()
	require.NoError(t, syscall.Kill(v.pid, syscall.SIGKILL))

	_, err := await(t, futures[doomed])
	assert.Less(t, time.Since(killed), detection)
	fate{signal: syscall.SIGKILL, reason: pool.ReasonSignal}.check(t, err)
	assert.Contains(t, err.Error(), "faults.obey (slot ")
	assert.Contains(t, err.Error(), fmt.Sprintf("pid %d, attempt 1): signal: killed", v.pid))
	for i, future := range futures {
		if i != doomed {
			a, err := await(t, future)
			assert.NoError(t, err, "task %d", i)
			assert.Equal(t, i, a.Index)
		}
	}
	l.check(t, n, doomed)
	f.replaced(v.pid)
}

// In a batch the tasks before the one that dies keep their results and the ones
// after it run elsewhere.
func TestRow002SIGKILLInsideABatchCostsThatTaskAlone(t *testing.T) {
	const n = 200
	for _, doomed := range []int{0, 7, 99, 100, n - 1} {
		t.Run(strconv.Itoa(doomed), func(t *testing.T) {
			f := start(t, 2)
			l := newLedger(t)
			orders := make([]order, n)
			for i := range orders {
				orders[i] = order{Index: i, Ledger: l}
			}
			orders[doomed].Do = "signal 9"
			answers, err := pool.Map(t.Context(), f.Pool, obey, orders, pool.Chunk(50))
			onlyLost(t, err, doomed)
			require.Len(t, answers, n)
			for i, a := range answers {
				if i != doomed {
					assert.Equal(t, i, a.Index)
					assert.NotZero(t, a.PID, "task %d", i)
				}
			}
			l.check(t, n, doomed)
		})
	}
}

// onlyLost verifies that a Map lost exactly the given items, to the death of their processes.
func onlyLost(t testing.TB, err error, lost ...int) {
	t.Helper()
	var errs pool.Errors
	if !assert.ErrorAs(t, err, &errs) {
		return
	}
	var indexes []int
	for _, e := range errs {
		indexes = append(indexes, e.Index)
		var exit *pool.ExitError
		assert.ErrorAs(t, e, &exit, "item %d", e.Index)
	}
	assert.Equal(t, lost, indexes, "%v", err)
}

func TestRow008Exit0MidTaskIsALossNotASuccess(t *testing.T) {
	f := start(t, 2)
	_, err := call(f, obey, order{Do: "exit 0"})
	fate{code: 0, reason: pool.ReasonExit}.check(t, err)
	f.replaced()
}

func TestRow009ExitAndLogFatalMidTaskTellCodeAndLastWords(t *testing.T) {
	f := start(t, 2)
	_, err := call(f, obey, order{Do: "exit 7"})
	fate{code: 7, reason: pool.ReasonExit}.check(t, err)
	_, err = call(f, obey, order{Do: "log.Fatal famous last words"})
	fate{code: 1, reason: pool.ReasonExit, stderr: "famous last words"}.check(t, err)
	f.replaced()
}

func TestRow010ExitOfAnIdleWorkerIsReplacedAndCostsNothing(t *testing.T) {
	f := start(t, 2)
	t.Run("SIGTERM from outside", func(t *testing.T) {
		dead := watchPID(t, f.pidAt(0))
		dead.signal(t, syscall.SIGTERM)
		assert.Equal(t, dead.pid, f.exit().PID)
		f.replaced(dead.pid)
	})
	t.Run("exit 0 from inside", func(t *testing.T) {
		g := newGate(t)
		a, err := call(f, obey, order{Do: "later " + g.addr})
		require.NoError(t, err)
		g.next(t).order("exit 0")
		e := f.exit()
		assert.Equal(t, a.PID, e.PID)
		assert.Equal(t, pool.ReasonExit, e.Reason)
		f.replaced(a.PID)
	})
}

func TestRow011PanicInATaskIsItsErrorAndTheWorkerLives(t *testing.T) {
	f := start(t, 1)
	pid := f.pidAt(0)
	begin := time.Now()
	_, err := call(f, obey, order{Do: "panic out of cheese"})
	assert.Less(t, time.Since(begin), detection)
	var p *pool.PanicError
	require.ErrorAs(t, err, &p)
	assert.Equal(t, "out of cheese", p.Value)
	assert.Contains(t, p.Stack, "faults.perform")
	f.works()
	assert.Equal(t, pid, f.pidAt(0), "the worker lives")
	assert.EqualValues(t, 0, f.Stats().Restarts)
}

func TestRow012PanicInAGoroutineOfATaskCostsTheTaskAndTheProcess(t *testing.T) {
	f := start(t, 2)
	_, err := call(f, obey, order{Do: "go-panic elsewhere"})
	fate{code: 2, reason: pool.ReasonCrash, stderr: "panic: elsewhere"}.check(t, err)
	f.replaced()
}

func TestRow013GoexitInATaskIsAPanicErrorAndTheWorkerLives(t *testing.T) {
	f := start(t, 1)
	pid := f.pidAt(0)
	begin := time.Now()
	_, err := call(f, obey, order{Do: "goexit"})
	assert.Less(t, time.Since(begin), detection)
	fails[*pool.PanicError]("oexit")(t, err)
	f.works()
	assert.Equal(t, pid, f.pidAt(0), "the worker lives")
}

func TestRow015StackOverflowCostsTheTaskAndItsTailIsBounded(t *testing.T) {
	f := start(t, 2)
	_, err := call(f, obey, order{Do: "overflow"})
	fate{code: 2, reason: pool.ReasonCrash, stderr: "stack"}.check(t, err)
	f.replaced()
}

func TestRow019DeathAfterTheResultCostsNotTheAnsweredTask(t *testing.T) {
	for _, kind := range []string{"later", "later-gc"} {
		for _, manner := range []string{"exit 0", "exit 7", "signal 9", "signal 11", "panic afterwards"} {
			t.Run(kind+" "+manner, func(t *testing.T) {
				f := start(t, 1)
				g, l := newGate(t), newLedger(t)
				first, err := call(f, obey, order{Index: 0, Ledger: l, Do: kind + " " + g.addr})
				require.NoError(t, err, "the answered task")

				// With nobody at work it is nobody's loss.
				g.next(t).order(manner)
				assert.Equal(t, first.PID, f.exit().PID)
				second, err := call(f, obey, order{Index: 1, Ledger: l, Do: kind + " " + g.addr})
				require.NoError(t, err, "the next task")
				assert.NotEqual(t, first.PID, second.PID)
				assert.Equal(t, 1, second.Attempt)

				// Under another task the one that runs is blamed.
				left := g.next(t)
				running := submit(f, obey, order{Index: 2, Gate: g.addr, Ledger: l})
				g.next(t)
				queued := submit(f, obey, order{Index: 3, Ledger: l})
				left.order(manner)
				_, err = await(t, running)
				var exit *pool.ExitError
				assert.ErrorAs(t, err, &exit)
				third, err := await(t, queued)
				assert.NoError(t, err, "the queued task")
				assert.Equal(t, 1, third.Attempt)
				l.check(t, 4, 2)
			})
		}
	}
}

func TestRow025WorkersThatDieInTheSameInstantCostOneTaskEach(t *testing.T) {
	rounds := map[int]int{1: 20, 2: 20, 5: 8, 13: 3}
	for _, n := range []int{1, 2, 5, 13} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			f := start(t, n)
			for range rounds[n] * envInt("FAULTS_ROUNDS", 1) {
				f.killEachOther()
			}
		})
	}
}

func (f *fixture) killEachOther() {
	g := newGate(f.t)
	futures := make([]*pool.Future[answer], f.n)
	for i := range futures {
		futures[i] = submit(f, obey, order{Index: i, Gate: g.addr})
	}
	visitors := g.gather(f.t, f.n)
	var pids []string
	for _, v := range visitors {
		pids = append(pids, strconv.Itoa(v.pid))
	}
	extra := submit(f, double, 4) // waits for a worker that does not exist yet
	for _, v := range visitors {
		v.order("kill " + strings.Join(pids, " "))
	}
	for _, future := range futures {
		_, err := await(f.t, future)
		fate{signal: syscall.SIGKILL}.check(f.t, err)
	}
	eight, err := await(f.t, extra)
	assert.NoError(f.t, err, "a task that had not started")
	assert.Equal(f.t, 8, eight)
}

// lastWords is a finalizer that does as told by the file it is given.
var lastWords = worker.Register("faults.lastWords", func(ctx context.Context, verb string) (struct{}, error) {
	return struct{}{}, perform(ctx, verb)
})

func TestRow026DeathOnTheWayOutOfARetiredWorkerIsNoCrash(t *testing.T) {
	for _, manner := range []string{"", "exit 0", "exit 7", "signal 9", "panic at the end", "fail politely", "goexit"} {
		t.Run(manner, func(t *testing.T) {
			const n = 12
			f := start(t, 2, pool.WithMaxTasksPerWorker(3), pool.WithRecycleJitter(0), pool.WithFinalizer(lastWords, manner))
			l := newLedger(t)
			orders := make([]order, n)
			for i := range orders {
				orders[i] = order{Index: i, Ledger: l}
			}
			answers, err := pool.Map(t.Context(), f.Pool, obey, orders)
			require.NoError(t, err)
			perProcess := map[int]int{}
			for _, a := range answers {
				perProcess[a.PID]++
			}
			for pid, tasks := range perProcess {
				assert.LessOrEqual(t, tasks, 3, "tasks of process %d", pid)
			}
			l.check(t, n)
			for range 2 { // at least: 12 tasks are more than 2 workers may take
				assert.Equal(t, pool.ReasonRetired, f.exit().Reason)
			}
			assert.EqualValues(t, 0, f.Stats().Failed)
		})
	}
}

// deliverable skips a test where these tests were started with a signal ignored (nohup, a shell's background job): so do all that they start.
func deliverable(t *testing.T, number syscall.Signal) {
	t.Helper()
	if signal.Ignored(number) {
		t.Skipf("%v is ignored in the process that runs these tests, and in all that it starts", number)
	}
}

func TestRow027SignalsFromOutsideMapToWhatTheGoRuntimeMakesOfThem(t *testing.T) {
	for _, test := range []struct {
		signal syscall.Signal
		want   fate
	}{
		{syscall.SIGTERM, fate{signal: syscall.SIGTERM, reason: pool.ReasonSignal}},
		{syscall.SIGHUP, fate{signal: syscall.SIGHUP, reason: pool.ReasonSignal}},
		{syscall.SIGKILL, fate{signal: syscall.SIGKILL, reason: pool.ReasonSignal}},
		{syscall.SIGSEGV, fate{code: 2, reason: pool.ReasonCrash, stderr: "SIGSEGV"}},
		{syscall.SIGBUS, fate{code: 2, reason: pool.ReasonCrash, stderr: "SIGBUS"}},
		{syscall.SIGABRT, fate{code: 2, reason: pool.ReasonCrash, stderr: "SIGABRT"}},
		{syscall.SIGQUIT, fate{code: 2, reason: pool.ReasonCrash, stderr: "SIGQUIT"}},
	} {
		t.Run(test.signal.String(), func(t *testing.T) {
			deliverable(t, test.signal)
			f := start(t, 1)
			g := newGate(t)
			future := submit(f, obey, order{Gate: g.addr})
			v := g.next(t)
			require.NoError(t, syscall.Kill(v.pid, test.signal))
			_, err := await(t, future)
			test.want.check(t, err)
		})
	}
	t.Run("SIGPIPE is ignored", func(t *testing.T) {
		f := start(t, 1)
		g := newGate(t)
		future := submit(f, obey, order{Gate: g.addr})
		v := g.next(t)
		require.NoError(t, syscall.Kill(v.pid, syscall.SIGPIPE))
		require.NoError(t, syscall.Kill(v.pid, syscall.SIGINT), "and so is SIGINT")
		v.order("")
		_, err := await(t, future)
		assert.NoError(t, err)
	})
}

func TestRow045HalfOfTheTasksAreDeadlyAndTheOtherHalfIsDone(t *testing.T) {
	const n = 40
	f := start(t, 2)
	l := newLedger(t)
	var lost []int
	orders := make([]order, n)
	for i := range orders {
		orders[i] = order{Index: i, Ledger: l}
		if i%2 == 0 {
			orders[i].Do = []string{"signal 9", "exit 0", "go-panic x", "log.Fatal x"}[i/2%4]
			lost = append(lost, i)
		}
	}
	answers, err := pool.Map(t.Context(), f.Pool, obey, orders)
	onlyLost(t, err, lost...)
	for i, a := range answers {
		if i%2 == 1 {
			assert.Equal(t, i, a.Index)
		}
	}
	l.check(t, n, lost...)
}

// A grandchild outside the group of its worker survives it and holds its pipes open. Its
// worker's death must be seen all the same, and no reader may wait for the grandchild.
func TestRow036GrandchildThatHoldsThePipesDelaysNothing(t *testing.T) {
	for _, how := range []string{"setsid", "setsid with the wire"} {
		t.Run(how, func(t *testing.T) {
			f := start(t, 1)
			g := newGate(t)
			future := submit(f, obey, order{Do: "grandchild " + g.addr + " " + how})
			v := g.next(t)
			grandchild := watchPID(t, v.index)
			t.Cleanup(func() { syscall.Kill(grandchild.pid, syscall.SIGKILL) })

			begin := time.Now()
			v.order("exit 7")
			_, err := await(t, future)
			assert.Less(t, time.Since(begin), detection)
			fate{code: 7, reason: pool.ReasonExit}.check(t, err)
			assert.True(t, grandchild.running(), "it has left the group")
			f.replaced(v.pid)
			begin = time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), grace+killing)
			defer cancel()
			assert.NoError(t, f.Shutdown(ctx))
			assert.Less(t, time.Since(begin), killing, "Shutdown with a grandchild that holds the pipes")
			f.spent = true
		})
	}
	t.Run("in the group", func(t *testing.T) {
		f := start(t, 1)
		g := newGate(t)
		future := submit(f, obey, order{Do: "grandchild " + g.addr})
		v := g.next(t)
		grandchild := watchPID(t, v.index)
		v.order("exit 7")
		_, err := await(t, future)
		fate{code: 7, reason: pool.ReasonExit}.check(t, err)
		grandchild.ended(t, killing)
	})
}

// A failed start names itself whatever the initializer does.
func TestRow007DeathInTheInitializerIsAStartErrorOfNew(t *testing.T) {
	for _, test := range []struct {
		verb, stderr string
	}{
		{"exit 0", ""},
		{"exit 7", ""},
		{"log.Fatal no database", "no database"},
		{"signal 9", ""},
		{"signal 11", "SIGSEGV"},
		{"go-panic elsewhere", "panic: elsewhere"},
		{"panic here", ""},
		{"goexit", ""},
		{"fail with an error", ""},
	} {
		t.Run(test.verb, func(t *testing.T) {
			begin := time.Now()
			_, err := tryStart(t, 2, pool.WithInitializer(lastWords, test.verb))
			assert.Less(t, time.Since(begin), patience)
			var failed *pool.StartError
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, "init", failed.Stage, "%v", err)
			assert.NotEmpty(t, failed.Path)
			assert.Contains(t, string(failed.Stderr), test.stderr)
			if text, ok := strings.CutPrefix(test.verb, "fail "); ok {
				assert.Contains(t, err.Error(), text)
				var remote *pool.RemoteError
				assert.ErrorAs(t, err, &remote)
			}
		})
	}
}

// asTheFileSays is an initializer that does what a file says, for all slots or for one: a
// line "SLOT VERB" or "* VERB".
var asTheFileSays = worker.Register("faults.asTheFileSays", func(ctx context.Context, path string) (struct{}, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return struct{}{}, nil
	}
	slot, verb, _ := strings.Cut(string(text), " ")
	if slot != "*" && slot != strconv.Itoa(worker.Info(ctx).Slot) {
		return struct{}{}, nil
	}
	return struct{}{}, perform(ctx, verb)
})

// A crash loop ends in ErrBroken, which says why, and the pool heals when the cause is gone.
func TestRow007And039And040CrashLoopEndsInErrBrokenAndHeals(t *testing.T) {
	leaktest.Check(t)
	for _, verb := range []string{"exit 1", "signal 9", "log.Fatal no database", "fail no database", "panic no database"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel() // most of the time is spent in waiting for the next try
			path := t.TempDir() + "/verb"
			f, err := tryStartBeside(t, 1, pool.WithInitializer(asTheFileSays, path))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, []byte("* "+verb), 0o666))
			victim := submit(f, obey, order{Do: "signal 9"})
			pending := submit(f, double, 1)
			_, err = await(t, victim)
			fate{signal: syscall.SIGKILL}.check(t, err)

			begin := time.Now()
			_, err = await(t, pending)
			assert.Less(t, time.Since(begin), 15*time.Second)
			f.brokenBy(err, verb)
			_, err = call(f, double, 1)
			f.brokenBy(err, verb)
			_, err = pool.Map(t.Context(), f.Pool, double, []int{1, 2, 3})
			f.brokenBy(err, verb)

			require.NoError(t, os.Remove(path))
			eventually(t, patience, "the pool heals", func() bool {
				twice, err := call(f, double, 5)
				return err == nil && twice == 10
			})
		})
	}
}

// brokenBy verifies that an error is ErrBroken and names the failed start behind it.
func (f *fixture) brokenBy(err error, verb string) {
	f.t.Helper()
	require.ErrorIs(f.t, err, pool.ErrBroken)
	var task *pool.TaskError
	assert.False(f.t, errors.As(err, &task), "%v: a TaskError speaks of a task that ran", err)
	var failed *pool.StartError
	if assert.ErrorAs(f.t, err, &failed) {
		assert.Equal(f.t, "init", failed.Stage)
	}
	if _, words, ok := strings.Cut(verb, "no "); ok && !strings.HasPrefix(verb, "log.") {
		assert.Contains(f.t, err.Error(), "no "+words)
	} else if ok && failed != nil {
		assert.Contains(f.t, string(failed.Stderr), "no "+words)
	}
}

func TestRow041OneFailingSlotDegradesThePoolAndHeals(t *testing.T) {
	path := t.TempDir() + "/verb"
	f := start(t, 3, pool.WithInitializer(asTheFileSays, path))
	sick := f.Workers()[1]
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "%d exit 1", sick.Slot), 0o666))
	watchPID(t, sick.PID).signal(t, syscall.SIGKILL)

	eventually(t, patience, "the slot is broken", func() bool {
		f.works() // two healthy slots serve all the while
		for _, w := range f.Workers() {
			if w.Slot == sick.Slot {
				return fmt.Sprint(w.State) == "broken"
			}
		}
		return false
	})
	assert.NotContains(t, f.meet(2), sick.PID)

	require.NoError(t, os.Remove(path))
	eventually(t, patience, "the slot heals", func() bool {
		for _, w := range f.Workers() {
			if w.Slot == sick.Slot {
				return fmt.Sprint(w.State) == "idle"
			}
		}
		return false
	})
}
