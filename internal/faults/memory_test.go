//go:build linux

package faults

import (
	"context"
	"os"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

const mib = 1 << 20

var hoard [][]byte // what tasks leave behind

// touched returns n bytes that the process really has.
func touched(n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 4096 {
		b[i] = 1
	}
	return b
}

// unraced skips a test that measures memory where the race detector takes many times as much of it.
func unraced(t *testing.T) {
	t.Helper()
	if raceFactor > 1 {
		t.Skip("the race detector's own memory counts against the limit")
	}
}

type appetite struct {
	Keep    int  // bytes that stay
	Whole   bool // Keep in one piece
	Drop    int  // bytes that are given back before the task ends
	Reserve int  // bytes that are allocated and not touched
	Shared  int  // bytes of anonymous shared memory, kept
}

// consume takes memory, and returns the process and the collector's limit.
var consume = worker.Register("faults.consume", func(_ context.Context, a appetite) ([2]int, error) {
	piece := mib
	if a.Whole {
		piece = a.Keep
	}
	for left := a.Keep; left > 0; left -= piece {
		hoard = append(hoard, touched(min(left, piece)))
	}
	if a.Drop > 0 {
		touched(a.Drop)[0]++
		debug.FreeOSMemory()
	}
	if a.Reserve > 0 {
		hoard = append(hoard, make([]byte, a.Reserve))
		for { // the kernel may have let this one pass, but lets nothing else
			hoard = append(hoard, make([]byte, mib))
		}
	}
	if a.Shared > 0 {
		mem, err := unix.Mmap(-1, 0, a.Shared, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON)
		if err != nil {
			return [2]int{}, err
		}
		for i := 0; i < len(mem); i += 4096 {
			mem[i] = 1
		}
		hoard = append(hoard, mem)
		select {} // until somebody has looked
	}
	return [2]int{os.Getpid(), int(debug.SetMemoryLimit(-1))}, nil
})

// overMemory verifies that a process ended at its limit: it got no more, or was found to have more.
func overMemory(t *testing.T, err error, limit string) *pool.ExitError {
	t.Helper()
	var exit *pool.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, pool.ReasonMemoryLimit, exit.Reason, "%v", err)
	assert.Contains(t, err.Error(), limit)
	assert.Contains(t, err.Error(), "(WithMemoryLimit)")
	return exit
}

func TestRow016AnAllocationOverTheMemoryLimitEndsItsTaskAlone(t *testing.T) {
	unraced(t)
	const limit = 256 * mib
	f := start(t, 2, pool.WithMemoryLimit(limit))
	got, err := call(f, consume, appetite{Keep: 100 * mib})
	require.NoError(t, err)
	require.Equal(t, limit/10*9, got[1], "the collector's limit")
	_, err = call(f, consume, appetite{Keep: 400 * mib})
	exit := overMemory(t, err, "256.0 MiB")
	if exit.MaxRSS > 0 { // it is not known where this process has had more itself
		assert.Greater(t, exit.MaxRSS, int64(100*mib))
		assert.Less(t, exit.MaxRSS, int64(limit+128*mib))
	}
	assert.Positive(t, exit.CPU)
	f.works()
	assert.Equal(t, pool.ReasonMemoryLimit, f.exit().Reason)
	_, err = call(f, consume, appetite{Reserve: 1 << 30}) // at once, and never touched
	overMemory(t, err, "256.0 MiB")
	_, err = call(f, consume, appetite{Keep: 1 << 30, Whole: true})
	overMemory(t, err, "256.0 MiB")
	_, err = call(f, obey, order{Do: "panic out of memory"})
	fails[*pool.PanicError]("out of memory")(t, err)
	_, err = call(f, obey, order{Do: "go-panic out of memory"})
	fate{code: 2, reason: pool.ReasonCrash}.check(t, err)
}

// Garbage is no memory: a task whose garbage alone is many times the limit is not ended, if it leaves the collector some room.
func TestRow016GarbageDoesNotCountAgainstTheMemoryLimit(t *testing.T) {
	unraced(t)
	f := start(t, 1, pool.WithMemoryLimit(512*mib))
	for range 4 {
		_, err := call(f, consume, appetite{Drop: 200 * mib})
		require.NoError(t, err)
	}
	assert.Zero(t, f.Stats().Restarts)
}

