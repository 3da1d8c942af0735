//go:build linux

package faults

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/syncbuf"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

// beat is the shortest heartbeat that there is, or what a busy worker can be expected to keep up with under the race detector.
const beat = time.Second * raceFactor

// unresponsive is the outcome of a task whose worker no longer answers.
func unresponsive(t testing.TB, err error) {
	t.Helper()
	exit := fate{signal: syscall.SIGKILL, reason: pool.ReasonUnresponsive}.check(t, err)
	require.NotNil(t, exit)
	assert.Contains(t, err.Error(), "WithHeartbeat")
}

func TestRow029AStoppedWorkerIsFoundByItsHeartbeatThoughNoLimitIsSet(t *testing.T) {
	f := start(t, 2, pool.WithHeartbeat(beat))
	g := newGate(t)
	future := submit(f, obey, order{Gate: g.addr})
	neighbour := submit(f, obey, order{Index: 1, Gate: g.addr})
	v, n := g.next(t), g.next(t)
	if v.index == 1 {
		v, n = n, v
	}
	stop(t, v.pid)
	_, err := await(t, future)
	unresponsive(t, err)
	n.order("")
	_, err = await(t, neighbour)
	require.NoError(t, err)
	f.replaced(v.pid)
}

// What was sent to a worker that was stopped while it was idle has not begun and runs elsewhere.
func TestRow030ATaskSentToAStoppedWorkerRunsElsewhere(t *testing.T) {
	f := start(t, 1, pool.WithHeartbeat(beat))
	l := newLedger(t)
	dead := f.pidAt(0)
	stop(t, dead)
	a, err := call(f, obey, order{Ledger: l})
	require.NoError(t, err)
	assert.Equal(t, 1, a.Attempt, "an attempt that did not begin does not count")
	assert.NotEqual(t, dead, a.PID)
	l.check(t, 1)
	assert.Equal(t, pool.ReasonUnresponsive, f.exit().Reason)
}

func TestRow032AWorkerThatIsBusyAnswersItsHeartbeat(t *testing.T) {
	for _, verb := range []string{"spin", "pause", "deadlock"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel() // each mostly waits
			p, err := pool.New(t.Context(), helperOptions(1, pool.WithHeartbeat(beat))...)
			require.NoError(t, err)
			defer p.Close()
			_, err = pool.Call(t.Context(), p, obey, order{Do: verb}, pool.Timeout(3*beat))
			var timeout *pool.TimeoutError
			require.ErrorAs(t, err, &timeout, "not killed before the limit")
		})
	}
}

// The stopper owns a pool whose workers compute while it is stopped itself.
var _ = role("stopper", func() int {
	p, err := pool.New(context.Background(), helperOptions(2, pool.WithHeartbeat(beat))...)
	if err != nil {
		report(judged(err))
		return 1
	}
	defer p.Close()
	future := pool.Go(context.Background(), p, obey, order{Gate: os.Getenv(gateVar)})
	report(p.Workers()[0].PID)
	listen() // the test has stopped and continued this process
	a, err := future.Wait(context.Background())
	report(struct {
		PID, Restarts int
		Err           string
	}{a.PID, p.Stats().Restarts, text(err)})
	return 0
})

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestRow035AndRow108AParentThatWasStoppedKillsNobodyWhenItGoesOn(t *testing.T) {
	bounded(t, time.Minute)
	g := newGate(t)
	h := startHelper(t, "stopper", gateVar+"="+g.addr)
	var pid int
	h.hear(&pid)
	v := g.next(t)
	time.Sleep(beat) // a Ping or two have been answered, or are on their way
	stop(t, h.pid())
	time.Sleep(3 * beat) // the fault is time that passes
	require.NoError(t, syscall.Kill(h.pid(), syscall.SIGCONT))
	time.Sleep(beat + beat/2) // in which the pool would find its worker silent
	v.order("")
	h.tell("go on")
	var seen struct {
		PID, Restarts int
		Err           string
	}
	h.hear(&seen)
	assert.Empty(t, seen.Err)
	assert.Equal(t, v.pid, seen.PID)
	assert.Zero(t, seen.Restarts)
	h.wait()
}

func TestRow078AFrameThatDripsIsTakenForSilence(t *testing.T) {
	_, opts := puppets(t, func(p *puppet) {
		p.greet()
		if p.nth > 0 {
			p.serve()
		}
		j := p.tasks()
		p.write(j.started(0))
		for _, b := range j.results(0, wire.Value, pack(42)) {
			p.write([]byte{b})
			time.Sleep(beat / 5)
		}
		p.serve()
	})
	f := start(t, 1, append(opts, pool.WithHeartbeat(beat))...)
	f.spent = true // a puppet does not meet
	_, err := call(f, double, 21)
	unresponsive(t, err)
}

func TestRow086AWorkerThatDoesNotReadIsEndedAndHoldsUpNobodyElse(t *testing.T) {
	_, opts := puppets(t, func(p *puppet) {
		p.greet()
		if p.nth == 0 {
			p.read(wire.HeaderSize)
			p.stay() // the rest of the frame does not fit into the pipe
		}
		p.serve()
	})
	f := start(t, 2, append(opts, pool.WithHeartbeat(beat))...)
	f.spent = true // a puppet does not meet
	began := time.Now()
	results, err := pool.Broadcast(t.Context(), f.Pool, echo, make([]byte, 8<<20))
	require.NoError(t, err)
	require.Len(t, results, 2)
	for _, r := range results {
		require.NoError(t, r.Err, "what had not begun ran in the next worker")
	}
	assert.Less(t, time.Since(began), 2*beat+killing)
	assert.Equal(t, pool.ReasonUnresponsive, f.exit().Reason)
}

