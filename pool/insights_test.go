package pool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/pooltest"
	"github.com/procpool/procpool/worker"
)

type insightArg struct {
	Name string `msgpack:"name"`
	Nap  time.Duration
	Path string
}

var (
	errInsight = errors.New("as expected")

	insightNap = worker.Register("insight.nap", func(_ context.Context, a insightArg) (int, error) {
		time.Sleep(a.Nap)
		return len(a.Name), nil
	})
	insightAdd  = worker.Register("insight.add", func(_ context.Context, n int) (int, error) { return n + 1, nil })
	insightFail = worker.Register("insight.fail", func(_ context.Context, how string) (int, error) {
		switch how {
		case "panic":
			panic("as expected")
		case "exit":
			os.Exit(3)
		case "hang":
			select {}
		case "long":
			return 0, errors.New(strings.Repeat("long ", 20_000))
		}
		return 0, fmt.Errorf("%s: %w", how, errInsight)
	})
	insightWait = worker.Register("insight.wait", func(ctx context.Context, path string) (int, error) {
		for ctx.Err() == nil {
			if _, err := os.Stat(path); err == nil {
				return 1, nil
			}
			time.Sleep(time.Millisecond)
		}
		return 0, ctx.Err()
	})
	insightBytes = worker.Register("insight.bytes", func(_ context.Context, b []byte) (int, error) { return len(b), nil })
)

func init() { worker.RegisterError("insight.err", errInsight) }

func funcNamed(t *testing.T, in *pool.Insights, name string) pool.FuncInsights {
	t.Helper()
	for _, f := range in.Functions {
		if f.Func == name {
			return f
		}
	}
	t.Fatalf("no %s among %+v", name, in.Functions)
	return pool.FuncInsights{}
}

func TestInsightsCountWhatEachFunctionDid(t *testing.T) {
	for name, opt := range map[string]pool.Option{"processes": nil, "inline": pool.WithInline(), "sampled": pool.WithInsights()} {
		t.Run(name, func(t *testing.T) {
			p := pooltest.New(t, pool.WithWorkers(2), pool.WithName("counted"), opt)
			args := make([]int, 5000)
			_, err := pool.Map(t.Context(), p, insightAdd, args)
			require.NoError(t, err)
			for range 10 {
				_, err := pool.Call(t.Context(), p, insightAdd, 1)
				require.NoError(t, err)
			}
			for range pool.Results(t.Context(), p, insightAdd, slices.Values(args[:100])) {
			}
			for _, how := range []string{"once", "panic", "twice"} {
				_, err := pool.Call(t.Context(), p, insightFail, how)
				require.Error(t, err)
			}
			_, err = pool.Call(t.Context(), p, insightBytes, make([]byte, 300<<10))
			require.NoError(t, err)

			in := p.Insights()
			require.Equal(t, "counted", in.Name)
			require.Equal(t, name == "sampled", in.Sampled)
			require.Len(t, in.Functions, 3)
			add, fail, long := funcNamed(t, &in, "insight.add"), funcNamed(t, &in, "insight.fail"), funcNamed(t, &in, "insight.bytes")
			require.Equal(t, 5110, add.Tasks)
			require.Zero(t, add.Failed)
			require.EqualValues(t, 5110, add.Queue.Count)
			require.EqualValues(t, 5110, add.Transfer.Count)
			require.InDelta(t, 5110, add.Run.Count, 32, "the last tiny tasks may wait for their time")
			require.Positive(t, add.Exec)
			require.GreaterOrEqual(t, add.ArgBytes, int64(2*5110))
			require.LessOrEqual(t, add.ArgBytes, int64(4*5110))
			require.GreaterOrEqual(t, add.ResultBytes, int64(3*5110))
			require.Equal(t, 3, fail.Tasks)
			require.Equal(t, 3, fail.Failed)
			require.Equal(t, 1, long.Tasks)
			require.InDelta(t, 300<<10, long.ArgBytes, 16)

			tasks, failed := 0, 0
			for _, w := range in.Workers {
				tasks += w.Tasks
				failed += w.Failed
				require.Equal(t, 1, w.Processes)
				require.LessOrEqual(t, len(w.Spans), 64)
				for i, s := range w.Spans {
					require.False(t, s.Ended.Before(s.Began), "%+v", s)
					require.True(t, i == 0 || !s.Began.Before(w.Spans[i-1].Ended), "%+v", w.Spans)
				}
			}
			require.Equal(t, in.Stats.Completed+in.Stats.Failed, tasks)
			require.Equal(t, 3, failed)
		})
	}
}

