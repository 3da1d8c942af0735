package pool

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/worker"
)

// plenty is a pool that has nothing to be advised upon: two workers that have worked for most of a minute.
func plenty() *facts {
	worked := WorkerInsights{Processes: 1, Tasks: 500, Start: 10 * time.Millisecond, Working: 50 * time.Second, Waiting: time.Second, Idle: 9 * time.Second}
	fn := FuncInsights{
		Func: "f", Tasks: 1000, Exec: 100 * time.Second, ArgBytes: 100_000, ResultBytes: 100_000,
		Queue: Distribution{Mean: time.Millisecond, P50: time.Millisecond}, Run: Distribution{Mean: 100 * time.Millisecond, P50: 100 * time.Millisecond},
		Transfer: Distribution{Mean: time.Millisecond},
	}
	return &facts{
		in:      &Insights{Functions: []FuncInsights{fn}, Stats: Stats{Completed: 1000}},
		cpus:    2,
		workers: []WorkerInsights{worked, worked},
		singly:  map[string]int{}, frames: map[string]int{"f": 1000},
	}
}

// Each rule speaks where its figures say so, and is silent right below its threshold and where there is too little to go by.
func TestEachRuleSpeaksFromItsThresholdOn(t *testing.T) {
	tiny := func(f *facts) { // tasks of 4 µs, which travel in batches
		one := &f.in.Functions[0]
		one.Tasks, one.Exec, one.Transfer.Mean = 1_000_000, 4*time.Second, 20*time.Microsecond
		for i := range f.workers {
			f.workers[i] = WorkerInsights{Processes: 1, Tasks: 500_000, Working: 2 * time.Second, Waiting: 3 * time.Second}
		}
	}
	for _, c := range []struct {
		rule  string
		set   func(*facts) // what makes it speak
		below func(*facts) // and what, besides, does not
		want  string
	}{
		{
			"restarts", func(f *facts) { f.in.Stats.Restarts = 50 }, func(f *facts) { f.in.Stats.Restarts = 49 },
			"50 workers have died and were replaced, over 1000 tasks: Failures says why they died. If that cannot be avoided, keep spare processes ready (WithSpare), and the pool waits less for the new ones.",
		},
		{
			"restarts", func(f *facts) { f.in.Stats.Restarts, f.workers[0].Start = 5, 20*time.Second }, func(f *facts) { f.workers[0].Start = 0 },
			"5 workers have died and were replaced, over 1000 tasks: Failures says why they died. If that cannot be avoided, keep spare processes ready (WithSpare), and the pool waits less for the new ones.",
		},
		{
			"arguments", func(f *facts) {
				one := &f.in.Functions[0]
				one.ArgBytes, one.Transfer.Mean, one.Run.Mean = 1000<<20, 92*time.Millisecond, 8*time.Millisecond
			}, func(f *facts) { f.in.Functions[0].ArgBytes = 1000 * (largeArgs - 1) },
			"f: arguments of 1.0 MiB are 92 % of the time of its tasks: share what many tasks read (pool.Share), or send a path or a part instead.",
		},
		{
			"arguments", func(f *facts) {
				one := &f.in.Functions[0]
				one.ArgBytes, one.Samples = 1000<<17, 10
				one.Stages = Timing{EncodeArg: 10, Write: 20, Pipe: 10, DecodeArg: 20, Run: 20, Return: 20, Queued: 1000}
			}, func(f *facts) { f.in.Functions[0].Stages.Run = 61 },
			"f: arguments of 128 KiB are 60 % of the time of its tasks: share what many tasks read (pool.Share), or send a path or a part instead.",
		},
		{
			"chunk", func(f *facts) {
				tiny(f)
				f.singly["f"] = 500_000
				f.workers[0].Working, f.workers[1].Working = 10*time.Second, 10*time.Second
			}, func(f *facts) { f.singly["f"] = 499_999 },
			"f: tasks of 4µs travel one by one (Chunk(1)): leave that to the pool (Chunk(0)), which sends many together.",
		},
		{
			"boundary", func(f *facts) { tiny(f); f.frames["f"] = 1_000_000 }, func(f *facts) { f.workers[0].Working, f.workers[1].Working = 5*time.Second, 5*time.Second },
			"Workers idle 60 %: f's tasks of 4µs are dominated by the boundary; batch them (Map, Stream) or stay in-process.",
		},
		{
			"boundary", tiny, func(f *facts) { f.in.Functions[0].Transfer.Mean = 7 * time.Microsecond },
			"Workers idle 60 %: f's tasks of 4µs are dominated by the boundary, though they travel together; give each more to do, or stay in-process.",
		},
		{
			"feeder", func(f *facts) { f.starved = 50 * time.Second }, func(f *facts) { f.starved = 47 * time.Second },
			"Workers wait 42 % of their time for the input of a Stream: the sequence yields too slowly, or its consumer takes too long; fewer workers would do as well.",
		},
		{
			"skew", func(f *facts) { f.workers[0].Working, f.workers[0].Idle = 10*time.Second, 49*time.Second }, func(f *facts) { f.workers[0].Working = 17 * time.Second },
			"Worker 0 works 83 % of its time, the others 17 %: many tasks have the same Key, or are few and long; spread the keys, or cut long tasks.",
		},
		{
			"workers", func(f *facts) {
				f.cpus, f.in.Functions[0].Queue.P50 = 8, 250*time.Millisecond
				f.workers[0].Idle, f.workers[1].Idle = 0, 0
			}, func(f *facts) { f.cpus = 2 },
			"2 workers work 98 % of their time, and half of f's tasks wait for more than 250ms: there are 8 processors, use more workers (WithWorkers, Resize).",
		},
		{
			"encoding", func(f *facts) {
				f.in.Functions[0].Samples, f.in.Functions[0].Stages = 50, Timing{Exec: 100 * time.Microsecond, DecodeArg: 40 * time.Microsecond, EncodeResult: 15 * time.Microsecond}
			}, func(f *facts) { f.in.Functions[0].Samples = 49 },
			"f: 55 % of its time in the workers is decoding the argument and encoding the result: send less, or simpler types ([]byte instead of structures).",
		},
		{
			"startup", func(f *facts) {
				f.in.Stats.Recycles = 10
				for i := range f.workers {
					f.workers[i].Processes, f.workers[i].Start = 6, 30*time.Second
				}
			}, func(f *facts) { f.workers[0].Processes, f.workers[1].Processes = 2, 3 },
			"33 % of the workers' time is their start, 12 processes in all: let them live longer (WithMaxTasksPerWorker, WithMaxWorkerAge, WithMaxWorkerMemory), or have others ready (WithSpare).",
		},
		{
			"retries", func(f *facts) { f.in.Stats.Retried = 100 }, func(f *facts) { f.in.Stats.Retried = 99 },
			"100 attempts were made again, for 1000 tasks: Failures says why; each costs its time once more, and a RetryDelay keeps what fails for a while from being hammered.",
		},
		{
			"failures", func(f *facts) { f.in.Functions[0].Failed = 500 }, func(f *facts) { f.in.Functions[0].Failed = 499 },
			"f: 500 of 1000 tasks fail: FailFast ends a Map or Stream at the first.",
		},
	} {
		t.Run(c.rule, func(t *testing.T) {
			require.True(t, slices.ContainsFunc(rules, func(r rule) bool { return r.name == c.rule }))
			f := plenty()
			c.set(f)
			f.sum()
			require.Equal(t, []string{c.want}, f.advice())

			f = plenty()
			c.set(f)
			c.below(f)
			f.sum()
			require.Empty(t, f.advice(), "right below the threshold")

			f = plenty()
			c.set(f)
			f.inline = true
			f.sum()
			require.Empty(t, f.advice(), "there is no boundary to speak of")

			f = plenty()
			c.set(f)
			f.shrink(1000)
			f.sum()
			require.Empty(t, f.advice(), "too little to go by")
		})
	}
}

