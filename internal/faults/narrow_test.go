//go:build linux

package faults

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// waits goes on until its context ends, where its argument says so.
var waits = worker.Register("faults.waits", func(ctx context.Context, s string) (int, error) {
	if strings.HasPrefix(s, "wait") {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return len(s), nil
})

// clog starts a worker that runs a task which waits for the end of its context, behind which more has been sent than the pipe takes. Each piece
// alone is one that a busy worker leaves in the pipe.
func clog(t *testing.T, opts ...pool.Option) (*fixture, *pool.Future[[]int]) {
	t.Helper()
	before := descriptors(t)
	f := start(t, 1, opts...)
	narrow(t, before)
	for range 200 { // the pool learns that these are quick, and sends ahead
		_, err := pool.Call(t.Context(), f.Pool, waits, "")
		require.NoError(t, err)
	}
	args := []string{"", "", "wait"} // what is behind the first goes with the answer to it
	for range 8 {
		args = append(args, strings.Repeat("x", 20<<10))
	}
	future := pool.GoMap(t.Context(), f.Pool, waits, args, pool.Chunk(1))
	eventually(t, patience, "the first runs, and others are on their way", func() bool {
		return f.Stats().BytesSent > 100<<10
	})
	return f, future
}

func TestACancelReachesATaskBehindWhichThePipeIsFull(t *testing.T) {
	f, future := clog(t)
	pid := f.Workers()[0].PID
	future.Cancel()
	_, err := await(t, future)
	require.ErrorIs(t, err, context.Canceled)
	f.works()
	require.Equal(t, pid, f.Workers()[0].PID, "the task obeyed: its worker need not die")
}

func TestAWorkerBehindWhoseTaskThePipeIsFullAnswersItsHeartbeat(t *testing.T) {
	f, future := clog(t, pool.WithHeartbeat(beat))
	pid := f.Workers()[0].PID
	time.Sleep(3 * beat) // the fault is time that passes
	require.Equal(t, pid, f.Workers()[0].PID)
	future.Cancel()
	_, err := await(t, future)
	require.ErrorIs(t, err, context.Canceled)
}
