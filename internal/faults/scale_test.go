//go:build linux

package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/pool"
)

func TestRow109ChurnOfManyWorkersLeavesNothingBehind(t *testing.T) {
	n := 400 / raceFactor / raceFactor * envInt("FAULTS_ROUNDS", 1) // 10 000 with FAULTS_ROUNDS=25
	f := start(t, 8, pool.WithMaxTasksPerWorker(1), pool.WithRecycleJitter(0))
	l := newLedger(t)
	churn := func(n, from int) {
		orders := make([]order, n)
		for i := range orders {
			orders[i] = order{Index: from + i, Ledger: l}
		}
		answers, err := pool.Map(t.Context(), f.Pool, obey, orders)
		require.NoError(t, err)
		for i, a := range answers {
			assert.Equal(t, from+i, a.Index)
		}
	}
	churn(16, 0) // to open what stays open
	settled := func() bool { return len(f.Workers()) == 8 && f.Stats().Busy == 0 }
	eventually(t, patience, "eight workers", settled)
	goroutines, descriptorsBefore, threadsBefore, heapBefore := runtime.NumGoroutine(), len(descriptors(t)), threads(t), heap()
	churn(n, 16)
	eventually(t, patience, "no more goroutines than before", func() bool { return settled() && runtime.NumGoroutine() <= goroutines+8 })
	eventually(t, patience, "no more descriptors than before", func() bool { return len(descriptors(t)) <= descriptorsBefore+8 })
	assert.LessOrEqual(t, threads(t), threadsBefore+8, "threads")
	assert.Less(t, heap(), heapBefore+8<<20, "heap")
	l.check(t, n+16)
	eventually(t, patience, "eight children", func() bool { return len(children(t)) <= 9 })
	assert.GreaterOrEqual(t, f.Stats().Recycles, n, "Recycles")
	assert.EqualValues(t, 0, f.Stats().Restarts, "Restarts")
}

func TestRow110ManyWorkersAtOnceNeedFewThreadsAndCloseInTime(t *testing.T) {
	n := 200
	if raceFactor > 1 || testing.Short() {
		n = 48
	}
	threadsBefore := threads(t)
	f := start(t, n)
	assert.Len(t, f.Workers(), n)
	assert.Less(t, threads(t), threadsBefore+32, "threads: waiting costs none each")
	f.meet(n)
	begin := time.Now()
	require.NoError(t, f.Close())
	assert.Less(t, time.Since(begin), killing*2)
	f.spent = true
	assert.Empty(t, children(t))
}

// manyWorkers is how many a large machine may have.
const manyWorkers = 512

func TestFiveHundredWorkersStartWorkAndEnd(t *testing.T) {
	if raceFactor > 1 || testing.Short() {
		t.Skip("512 processes are for the full run without the race detector")
	}
	var files, processes unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &files))
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NPROC, &processes))
	if files.Cur < 16*manyWorkers || processes.Cur < 20*manyWorkers {
		t.Skipf("512 workers need more descriptors and threads than the limits of %d and %d", files.Cur, processes.Cur)
	}
	goroutines, threadsBefore := runtime.NumGoroutine(), threads(t)
	begin := time.Now()
	f := start(t, manyWorkers)
	t.Logf("started in %v each", time.Since(begin)/manyWorkers)
	assert.Len(t, f.Workers(), manyWorkers)
	assert.Less(t, threads(t), threadsBefore+64, "threads when all are ready")
	f.meet(manyWorkers)
	assert.Less(t, threads(t), threadsBefore+64, "threads after all were busy")
	numbers := make([]int, 100_000)
	_, err := pool.Map(t.Context(), f.Pool, double, numbers)
	require.NoError(t, err)
	f.spent = true // settle would let all meet again
	begin = time.Now()
	require.NoError(t, f.Close())
	took := time.Since(begin)
	t.Logf("closed in %v each", took/manyWorkers)
	assert.Less(t, took, killing*4)
	assert.Empty(t, children(t))
	eventually(t, patience, "no goroutines are left", func() bool { return runtime.NumGoroutine() <= goroutines+16 })
}