// shrink leaves the n-th part of everything that is counted or added up: the same pool after a moment.
func (f *facts) shrink(n int) {
	d := time.Duration(n)
	s := &f.in.Stats
	s.Restarts, s.Recycles, s.Retried, s.Completed = s.Restarts/n, s.Recycles/n, s.Retried/n, s.Completed/n
	f.starved /= d
	for i := range f.workers {
		w := &f.workers[i]
		w.Tasks, w.Start, w.Working, w.Waiting, w.Idle = w.Tasks/n, w.Start/d, w.Working/d, w.Waiting/d, w.Idle/d
	}
	for i := range f.in.Functions {
		one := &f.in.Functions[i]
		one.Tasks, one.Failed, one.Exec, one.ArgBytes, one.Samples = one.Tasks/n, one.Failed/n, one.Exec/d, one.ArgBytes/int64(n), one.Samples/n
		f.singly[one.Func], f.frames[one.Func] = f.singly[one.Func]/n, f.frames[one.Func]/n
	}
}

func TestNothingIsSaidOfAPoolThatDoesWellOrHasDoneNothing(t *testing.T) {
	f := plenty()
	f.sum()
	require.Empty(t, f.advice())
	f = &facts{in: &Insights{}, cpus: 2}
	f.sum()
	require.Empty(t, f.advice())
}

func TestEveryRuleIsTested(t *testing.T) {
	require.Len(t, rules, 11, "a new rule needs a case in TestEachRuleSpeaksFromItsThresholdOn")
}

var (
	adviceTiny  = worker.Register("advice.tiny", func(_ context.Context, n int) (int, error) { return n, nil })
	adviceLarge = worker.Register("advice.large", func(_ context.Context, b []byte) (int, error) { return len(b), nil })
)

// What a real pool is told, by what it really did.
func TestRealPoolsGetTheAdviceThatTheyNeed(t *testing.T) {
	advised := func(t *testing.T, work func(p *Pool), text string, opts ...Option) {
		t.Helper()
		p, err := New(t.Context(), append(opts, WithWorkers(2), WithLogger(hclog.NewNullLogger()))...)
		require.NoError(t, err)
		defer p.Close()
		var all []string
		for range 40 {
			work(p)
			all = p.Insights().Advice
			if slices.ContainsFunc(all, func(a string) bool { return strings.Contains(a, text) }) {
				return
			}
		}
		t.Fatalf("no advice %q among %q", text, all)
	}
	t.Run("chunk", func(t *testing.T) {
		advised(t, func(p *Pool) {
			_, err := Map(t.Context(), p, adviceTiny, make([]int, 5000), Chunk(1))
			require.NoError(t, err)
		}, "advice.tiny: tasks of ")
	})
	t.Run("arguments", func(t *testing.T) {
		large := make([]byte, 8<<20)
		advised(t, func(p *Pool) {
			for range 30 {
				_, err := Call(t.Context(), p, adviceLarge, large)
				require.NoError(t, err)
			}
		}, "advice.large: arguments of 8.0 MiB are ", WithInsights())
	})
	t.Run("feeder", func(t *testing.T) {
		advised(t, func(p *Pool) {
			for _, err := range Stream(t.Context(), p, adviceTiny, func(yield func(int) bool) {
				for i := range 50 {
					time.Sleep(time.Millisecond)
					if !yield(i) {
						return
					}
				}
			}) {
				require.NoError(t, err)
			}
		}, "for the input of a Stream")
	})
}