func TestNothingIsSampledUnlessSomebodyAsks(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(2))
	for range 50 {
		_, err := pool.Call(t.Context(), p, insightNap, insightArg{Name: "secret"})
		require.NoError(t, err)
	}
	args := make([]int, 5000)
	got, err := pool.Map(t.Context(), p, insightAdd, args)
	require.NoError(t, err)
	require.Equal(t, slices.Repeat([]int{1}, len(args)), got)
	_, err = pool.Call(t.Context(), p, insightFail, "secret")
	require.ErrorIs(t, err, errInsight)
	in := p.Insights()
	require.False(t, in.Sampled)
	for _, f := range in.Functions {
		require.Zero(t, f.Samples)
		require.Zero(t, f.Stages)
	}
	require.NotEmpty(t, in.Slowest)
	for _, r := range slices.Concat(in.Slowest, in.Failures) {
		require.Empty(t, r.Arg, "arguments are nobody's business")
	}
}

// Whether or not the pool asks for itself, callers see what they asked for.
func TestSamplingChangesNoResult(t *testing.T) {
	for _, opt := range []pool.Option{nil, pool.WithInsights()} {
		p := pooltest.New(t, pool.WithWorkers(2), opt)
		args := make([]int, 3000)
		want := make([]int, len(args))
		for i := range args {
			args[i], want[i] = i, i+1
		}
		got, err := pool.Map(t.Context(), p, insightAdd, args)
		require.NoError(t, err)
		require.Equal(t, want, got)
		var streamed []int
		for v, err := range pool.Stream(t.Context(), p, insightAdd, slices.Values(args)) {
			require.NoError(t, err)
			streamed = append(streamed, v)
		}
		require.Equal(t, want, streamed)
		seen := 0
		for r := range pool.Results(t.Context(), p, insightAdd, slices.Values(args[:500])) {
			require.NoError(t, r.Err)
			require.Equal(t, r.Index+1, r.Value)
			require.Positive(t, r.Timing.Total())
			require.Positive(t, r.Timing.EncodeArg+r.Timing.Queued)
			seen++
		}
		require.Equal(t, 500, seen)
		for i := range 100 {
			var timing pool.Timing
			v, err := pool.Call(t.Context(), p, insightNap, insightArg{Name: strings.Repeat("x", i)}, pool.Timed(&timing))
			require.NoError(t, err)
			require.Equal(t, i, v)
			require.Positive(t, timing.Run)
			v, err = pool.Call(t.Context(), p, insightNap, insightArg{Name: strings.Repeat("x", i)})
			require.NoError(t, err)
			require.Equal(t, i, v)
		}
		futures := make([]*pool.Future[int], 2000)
		for i := range futures {
			futures[i] = pool.Go(t.Context(), p, insightAdd, i)
		}
		for i, f := range futures {
			v, err := f.Wait(t.Context())
			require.NoError(t, err)
			require.Equal(t, i+1, v)
		}
		results, err := pool.Broadcast(t.Context(), p, insightAdd, 1)
		require.NoError(t, err)
		require.Len(t, results, 2)
	}
}

