//go:build linux

package faults

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// keepsNothing verifies that what is done leaves less than a megabyte behind in this process.
func keepsNothing(t *testing.T, do func()) {
	t.Helper()
	do() // once for what is kept for good
	grown := func(since uint64) int64 {
		for range runtime.GOMAXPROCS(0) { // Go drops a stopped timer when the P that has it next looks at its timers
			go time.Sleep(time.Millisecond)
		}
		time.Sleep(2 * time.Millisecond)
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc) - int64(since)
	}
	before := grown(0)
	do()
	eventually(t, patience, "the memory is free again", func() bool { return grown(uint64(before)) < 1<<20 })
}

var reject = worker.Register("faults.reject", func(context.Context, []byte) (struct{}, error) { return struct{}{}, errors.New("no") })

// A timer that is not due for an hour must not hold until then what nobody needs any more.
func TestRow109ALimitThatIsFarAwayKeepsNothingOfADeadWorker(t *testing.T) {
	f := start(t, 1, pool.WithMaxTasksPerWorker(1), pool.WithRecycleJitter(0), pool.WithStderr(io.Discard), pool.WithOnExit(func(pool.WorkerExit) {}))
	long := order{Do: "complain " + strings.Repeat("x", 60<<10)}
	keepsNothing(t, func() {
		for range 40 {
			_, err := pool.Call(t.Context(), f.Pool, obey, long, pool.Timeout(time.Hour))
			require.NoError(t, err)
		}
	})
}

func TestRow109ADelayThatIsFarAwayKeepsNothingOfWhatWasCancelled(t *testing.T) {
	f := start(t, 2)
	opts := []pool.CallOption{pool.Retries(1), pool.RetryIf(func(error) bool { return true }), pool.RetryDelay(time.Hour)}
	keepsNothing(t, func() {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		args := make([][]byte, 50)
		before := f.Stats().Retried
		for i := range args {
			args[i] = make([]byte, 64<<10)
			pool.Go(ctx, f.Pool, reject, args[i], opts...)
		}
		job := pool.GoMap(ctx, f.Pool, reject, args, opts...)
		eventually(t, patience, "all wait", func() bool { return f.Stats().Retried == before+2*len(args) })
		cancel()
		_, err := await(t, job)
		require.ErrorIs(t, err, context.Canceled)
		eventually(t, patience, "nobody waits", func() bool { return f.Stats().Queued == 0 })
	})
}

func TestRow109AnIdleTimeoutKeepsNothingOfTheTasksBefore(t *testing.T) {
	f := start(t, 1, pool.WithIdleTimeout(1, time.Hour))
	keepsNothing(t, func() {
		for range 20_000 {
			_, err := pool.Call(t.Context(), f.Pool, double, 1)
			require.NoError(t, err)
		}
	})
}