// Starts take turns; whoever waits for his must not be waited for.
func TestNewEndsAtOnceThoughMostWorkersWaitForTheirTurn(t *testing.T) {
	bounded(t, time.Minute)
	leaktest.Check(t)
	const n = 64
	ctx, cancel := context.WithCancel(t.Context())
	began := make(chan error, 1)
	go func() {
		_, err := pool.New(ctx, append(helperOptions(n), pool.WithCommand("/bin/sleep", "1000"))...)
		began <- err
	}()
	turns := 2 * runtime.GOMAXPROCS(0)
	eventually(t, patience, "the first have their turn", func() bool { return len(children(t)) >= min(n, turns) })
	assert.LessOrEqual(t, len(children(t)), 2*turns, "starts at the same time") // each gives up its turn after a second
	begin := time.Now()
	cancel()
	require.ErrorIs(t, <-began, context.Canceled)
	assert.Less(t, time.Since(begin), killing)
	assert.Empty(t, children(t))
}

// An initializer may take its time, and may wait for others: it has no turn.
func TestInitializersOfAllWorkersRunAtTheSameTime(t *testing.T) {
	bounded(t, time.Minute)
	leaktest.Check(t)
	n := 4*runtime.GOMAXPROCS(0) + 1
	g := newGate(t)
	made := make(chan error, 1)
	var p *pool.Pool
	go func() {
		var err error
		p, err = pool.New(t.Context(), append(helperOptions(n), pool.WithInitializer(obey, order{Gate: g.addr}))...)
		made <- err
	}()
	for _, v := range g.gather(t, n) {
		v.order("")
	}
	require.NoError(t, <-made)
	require.NoError(t, p.Close())
}

// Whatever ends and however: no process that carries this pool's mark is left.
func TestRow113NoProcessWithThePoolsMarkIsLeft(t *testing.T) {
	bounded(t, time.Minute)
	leaktest.Check(t)
	tag := fmt.Sprintf("%s=mark-%d-%d", tagVar, os.Getpid(), rand.Int())
	for _, end := range []string{"Shutdown", "Close"} {
		p, err := pool.New(t.Context(), helperOptions(3, pool.WithEnv(tag))...)
		require.NoError(t, err)
		assert.Len(t, marked(tag), 3)
		for range 3 {
			_, err := pool.Call(t.Context(), p, obey, order{Do: "signal 9"})
			fate{signal: 9}.check(t, err)
		}
		if end == "Shutdown" {
			require.NoError(t, p.Shutdown(t.Context()))
		}
		require.NoError(t, p.Close())
		assert.Empty(t, marked(tag))
		assert.Empty(t, children(t))
	}
}

func TestRow114ChildrenOfTheProgramsOwnAreNotReapedOrCounted(t *testing.T) {
	f := start(t, 2)
	deaths := 0
	for i := range 30 {
		cmd := exec.Command("/bin/sh", "-c", fmt.Sprint("exit ", i))
		require.NoError(t, cmd.Start())
		if i%5 == 0 {
			_, err := call(f, obey, order{Do: "exit 7"})
			fate{code: 7}.check(t, err)
			deaths++
		}
		f.works()
		err := cmd.Wait()
		if i == 0 {
			assert.NoError(t, err)
		} else {
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			assert.Equal(t, i, exit.ExitCode())
		}
	}
	for range deaths {
		assert.Equal(t, 7, f.exit().State.ExitCode())
	}
	assert.Empty(t, f.exits)
	eventually(t, patience, "all are replaced", func() bool { return f.Stats().Restarts == deaths })
}

// heapAfter is how much f makes the heap grow.
func heapAfter(f func()) int64 {
	measure := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := measure()
	f()
	return measure() - before
}

// A time limit far away must not keep the workers that died before it.
func TestRow109DeadWorkersAreNotKeptUntilTheLimitOfTheirTasks(t *testing.T) {
	const deaths = 60
	f := start(t, 1, pool.WithTaskTimeout(time.Hour))
	f.works()
	grown := heapAfter(func() {
		for range deaths {
			_, err := pool.Call(t.Context(), f.Pool, obey, order{Do: "exit 1"})
			require.Error(t, err)
		}
		f.works()
	})
	assert.Less(t, grown, int64(2<<20), "bytes kept of %d dead workers", deaths)
}

// An idle time far away must not cost a timer for each call.
func TestRow109CallsLeaveNoIdleTimersBehind(t *testing.T) {
	const calls = 10_000
	f := start(t, 1, pool.WithIdleTimeout(0, time.Hour))
	f.works()
	grown := heapAfter(func() {
		for range calls {
			_, err := pool.Call(t.Context(), f.Pool, double, 1)
			require.NoError(t, err)
		}
	})
	assert.Less(t, grown, int64(1<<20), "bytes kept of %d calls", calls)
}