func TestSamplesTellWhereTheTimeOfATaskGoes(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithInsights())
	for i := range 30 {
		_, err := pool.Call(t.Context(), p, insightNap, insightArg{Name: fmt.Sprint("file ", i), Nap: 12 * time.Millisecond})
		require.NoError(t, err)
	}
	_, err := pool.Map(t.Context(), p, insightAdd, make([]int, 50))
	require.NoError(t, err)
	for range pool.Stream(t.Context(), p, insightBytes, slices.Values(slices.Repeat([][]byte{make([]byte, 1000)}, 20))) {
	}
	in := p.Insights()
	nap := funcNamed(t, &in, "insight.nap")
	require.Equal(t, 30, nap.Samples, "tasks that take long are all sampled")
	require.EqualValues(t, 30, nap.Run.Count)
	require.GreaterOrEqual(t, nap.Run.P50, 11*time.Millisecond)
	require.GreaterOrEqual(t, nap.Stages.Run, 12*time.Millisecond)
	for name, d := range map[string]time.Duration{
		"EncodeArg": nap.Stages.EncodeArg, "Write": nap.Stages.Write + nap.Stages.Pipe, "DecodeArg": nap.Stages.DecodeArg, "EncodeResult": nap.Stages.EncodeResult,
		"Return": nap.Stages.Return, "Pickup": nap.Stages.Pickup, "DecodeResult": nap.Stages.DecodeResult,
	} {
		require.Positive(t, d, name)
	}
	require.InDelta(t, len("file 99")+8, nap.Stages.ArgBytes, 3)
	for _, fn := range []string{"insight.add", "insight.bytes"} {
		f := funcNamed(t, &in, fn)
		require.Positive(t, f.Samples, fn)
		require.Positive(t, f.Stages.DecodeArg, fn)
		require.Positive(t, f.Stages.EncodeArg, fn)
		require.Positive(t, f.Stages.DecodeResult, fn)
		require.InDelta(t, f.Tasks, f.Run.Count, 32)
	}
	require.Len(t, in.Slowest, 10)
	for i, r := range in.Slowest {
		require.Equal(t, "insight.nap", r.Func)
		require.Regexp(t, `^\{"name": "file \d+", "Nap": 12000000, "Path": ""\}$`, r.Arg)
		require.NoError(t, r.Err)
		require.True(t, i == 0 || r.Timing.Exec <= in.Slowest[i-1].Timing.Exec)
		require.Equal(t, -1, r.Index)
		require.NotZero(t, r.PID)
		require.Equal(t, 1, r.Attempt)
		require.GreaterOrEqual(t, r.Timing.Run, 12*time.Millisecond)
	}
}

func TestOfTinyTasksABoundedShareIsSampled(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(2), pool.WithInsights())
	began := time.Now()
	const n = 300_000
	_, err := pool.Map(t.Context(), p, insightAdd, make([]int, n))
	require.NoError(t, err)
	for range 2000 {
		_, err := pool.Call(t.Context(), p, insightNap, insightArg{})
		require.NoError(t, err)
	}
	in := p.Insights()
	most := 200 + 200*time.Since(began).Seconds() + 4096 // a batch that was too large for what was left
	require.Less(t, float64(funcNamed(t, &in, "insight.add").Samples+funcNamed(t, &in, "insight.nap").Samples), most)
	require.Positive(t, funcNamed(t, &in, "insight.add").Samples)
}

func TestObserveSamplesWhileSomebodyWatches(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1))
	nap := func() {
		_, err := pool.Call(t.Context(), p, insightNap, insightArg{Nap: 11 * time.Millisecond})
		require.NoError(t, err)
	}
	nap()
	samples := func() int { in := p.Insights(); return funcNamed(t, &in, "insight.nap").Samples }
	require.Zero(t, samples())
	first, second := p.Observe(), p.Observe()
	require.True(t, p.Insights().Sampled)
	nap()
	require.Equal(t, 1, samples())
	first()
	first()
	nap()
	require.Equal(t, 2, samples(), "another watches still")
	second()
	nap()
	require.Equal(t, 2, samples())
	require.False(t, p.Insights().Sampled)
}

