package pool

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

var (
	ledgerNap = worker.Register("ledger.nap", func(_ context.Context, d time.Duration) (int, error) {
		time.Sleep(d)
		return 1, nil
	})
	ledgerDie = worker.Register("ledger.die", func(_ context.Context, d time.Duration) (int, error) {
		time.Sleep(d)
		os.Exit(3)
		return 0, nil
	})
)

func (w *WorkerInsights) total() time.Duration {
	return w.Start + w.Init + w.Working + w.Waiting + w.Idle + w.Exit
}

// Every moment from the start of a process until it is gone is in one of the six times, and in the right one.
func TestTheTimesOfAWorkerAddUpToTheLifeOfItsProcesses(t *testing.T) {
	const nap, n = 5 * time.Millisecond, 6
	for name, opt := range map[string]Option{"processes": nil, "inline": WithInline(), "limited": WithTaskTimeout(time.Hour)} {
		t.Run(name, func(t *testing.T) {
			before := time.Now()
			p, err := New(t.Context(), WithWorkers(1), WithLogger(hclog.NewNullLogger()), opt,
				WithInitializer(ledgerNap, 2*nap), WithFinalizer(ledgerNap, 3*nap))
			require.NoError(t, err)
			defer p.Close()
			c := p.core
			c.mu.Lock()
			began := c.slots[0].proc.started
			c.mu.Unlock()

			idle := time.Now()
			time.Sleep(nap)
			rested := time.Since(idle)
			for range n {
				_, err := Call(t.Context(), p, ledgerNap, nap)
				require.NoError(t, err)
			}
			in := p.Insights()
			require.Len(t, in.Workers, 1)
			w := &in.Workers[0]
			require.Equal(t, in.Taken.Sub(began), w.total(), "%+v", w)
			require.Positive(t, w.Start)
			require.GreaterOrEqual(t, w.Init, 2*nap)
			require.GreaterOrEqual(t, w.Working, n*nap)
			require.GreaterOrEqual(t, w.Idle, rested)
			require.Positive(t, w.Waiting)
			require.Zero(t, w.Exit)
			require.Equal(t, n, w.Tasks, "hooks are no tasks")
			require.Len(t, w.Spans, n)

			running := Go(t.Context(), p, ledgerNap, 20*nap)
			require.Eventually(t, func() bool {
				in := p.Insights()
				return in.Workers[0].Working > w.Working+5*nap
			}, 20*time.Second, time.Millisecond, "what runs counts as far as it has come")
			_, err = running.Wait(t.Context())
			require.NoError(t, err)

			require.NoError(t, p.Shutdown(t.Context()))
			in = p.Insights()
			w = &in.Workers[0]
			require.GreaterOrEqual(t, w.Exit, 3*nap, "the finalizer is a part of it")
			require.LessOrEqual(t, w.total(), in.Taken.Sub(before))
			later := p.Insights()
			require.Equal(t, w.total(), later.Workers[0].total(), "nothing lives any more")
		})
	}
}

// The task that a process dies under has worked until then, and what comes after is another process.
func TestWhatADyingProcessDidIsAccountedFor(t *testing.T) {
	const nap = 10 * time.Millisecond
	before := time.Now()
	p, err := New(t.Context(), WithWorkers(1), WithLogger(hclog.NewNullLogger()))
	require.NoError(t, err)
	defer p.Close()
	for range 3 {
		_, err = Call(t.Context(), p, ledgerDie, nap)
		_, dead := errors.AsType[*ExitError](err)
		require.True(t, dead, "%v", err)
	}
	_, err = Call(t.Context(), p, ledgerNap, 0)
	require.NoError(t, err)
	in := p.Insights()
	w := &in.Workers[0]
	require.Equal(t, 4, w.Processes)
	require.Equal(t, 4, w.Tasks)
	require.Equal(t, 3, w.Failed)
	require.GreaterOrEqual(t, w.Working, 3*nap)
	require.Positive(t, w.Exit)
	require.LessOrEqual(t, w.total(), in.Taken.Sub(before), "they live one after another")
	at := slices.IndexFunc(in.Functions, func(f FuncInsights) bool { return f.Func == "ledger.die" })
	require.GreaterOrEqual(t, in.Functions[at].Run.P50, nap*15/16)
	require.Len(t, w.Spans, 4)
	for _, s := range w.Spans[:3] {
		require.Equal(t, 1, s.Failed)
		require.GreaterOrEqual(t, s.Ended.Sub(s.Began), nap)
	}
}

func TestALedgerKeepsTheLastSpansAndPutsTinyOnesTogether(t *testing.T) {
	l := &ledger{}
	p := &proc{slot: &slot{ledger: l}}
	frame := func(fn string, first int) *batch {
		return &batch{origin: origin{pid: 1}, head: wire.TasksHead{Func: fn, First: first}}
	}
	began := time.Now()
	for i := range 1000 {
		at := began.Add(time.Duration(i) * 10 * time.Microsecond)
		p.spanLocked(frame("tiny", i), 0, 2, 0, 9*time.Microsecond, momentOf(at.Add(9*time.Microsecond)))
	}
	spans := l.insights(began)
	require.Len(t, spans.Spans, 10)
	require.Equal(t, 200, spans.Spans[9].Tasks)
	require.Equal(t, 900, spans.Spans[9].Index)
	for i := range 100 {
		at := began.Add(time.Duration(100+i) * time.Millisecond)
		p.spanLocked(frame("long", i), 0, 1, i%2, time.Millisecond, momentOf(at.Add(time.Millisecond)))
	}
	got := l.insights(began).Spans
	require.Len(t, got, keptSpans)
	for i, s := range got {
		require.Equal(t, Span{
			Func: "long", PID: 1, Index: 36 + i, Tasks: 1, Failed: i % 2,
			Began: began.Add(time.Duration(136+i) * time.Millisecond), Ended: began.Add(time.Duration(137+i) * time.Millisecond),
		}, s)
	}
}

// What a worker says of its time is a worker's word.
func TestAWorkerDoesNotGetMoreTimeThanThereWas(t *testing.T) {
	now := time.Now()
	p := &proc{core: &core{}, slot: &slot{ledger: &ledger{}}, inflight: []*batch{{}}}
	p.life.phase = resting
	p.beginLifeLocked(now)
	p.busyLocked(&batch{from: &lane{}, sent: now.Add(time.Second)})
	p.spendLocked(momentOf(now.Add(2 * time.Second)))
	p.workedLocked(time.Hour)
	p.workedLocked(-time.Hour)
	p.restLocked(now.Add(3 * time.Second))
	w := p.slot.ledger.insights(now)
	require.Equal(t, WorkerInsights{Processes: 1, Idle: time.Second, Working: time.Second, Waiting: time.Second}, w)
}