func TestRow016SharedMemoryOfATaskCountsAgainstTheLimit(t *testing.T) {
	f := start(t, 2, pool.WithMemoryLimit(128*mib))
	_, err := call(f, consume, appetite{Shared: 200 * mib})
	var exit *pool.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, pool.ReasonMemoryLimit, exit.Reason)
	assert.Contains(t, err.Error(), "the limit is 128.0 MiB")
}

func TestRow016ALimitThatLeavesNoRoomIsRefusedWithTheFigure(t *testing.T) {
	unraced(t)
	_, err := tryStart(t, 2, pool.WithMemoryLimit(20*mib))
	require.ErrorContains(t, err, "a ready worker uses")
	require.ErrorContains(t, err, "want at least")
	var low *pool.LowLimitError
	require.ErrorAs(t, err, &low)
	require.EqualValues(t, 20*mib, low.Limit)
	require.Greater(t, low.Least, low.Limit)
	require.Greater(t, low.Least, low.Used)
	start(t, 1, pool.WithMemoryLimit(low.Least+4*mib)) // the next worker may have touched some pages more
	_, err = tryStart(t, 1, pool.WithMemoryLimit(200*mib), pool.WithInitializer(consume, appetite{Keep: 180 * mib}))
	require.ErrorContains(t, err, "a ready worker uses")
	for _, opt := range []pool.Option{pool.WithMemoryLimit(0), pool.WithMaxWorkerMemory(-1)} {
		_, err = pool.New(t.Context(), opt)
		require.ErrorContains(t, err, "want more than 0 bytes")
	}
}

func TestRow026AWorkerThatHasGrownIsRenewedAfterItsTask(t *testing.T) {
	unraced(t)
	f := start(t, 1, pool.WithMaxWorkerMemory(64*mib))
	first, err := call(f, consume, appetite{Keep: mib})
	require.NoError(t, err)
	same, err := call(f, consume, appetite{Drop: 100 * mib}) // what counts is what is left
	require.NoError(t, err)
	require.Equal(t, first[0], same[0])
	same, err = call(f, consume, appetite{Keep: 100 * mib})
	require.NoError(t, err)
	require.Equal(t, first[0], same[0])
	next, err := call(f, consume, appetite{})
	require.NoError(t, err)
	require.NotEqual(t, first[0], next[0])
	assert.Equal(t, pool.ReasonRetired, f.exit().Reason)
	s := f.Stats()
	assert.EqualValues(t, 1, s.Recycles)
	assert.Zero(t, s.Restarts)
}

func TestRow026AWorkerThatGrowsInsideABatchIsRenewedAndNothingIsLost(t *testing.T) {
	const n = 200
	f := start(t, 2, pool.WithMaxWorkerMemory(40*mib))
	l := newLedger(t)
	orders := ordersOf(n, l)
	for i := range orders {
		orders[i].Do = "leak"
	}
	answers, err := pool.Map(t.Context(), f.Pool, obey, orders, pool.Chunk(50))
	require.NoError(t, err)
	pids := map[int]bool{}
	for _, a := range answers {
		pids[a.PID] = true
	}
	assert.Greater(t, len(pids), 2)
	l.check(t, n)
}

// What the parent had when it started a worker is not what the worker has had.
func TestRow002TheMemoryOfADeadWorkerIsItsOwn(t *testing.T) {
	ballast := touched(300 * mib)
	defer func() { ballast[0]++ }()
	f := start(t, 1)
	_, err := call(f, obey, order{Do: "signal 9"})
	var exit *pool.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Less(t, exit.MaxRSS, int64(200*mib))
	assert.Contains(t, strings.ToLower(err.Error()), "possibly out of memory")
}

// Where the kernel limits memory, a fault in Go's runtime is taken for an allocation that failed; a signal that somebody sent is not, wherever it hits.
func TestRow016ASignalThatWasSentIsNoMemoryLimit(t *testing.T) {
	f := start(t, 2, pool.WithMemoryLimit(192*mib))
	args := make([]order, 100)
	for i := range args {
		args[i] = order{Index: i, Do: "signal 11"}
	}
	_, err := pool.Map(t.Context(), f.Pool, obey, args)
	var failed pool.Errors
	require.ErrorAs(t, err, &failed)
	require.Len(t, failed, len(args))
	for _, one := range failed {
		var exit *pool.ExitError
		require.ErrorAs(t, one, &exit)
		// A crash to Go, or to the kernel, if it comes while the runtime handles signals in its own way.
		assert.Contains(t, []pool.ExitReason{pool.ReasonCrash, pool.ReasonSignal}, exit.Reason, "%v", one)
	}
}