func TestInsightsTellHowLongTasksWaitedInTheQueue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "go")
	p := pooltest.New(t, pool.WithWorkers(1))
	_, err := pool.Call(t.Context(), p, insightAdd, 1)
	require.NoError(t, err)
	first := pool.Go(t.Context(), p, insightWait, path)
	waiting := make([]*pool.Future[int], 3)
	for i := range waiting {
		waiting[i] = pool.Go(t.Context(), p, insightBytes, []byte("x"), pool.Priority(-i))
	}
	submitted := time.Now()
	time.Sleep(20 * time.Millisecond)
	waited := time.Since(submitted)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	for _, f := range slices.Concat(waiting, []*pool.Future[int]{first}) {
		_, err := f.Wait(t.Context())
		require.NoError(t, err)
	}
	in := p.Insights()
	q := funcNamed(t, &in, "insight.bytes").Queue
	require.EqualValues(t, 3, q.Count)
	require.GreaterOrEqual(t, q.Mean, waited)
	require.Less(t, funcNamed(t, &in, "insight.wait").Queue.Max, waited)
}

func TestFailuresAreKeptWithTheirCauseLatestFirst(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithInsights())
	for _, how := range []string{"plain", "panic", "exit", "hang", "long"} {
		_, err := pool.Call(t.Context(), p, insightFail, how, pool.Timeout(300*time.Millisecond))
		require.Error(t, err)
	}
	_, err := pool.Map(t.Context(), p, insightFail, []string{"a", "b", "exit", "d"}, pool.Chunk(4), pool.Retries(1))
	require.Error(t, err)
	_, err = pool.Call(t.Context(), p, worker.Named[chan int, int]("insight.add"), nil)
	require.Error(t, err)

	in := p.Insights()
	require.Len(t, in.Failures, 5+5+1, "both attempts at the one that ended its worker")
	texts := map[string]int{}
	for i, r := range in.Failures {
		var task *pool.TaskError
		require.ErrorAs(t, r.Err, &task)
		require.Equal(t, r.Func, task.Func)
		require.Equal(t, r.Index, task.Index)
		texts[r.Arg]++
		require.True(t, i == 0 || !r.Ended.After(in.Failures[i-1].Ended))
	}
	refused, mapped, long, hung, exited, panicked, plain := in.Failures[0], in.Failures[1:6], in.Failures[6], in.Failures[7], in.Failures[8], in.Failures[9], in.Failures[10]
	require.Equal(t, "insight.add", refused.Func)
	require.Equal(t, -1, refused.Slot)
	var encode *pool.EncodeError
	require.ErrorAs(t, refused.Err, &encode)
	for _, r := range mapped {
		require.GreaterOrEqual(t, r.Index, 0)
		require.Equal(t, []string{`"a"`, `"b"`, `"exit"`, `"d"`}[r.Index], r.Arg)
	}
	var remote *pool.RemoteError
	require.ErrorAs(t, long.Err, &remote)
	require.Less(t, len(remote.Message), 20_000)
	require.True(t, strings.HasPrefix(remote.Message, "long long "))
	var timeout *pool.TimeoutError
	require.ErrorAs(t, hung.Err, &timeout)
	require.Contains(t, timeout.Stack, "insight")
	require.GreaterOrEqual(t, hung.Timing.Exec, 250*time.Millisecond)
	var exit *pool.ExitError
	require.ErrorAs(t, exited.Err, &exit)
	require.Equal(t, 3, exit.Code)
	var panics *pool.PanicError
	require.ErrorAs(t, panicked.Err, &panics)
	require.Equal(t, "as expected", panics.Value)
	require.Contains(t, panics.Stack, "insights_test.go")
	require.ErrorIs(t, plain.Err, errInsight)
	require.Equal(t, `"plain"`, plain.Arg)
	require.Equal(t, 10, funcNamed(t, &in, "insight.fail").Failed)
}

func TestOfManyFailuresTheLatestAreKept(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(2))
	args := make([]string, 500)
	for i := range args {
		args[i] = fmt.Sprint("first ", i)
	}
	_, err := pool.Map(t.Context(), p, insightFail, args)
	require.Error(t, err)
	for i := range 60 {
		_, err := pool.Call(t.Context(), p, insightFail, fmt.Sprint("last ", i))
		require.Error(t, err)
	}
	in := p.Insights()
	require.Len(t, in.Failures, 50)
	for i, r := range in.Failures {
		require.ErrorContains(t, r.Err, fmt.Sprintf("last %d:", 59-i))
	}
	require.Equal(t, 560, funcNamed(t, &in, "insight.fail").Failed)
}