func TestRow086AFrameThatTakesLongButMovesIsNoSilence(t *testing.T) {
	const size = 16 << 20 // much more than a pipe holds: of what is in the pipe already, the pool does not see how it moves
	_, opts := puppets(t, func(p *puppet) {
		p.greet()
		h := p.read(wire.HeaderSize) // of the Tasks frame, or of a Ping
		for {
			head, err := wire.ParseHeader(h)
			if err != nil {
				p.t.Error(err)
			}
			if head.Kind == wire.Tasks {
				break
			}
			p.write(wire.AppendControl(nil, wire.Beat, 0, 0, nil))
			h = p.read(wire.HeaderSize)
		}
		head, _ := wire.ParseHeader(h)
		payload := []byte{}
		for len(payload) < int(head.Length) { // in some three heartbeats
			time.Sleep(beat / 4)
			payload = append(payload, p.read(min(size/11, int(head.Length)-len(payload)))...)
		}
		j := p.job(wire.Frame{Header: head, Payload: payload})
		p.write(append(j.started(0), j.results(0, wire.Value, pack([]byte("done")))...))
		p.serve()
	})
	f := start(t, 1, append(opts, pool.WithHeartbeat(beat))...)
	f.spent = true
	answer, err := call(f, echo, make([]byte, size))
	require.NoError(t, err)
	require.Equal(t, "done", string(answer))
}

func TestRow029WithoutHeartbeatAStoppedWorkerIsWaitedFor(t *testing.T) {
	f := start(t, 1, pool.WithHeartbeat(0))
	g := newGate(t)
	future := submit(f, obey, order{Gate: g.addr})
	v := g.next(t)
	stop(t, v.pid)
	select {
	case <-future.Done():
		t.Fatal("somebody ended the worker")
	case <-time.After(2 * beat):
	}
	require.NoError(t, syscall.Kill(v.pid, syscall.SIGCONT))
	v.order("")
	_, err := await(t, future)
	require.NoError(t, err)
}

func TestRow029AHeartbeatThatIsTooShortIsRefused(t *testing.T) {
	for _, d := range []time.Duration{-time.Second, time.Millisecond} {
		_, err := pool.New(t.Context(), pool.WithHeartbeat(d))
		require.ErrorContains(t, err, "WithHeartbeat")
	}
	for n, per := range map[int]time.Duration{0: time.Second, -1: time.Second, 3: 0} {
		_, err := pool.New(t.Context(), pool.WithRestartLimit(n, per))
		require.ErrorContains(t, err, "WithRestartLimit")
	}
}

func TestRow038TheRestartLimitIsTheUsers(t *testing.T) {
	good := make(chan struct{})
	th, opts := puppets(t, func(p *puppet) {
		select {
		case <-good:
			p.exit(3)
		default:
			p.greet()
			p.serve()
		}
	})
	f := start(t, 1, append(opts, pool.WithRestartLimit(2, time.Hour))...)
	f.spent = true
	close(good)
	require.NoError(t, syscall.Kill(f.pidAt(0), syscall.SIGKILL))
	eventually(t, patience, "the slot breaks", func() bool {
		_, err := pool.Call(t.Context(), f.Pool, double, 1)
		return errors.Is(err, pool.ErrBroken)
	})
	assert.LessOrEqual(t, th.started(), 1+3+1, "the death of the idle one may count as well")
}

// Starts that fail slowly are never many in a short time. Who waits for a worker must hear of them all the same.
func TestStartsThatFailSlowlyBreakTheirSlotToo(t *testing.T) {
	bad := make(chan struct{})
	_, opts := puppets(t, func(p *puppet) {
		select {
		case <-bad:
			time.Sleep(100 * time.Millisecond)
			p.exit(3)
		default:
			p.greet()
			p.serve()
		}
	})
	f := start(t, 1, append(opts, pool.WithRestartLimit(2, 50*time.Millisecond))...)
	f.spent = true
	close(bad)
	require.NoError(t, syscall.Kill(f.pidAt(0), syscall.SIGKILL))
	f.exit()
	_, err := call(f, double, 1)
	require.ErrorIs(t, err, pool.ErrBroken)
}

var logAndSleep = worker.Register("faults.logAndSleep", func(ctx context.Context, d time.Duration) (struct{}, error) {
	worker.Logger(ctx).Error("slow")
	time.Sleep(d)
	return struct{}{}, nil
})

// slowLog writes as a terminal does that somebody holds.
type slowLog struct {
	*syncbuf.Buffer
	takes time.Duration
}

func (l slowLog) Write(p []byte) (int, error) {
	time.Sleep(l.takes)
	return l.Buffer.Write(p)
}

// While a record of the worker is with the user's logger, nobody reads what the worker answers.
func TestRow029AWorkerDoesNotDieOfASlowLogger(t *testing.T) {
	f := start(t, 1, pool.WithHeartbeat(beat), pool.WithLogger(hclog.New(&hclog.LoggerOptions{Output: slowLog{new(syncbuf.Buffer), 3 * beat}, Level: hclog.Error})))
	_, err := call(f, logAndSleep, 4*beat)
	require.NoError(t, err)
	require.Empty(t, f.exits)
}
