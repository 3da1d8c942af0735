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
	"github.com/procpool/procpool/wire"
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
	assert.ErrorContains(t, err, "it has not reached worker.Main")
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

// pairOf starts a pool whose worker sees no page, and makes it get two tasks in one frame and begin the first. What comes then, the worker
// leaves to the script.
func pairOf(t *testing.T, script func(*puppet, job), opts ...pool.Option) (f *fixture, cancel [2]context.CancelFunc, futures [2]*pool.Future[[]byte]) {
	release := make(chan struct{})
	begun := make(chan struct{})
	_, puppetry := puppets(t, func(p *puppet) {
		p.greet()
		if p.nth > 0 {
			p.serve()
			return
		}
		for i := range 2 { // the first shows how short they are, during the second the others gather
			j := p.tasks()
			p.write(j.started(0))
			if i > 0 {
				<-release
			}
			p.write(j.results(0, wire.Value, j.args[0]))
		}
		j := p.tasks()
		p.write(j.started(0))
		close(begun)
		script(p, j)
	})
	f = start(t, 1, append(puppetry, opts...)...)
	_, err := call(f, echo, nil)
	require.NoError(t, err)
	before := submit(f, echo, nil)
	for i := range futures {
		var ctx context.Context
		ctx, cancel[i] = context.WithCancel(t.Context())
		futures[i] = pool.Go(ctx, f.Pool, echo, []byte{byte(i)})
		follow(f, futures[i])
	}
	close(release)
	_, err = await(t, before)
	require.NoError(t, err)
	<-begun
	return f, cancel, futures
}

func TestRow033EachCancelledTaskOfABatchHasItsGrace(t *testing.T) {
	const short = 200 * time.Millisecond
	f, cancel, futures := pairOf(t, func(p *puppet, j job) {
		for {
			if n := p.next(); n.Kind == wire.Recall {
				p.write(control(wire.Recalled, n.ID, 1, nil))
			}
		}
	}, pool.WithStopGrace(short))
	cancel[1]()
	_, err := await(t, futures[1])
	require.ErrorIs(t, err, context.Canceled)
	time.Sleep(2 * short)
	require.Empty(t, f.exits, "the first goes on")
	cancel[0]()
	_, err = await(t, futures[0])
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, pool.ReasonCancelled, f.exit().Reason)
}

// A worker with one thread answers a Recall when its task is done. That somebody cancels the next one is no reason to kill it.
func TestRow033ATaskDoesNotDieOfTheCancelOfTheNextOne(t *testing.T) {
	const short = 200 * time.Millisecond
	done := make(chan struct{})
	f, cancel, futures := pairOf(t, func(p *puppet, j job) {
		<-done
		p.write(j.results(0, wire.Value, j.args[0]))
		p.serve()
	}, pool.WithStopGrace(short))
	cancel[1]()
	_, err := await(t, futures[1])
	require.ErrorIs(t, err, context.Canceled)
	time.Sleep(2 * short)
	close(done)
	a, err := await(t, futures[0])
	require.NoError(t, err)
	require.Equal(t, []byte{0}, a)
	f.works()
	require.Empty(t, f.exits)
}

// What is given to a worker and taken back whole, again and again, while it does not run, is more than it expects to wait. It is nothing by then.
func TestRow090ManyTasksThatWereTakenBackDoNotHurtAWorkerThatStoodStill(t *testing.T) {
	f := start(t, 1)
	f.works()
	pid := f.pidAt(0)
	for range 5 {
		stop(t, pid)
		for range 300 {
			ctx, cancel := context.WithCancel(t.Context())
			future := pool.Go(ctx, f.Pool, double, 1)
			cancel()
			_, err := await(t, future)
			require.ErrorIs(t, err, context.Canceled)
		}
		future := submit(f, double, 21)
		require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
		twice, err := await(t, future)
		require.NoError(t, err)
		require.Equal(t, 42, twice)
		require.Equal(t, pid, f.pidAt(0))
	}
}