// A task that nobody waits for any more is no failure of anybody's.
func TestWithdrawnTasksAreNoFailures(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(2), pool.WithStopGrace(50*time.Millisecond))
	ctx, cancel := context.WithCancel(t.Context())
	f := pool.Go(ctx, p, insightWait, filepath.Join(t.TempDir(), "never"))
	require.Eventually(t, func() bool { return p.Stats().Running == 1 }, 20*time.Second, time.Millisecond)
	cancel()
	_, err := f.Wait(t.Context())
	require.ErrorIs(t, err, context.Canceled)
	require.Eventually(t, func() bool { return p.Stats().Busy == 0 }, 20*time.Second, time.Millisecond)
	require.Empty(t, p.Insights().Failures)
}

func TestFunctionsBeyondThoseThatAreToldApartAreCountedTogether(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1))
	for i := range 100 {
		_, err := pool.Call(t.Context(), p, worker.Named[int, int](fmt.Sprintf("nobody's %03d", i)), 1)
		require.ErrorIs(t, err, pool.ErrNotRegistered)
	}
	in := p.Insights()
	require.Len(t, in.Functions, 65)
	require.True(t, slices.IsSortedFunc(in.Functions[:64], func(a, b pool.FuncInsights) int { return strings.Compare(a.Func, b.Func) }))
	others := in.Functions[64]
	require.Equal(t, pool.OtherFuncs, others.Func)
	require.Equal(t, 36, others.Tasks)
	require.Equal(t, 36, others.Failed)
	require.ErrorIs(t, in.Failures[0].Err, pool.ErrNotRegistered)
}

func TestRecycledSpareAndRemovedWorkersAreAccountedFor(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(3), pool.WithMaxTasksPerWorker(5), pool.WithRecycleJitter(0), pool.WithSpare(1))
	for range 60 {
		_, err := pool.Call(t.Context(), p, insightAdd, 1)
		require.NoError(t, err)
	}
	require.NoError(t, p.Resize(t.Context(), 1))
	in := p.Insights()
	require.Len(t, in.Workers, 4)
	require.Equal(t, -1, in.Workers[3].Slot)
	left := p.Workers()[0].Slot
	require.Equal(t, left, in.Workers[0].Slot)
	require.Less(t, in.Workers[1].Slot, in.Workers[2].Slot)
	tasks, processes := 0, 0
	for _, w := range in.Workers[:3] {
		tasks += w.Tasks
		processes += w.Processes
	}
	require.Equal(t, 60, tasks)
	require.GreaterOrEqual(t, processes, 60/5)
	require.Positive(t, in.Workers[3].Start)
	require.Positive(t, in.Workers[3].Processes)
	require.Zero(t, in.Workers[3].Tasks)
	require.NoError(t, p.Resize(t.Context(), 3))
	require.Len(t, p.Insights().Workers, 4, "a number that comes back goes on")
}

func TestWorkersTellWhichTaskRunsAndForHowLong(t *testing.T) {
	for name, opt := range map[string]pool.Option{"processes": nil, "hard limit": pool.WithTaskTimeout(time.Minute)} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			p := pooltest.New(t, pool.WithWorkers(1), opt)
			require.Equal(t, -1, p.Workers()[0].Index)
			paths := make([]string, 3)
			for i := range paths {
				paths[i] = filepath.Join(dir, fmt.Sprint(i))
			}
			f := pool.GoMap(t.Context(), p, insightWait, paths, pool.Chunk(3))
			for i, path := range paths {
				require.Eventually(t, func() bool {
					w := p.Workers()[0]
					return w.Index == i && w.Func == "insight.wait" && w.TaskTime > 5*time.Millisecond
				}, 20*time.Second, time.Millisecond)
				before := p.Workers()[0].TaskTime
				time.Sleep(time.Millisecond)
				require.GreaterOrEqual(t, p.Workers()[0].TaskTime, before+time.Millisecond)
				require.NoError(t, os.WriteFile(path, nil, 0o600))
			}
			_, err := f.Wait(t.Context())
			require.NoError(t, err)
			w := p.Workers()[0]
			require.Equal(t, -1, w.Index)
			require.Empty(t, w.Func)
			require.Zero(t, w.TaskTime)
		})
	}
}

