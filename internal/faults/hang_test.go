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

// A worker keeps small results for a moment. What its job is told to end is the task that runs, not the one whose result the parent has not seen yet.
func TestRow090WhatRunsBehindAResultOnItsWayIsEnded(t *testing.T) {
	for verb, reason := range map[string]pool.ExitReason{"stop-wait": pool.ReasonStopped, "stop-self": pool.ReasonCancelled} {
		t.Run(verb, func(t *testing.T) {
			f := start(t, 1)
			ctx, cancel := context.WithCancel(t.Context())
			job := pool.GoMap(ctx, f.Pool, obey, []order{{}, {Do: verb}, {}}, pool.Chunk(3))
			pid := f.pidAt(0)
			eventually(t, patience, "it stops, with the first result", func() bool { return processState(pid) == "T" })
			cancel()
			_, err := await(t, job)
			require.ErrorIs(t, err, context.Canceled)
			require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
			f.works()
			if reason == pool.ReasonCancelled {
				require.Equal(t, reason, f.exit().Reason)
			} else {
				require.Equal(t, pid, f.pidAt(0), "it was asked, and ended")
			}
		})
	}
}
