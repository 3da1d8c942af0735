//go:build linux

package faults

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/pool"
)

func TestRow031WorkerThatIsStoppedBeforeItsHelloIsAStartErrorInTime(t *testing.T) {
	bounded(t, time.Minute)
	leaktest.Check(t)
	g := newGate(t)
	const limit = 300 * time.Millisecond * raceFactor
	begin := time.Now()
	told := make(chan error, 1)
	go func() {
		_, err := pool.New(t.Context(), helperOptions(1, pool.WithStartTimeout(limit), pool.WithEnv(holdVar+"="+g.addr))...)
		told <- err
	}()
	w := watchPID(t, g.next(t).pid)
	w.signal(t, syscall.SIGSTOP)
	err := recv(t, told)
	assert.Less(t, time.Since(begin), limit+killing)
	var failed *pool.StartError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, "hello", failed.Stage)
	assert.False(t, w.running())
}

// Whatever a task does after its cancel, its caller has left with the context's error and hears nothing else.
func TestRow033TaskThatGoesOnAfterItsCancelIsNotHeardOf(t *testing.T) {
	cancelRunning := func(t *testing.T, f *fixture, o order) (*pool.Future[answer], *visitor) {
		g := newGate(t)
		o.Gate = g.addr
		ctx, cancel := context.WithCancel(t.Context())
		future := pool.Go(ctx, f.Pool, obey, o)
		follow(f, future) // one answer, and the same one in the end
		v := g.next(t)
		begin := time.Now()
		cancel()
		_, err := await(t, future)
		cancelled(t, err, begin)
		return future, v
	}
	t.Run("it returns a value within the grace", func(t *testing.T) {
		f := start(t, 1)
		l := newLedger(t)
		future, v := cancelRunning(t, f, order{Stubborn: true, Ledger: l})
		v.order("")
		f.works()
		assert.Equal(t, v.pid, f.pidAt(0), "the worker stays")
		_, err := await(t, future)
		assert.ErrorIs(t, err, context.Canceled)
		l.check(t, 1) // it ran to its end, for nobody
	})
	t.Run("it never returns", func(t *testing.T) {
		const short = 200 * time.Millisecond
		f := start(t, 1, pool.WithStopGrace(short))
		begin := time.Now()
		_, v := cancelRunning(t, f, order{Stubborn: true})
		v.gone(t, short+killing)
		assert.GreaterOrEqual(t, time.Since(begin), short, "it had its grace")
		e := f.exit()
		assert.Equal(t, v.pid, e.PID)
		assert.Equal(t, pool.ReasonCancelled, e.Reason)
		f.replaced(v.pid)
	})
	t.Run("it dies", func(t *testing.T) {
		f := start(t, 1)
		_, v := cancelRunning(t, f, order{Stubborn: true})
		v.order("exit 7")
		assert.Equal(t, v.pid, f.exit().PID)
		f.replaced(v.pid)
	})
}

// The Go runtime does not see that all goroutines of a worker sleep, since its reader waits for the parent and not for them: only
// its caller ends such a task.
func TestRow037TaskThatWaitsForEverIsEndedByItsCallerAlone(t *testing.T) {
	const short = 200 * time.Millisecond
	f := start(t, 2, pool.WithStopGrace(short))
	ctx, cancel := context.WithCancel(t.Context())
	future := pool.Go(ctx, f.Pool, obey, order{Do: "deadlock"})
	follow(f, future)
	eventually(t, patience, "it runs", func() bool { return f.Stats().Busy == 1 })
	for range 100 {
		f.works() // its neighbour does
	}
	time.Sleep(50 * time.Millisecond) // as good as for ever
	assert.Empty(t, f.exits)
	assert.Equal(t, 1, f.Stats().Busy)
	begin := time.Now()
	cancel()
	_, err := await(t, future)
	cancelled(t, err, begin)
	assert.Equal(t, pool.ReasonCancelled, f.exit().Reason)
}

// Cancelling means the task that runs, also where those before it in its batch have ended and their answers are still on their way.
func TestRow033AWithdrawnBatchIsEndedAtTheTaskThatRuns(t *testing.T) {
	const rounds = 20
	f := start(t, 1, pool.WithStopGrace(50*time.Millisecond))
	for range rounds {
		g := newGate(t)
		ctx, cancel := context.WithCancel(t.Context())
		job := pool.GoMap(ctx, f.Pool, obey, []order{{}, {}, {Gate: g.addr, Stubborn: true}, {}}, pool.Chunk(4))
		pid := g.next(t).pid
		cancel()
		_, err := await(t, job)
		require.ErrorIs(t, err, context.Canceled)
		e := f.exit()
		require.Equal(t, pid, e.PID)
		require.Equal(t, pool.ReasonCancelled, e.Reason)
	}
}