func TestInsightsOfAForeignWorker(t *testing.T) {
	p := python(t, pool.WithWorkers(1), pool.WithInsights())
	for range 5 {
		_, err := pool.Call(t.Context(), p, pySleep, 0.005)
		require.NoError(t, err)
	}
	_, err := pool.Call(t.Context(), p, pyFail, "no")
	require.Error(t, err)
	in := p.Insights()
	sleep := funcNamed(t, &in, "sleep")
	require.Equal(t, 5, sleep.Tasks)
	require.Equal(t, 5, sleep.Samples)
	require.GreaterOrEqual(t, sleep.Stages.Return, 5*time.Millisecond, "what is not told apart")
	require.GreaterOrEqual(t, sleep.Run.Mean+sleep.Transfer.Mean, 5*time.Millisecond)
	require.GreaterOrEqual(t, in.Workers[0].Working, 25*time.Millisecond)
	require.Len(t, in.Failures, 1)
	require.Equal(t, `"no"`, in.Failures[0].Arg)
}

// Insights may be asked for at any time: while tasks run, fail and die, while workers are renewed, and when the pool is closed.
func TestInsightsUnderLoad(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(2), pool.WithMaxTasksPerWorker(200), pool.WithInsights())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for ctx.Err() == nil {
				in := p.Insights()
				for _, w := range in.Workers {
					for _, d := range []time.Duration{w.Start, w.Init, w.Working, w.Waiting, w.Idle, w.Exit} {
						if d < 0 {
							t.Errorf("%+v", w)
							return
						}
					}
				}
				for _, f := range in.Functions {
					if int64(f.Tasks) != f.Queue.Count || f.Failed > f.Tasks || f.Transfer.Count > int64(f.Tasks) {
						t.Errorf("%+v", f)
						return
					}
				}
				p.Workers()
			}
		})
	}
	for range 3 {
		_, err := pool.Map(ctx, p, insightAdd, make([]int, 20_000))
		require.NoError(t, err)
		for _, how := range []string{"x", "panic", "exit"} {
			_, err := pool.Call(ctx, p, insightFail, how)
			require.Error(t, err)
		}
		for i := range 50 {
			_, err := pool.Call(ctx, p, insightNap, insightArg{Name: fmt.Sprint(i)})
			require.NoError(t, err)
		}
	}
	cancel()
	all.Wait()
	require.NoError(t, p.Close())
	in := p.Insights()
	require.Equal(t, 60_000, funcNamed(t, &in, "insight.add").Tasks)
}

func TestTheSlowestTasksMayHaveFailed(t *testing.T) {
	for _, opt := range []pool.Option{nil, pool.WithInsights()} {
		p := pooltest.New(t, pool.WithWorkers(1), opt)
		for _, how := range []string{"plain", "hang", "exit"} {
			_, err := pool.Call(t.Context(), p, insightFail, how, pool.Timeout(200*time.Millisecond))
			require.Error(t, err)
		}
		_, err := pool.Call(t.Context(), p, insightNap, insightArg{Nap: 20 * time.Millisecond})
		require.NoError(t, err)
		in := p.Insights()
		require.Len(t, in.Slowest, 4)
		var timeout *pool.TimeoutError
		require.ErrorAs(t, in.Slowest[0].Err, &timeout)
		require.GreaterOrEqual(t, in.Slowest[0].Timing.Exec, 190*time.Millisecond)
		failed := 0
		for _, r := range in.Slowest {
			if r.Func == "insight.nap" {
				require.NoError(t, r.Err)
				continue
			}
			var task *pool.TaskError
			require.ErrorAs(t, r.Err, &task)
			failed++
		}
		require.Equal(t, 3, failed)
	}
}
