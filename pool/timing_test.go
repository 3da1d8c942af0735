package pool_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/pooltest"
	"github.com/procpool/procpool/worker"
)

var (
	timedEcho = worker.Register("timed echo", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
	timedNap  = worker.Register("timed nap", func(_ context.Context, d time.Duration) (int, error) {
		time.Sleep(d)
		return 1, nil
	})
	timedFail = worker.Register("timed fail", func(_ context.Context, how string) (int, error) {
		switch how {
		case "panic":
			panic(how)
		case "goexit":
			runtime.Goexit()
		case "exit":
			os.Exit(3)
		}
		return 0, errors.New(how)
	})
)

// stages are the parts of a Timing in their order.
func stages(t pool.Timing) []time.Duration {
	return []time.Duration{
		t.EncodeArg, t.Queued, t.Write, t.Pipe, t.Waiting, t.DecodeArg,
		t.Run, t.EncodeResult, t.Held, t.Return, t.Pickup, t.DecodeResult,
	}
}

func TestTheStagesOfACallSumUpToItsRoundTrip(t *testing.T) {
	for name, opt := range map[string]pool.Option{"processes": nil, "inline": pool.WithInline()} {
		for _, size := range []int{8, 300 << 10} {
			p := pooltest.New(t, pool.WithWorkers(1), opt)
			arg := make([]byte, size)
			var unaccounted []time.Duration
			for range 50 {
				var timing pool.Timing
				began := time.Now()
				_, err := pool.Call(t.Context(), p, timedEcho, arg, pool.Timed(&timing))
				wall := time.Since(began)
				require.NoError(t, err)
				require.GreaterOrEqual(t, slices.Min(stages(timing)), time.Duration(0), "%+v", timing)
				require.LessOrEqual(t, timing.Total(), wall, "%+v", timing)
				require.Equal(t, timing.Exec, timing.DecodeArg+timing.Run+timing.EncodeResult, "%+v", timing)
				require.Greater(t, timing.ArgBytes, size)
				unaccounted = append(unaccounted, wall-timing.Total())
			}
			slices.Sort(unaccounted)
			require.Less(t, unaccounted[25], 100*time.Microsecond, "%s, %d bytes: time that no stage has", name, size)
		}
	}
}

func TestEachStageHasTheTimeThatBelongsToIt(t *testing.T) {
	const nap = 5 * time.Millisecond
	p := pooltest.New(t, pool.WithWorkers(1))
	seen := 0
	args := slices.Values(slices.Repeat([]time.Duration{nap}, 4))
	began := time.Now()
	for r := range pool.Results(t.Context(), p, timedNap, args, pool.Chunk(4), pool.Window(4)) {
		require.NoError(t, r.Err)
		timing := r.Timing
		require.GreaterOrEqual(t, timing.Run, nap)
		before := timing.Queued + timing.Write + timing.Pipe + timing.Waiting
		require.GreaterOrEqual(t, before, time.Duration(r.Index)*nap, "it waits for those before it: %+v", timing)
		require.LessOrEqual(t, timing.Total(), time.Since(began), "%+v", timing)
		require.Positive(t, timing.Pipe+timing.Write)
		require.Positive(t, timing.Return)
		seen++
	}
	require.Equal(t, 4, seen)
}

func TestAFutureThatNobodyTakesRestsInPickup(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1))
	var timing pool.Timing
	f := pool.Go(t.Context(), p, timedNap, 0, pool.Timed(&timing))
	<-f.Done()
	began := time.Now()
	time.Sleep(10 * time.Millisecond)
	rest := time.Since(began)
	_, err := f.Wait(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, timing.Pickup, rest)
}

func TestTasksThatFailAreTimedAsFarAsTheyCame(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1))
	for _, how := range []string{"error", "panic", "goexit"} {
		var timing pool.Timing
		_, err := pool.Call(t.Context(), p, timedFail, how, pool.Timed(&timing))
		require.Error(t, err)
		require.Positive(t, timing.Run+timing.DecodeArg, how)
		require.Less(t, timing.Exec, 10*time.Second, how)
		require.Positive(t, timing.Return, how)
	}
	timing := pool.Timing{Run: 1}
	_, err := pool.Call(t.Context(), p, timedFail, "exit", pool.Timed(&timing))
	require.Error(t, err)
	require.Zero(t, timing, "no worker answered")
}

func TestBroadcastTellsWhereTheTimeWent(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(2))
	results, err := pool.Broadcast(t.Context(), p, timedNap, time.Millisecond)
	require.NoError(t, err)
	for _, r := range results {
		require.GreaterOrEqual(t, r.Timing.Run, time.Millisecond)
		require.Positive(t, r.Timing.EncodeArg)
		require.Positive(t, r.Timing.DecodeResult)
	}
}

// A worker in another language has no clock in common with the parent, and this one tells no times.
func TestWithAForeignWorkerTheTransferIsNotSplit(t *testing.T) {
	p := python(t)
	var timing pool.Timing
	began := time.Now()
	_, err := pool.Call(t.Context(), p, pyUpper, "hello", pool.Timed(&timing))
	wall := time.Since(began)
	require.NoError(t, err)
	require.LessOrEqual(t, timing.Total(), wall)
	require.Positive(t, timing.Return)
	require.Zero(t, timing.Pipe+timing.Held+timing.Waiting+timing.DecodeArg+timing.Run+timing.EncodeResult)
}
