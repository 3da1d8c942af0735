package pool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/pooltest"
	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

// tracedTask does what its argument says.
var tracedTask = worker.Register("traced task", func(ctx context.Context, what string) (string, error) {
	switch what {
	case "fail":
		return "", errors.New("failed as told")
	case "panic":
		panic("as told")
	case "exit":
		os.Exit(3)
	case "exit first":
		if worker.Info(ctx).Attempt == 1 {
			os.Exit(3)
		}
	case "fail first":
		if worker.Info(ctx).Attempt == 1 {
			return "", errors.New("failed as told")
		}
	case "wait":
		worker.Report(ctx, "waiting")
		<-ctx.Done()
		return "", ctx.Err()
	case "spin":
		worker.Report(ctx, "spinning")
		for {
			runtime.Gosched()
		}
	}
	return worker.Carrier(ctx)["job"], nil
})

// ledger is a Tracer that keeps what it is told, and complains of what it must not be told.
type ledger struct {
	mu   sync.Mutex
	jobs []*tracedJob
}

type tracedJob struct {
	info    pool.JobInfo
	batches []pool.BatchInfo
	ends    []pool.JobEnd
	busy    atomic.Bool
	wrong   []string
}

func (l *ledger) Begin(_ context.Context, info pool.JobInfo) (pool.Trace, map[string]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	j := &tracedJob{info: info}
	l.jobs = append(l.jobs, j)
	return j, map[string]string{"job": fmt.Sprint(len(l.jobs))}
}

func (j *tracedJob) enter(what string) func() {
	if !j.busy.CompareAndSwap(false, true) {
		panic("two methods of one Trace at a time")
	}
	if len(j.ends) > 0 {
		j.wrong = append(j.wrong, what+" after End")
	}
	return func() { j.busy.Store(false) }
}

func (j *tracedJob) Batch(b pool.BatchInfo) {
	defer j.enter("Batch")()
	j.batches = append(j.batches, b)
}

func (j *tracedJob) End(e pool.JobEnd) {
	defer j.enter("End")()
	j.ends = append(j.ends, e)
}

// only returns the one job that there was, once it has ended, and checks what holds of every one.
func (l *ledger) only(t *testing.T) *tracedJob {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Len(t, l.jobs, 1)
	j := l.jobs[0]
	l.jobs = nil
	require.Empty(t, j.wrong)
	require.Len(t, j.ends, 1, "%+v", j)
	for _, b := range j.batches {
		require.Positive(t, b.Tasks)
		require.LessOrEqual(t, b.Failed, b.Tasks)
		require.Equal(t, b.Failed > 0, b.Err != nil, "%+v", b)
		require.False(t, b.Ended.Before(b.Began))
		require.Positive(t, b.PID)
		require.Positive(t, b.Attempt)
		require.Positive(t, b.ArgBytes)
		require.Equal(t, b.First < 0, slices.Contains([]string{"Call", "Go", "Broadcast"}, j.info.API))
	}
	return j
}

// tally counts the tasks of a job's batches.
func (j *tracedJob) tally() (tasks, failed int) {
	for _, b := range j.batches {
		tasks += b.Tasks
		failed += b.Failed
	}
	return tasks, failed
}

// entry is one way to run tasks.
type entry struct {
	api string
	n   int // tasks that it runs of what it is told; 0 for all
	run func(ctx context.Context, p *pool.Pool, what []string, opts ...pool.CallOption) error
}

var entries = []entry{
	{"Call", 1, func(ctx context.Context, p *pool.Pool, what []string, opts ...pool.CallOption) error {
		_, err := pool.Call(ctx, p, tracedTask, what[0], opts...)
		return err
	}},
	{"Go", 1, func(ctx context.Context, p *pool.Pool, what []string, opts ...pool.CallOption) error {
		_, err := pool.Go(ctx, p, tracedTask, what[0], opts...).Wait(context.Background())
		return err
	}},
	{"Map", 0, func(ctx context.Context, p *pool.Pool, what []string, opts ...pool.CallOption) error {
		_, err := pool.Map(ctx, p, tracedTask, what, opts...)
		return err
	}},
	{"GoMap", 0, func(ctx context.Context, p *pool.Pool, what []string, opts ...pool.CallOption) error {
		_, err := pool.GoMap(ctx, p, tracedTask, what, opts...).Wait(context.Background())
		return err
	}},
	{"Stream", 0, func(ctx context.Context, p *pool.Pool, what []string, opts ...pool.CallOption) (last error) {
		for _, err := range pool.Stream(ctx, p, tracedTask, slices.Values(what), opts...) {
			last = errors.Join(last, err)
		}
		return last
	}},
	{"StreamUnordered", 0, func(ctx context.Context, p *pool.Pool, what []string, opts ...pool.CallOption) (last error) {
		for _, err := range pool.StreamUnordered(ctx, p, tracedTask, slices.Values(what), opts...) {
			last = errors.Join(last, err)
		}
		return last
	}},
	{"Results", 0, func(ctx context.Context, p *pool.Pool, what []string, opts ...pool.CallOption) (last error) {
		for r := range pool.Results(ctx, p, tracedTask, slices.Values(what), opts...) {
			last = errors.Join(last, r.Err)
		}
		return last
	}},
	{"Broadcast", 2, func(ctx context.Context, p *pool.Pool, what []string, opts ...pool.CallOption) error {
		rs, err := pool.Broadcast(ctx, p, tracedTask, what[0], opts...)
		for _, r := range rs {
			err = errors.Join(err, r.Err)
		}
		return err
	}},
}

func streams(api string) bool {
	return api == "Stream" || api == "StreamUnordered" || api == "Results"
}

// tracedPool is a pool of two workers with a ledger, and word of its tasks that wait.
type tracedPool struct {
	*pool.Pool
	ledger  *ledger
	waiting chan struct{}
}

func newTracedPool(t *testing.T, opts ...pool.Option) tracedPool {
	t.Helper()
	tp := tracedPool{ledger: &ledger{}, waiting: make(chan struct{}, 1000)}
	tp.Pool = pooltest.New(t, append([]pool.Option{
		pool.WithWorkers(2), pool.WithTracer(tp.ledger), pool.WithStopGrace(100 * time.Millisecond),
		pool.WithOnReport(func(worker.TaskInfo, worker.Raw) { tp.waiting <- struct{}{} }),
	}, opts...)...)
	return tp
}

func (tp tracedPool) await(t *testing.T) {
	t.Helper()
	select {
	case <-tp.waiting:
	case <-time.After(20 * time.Second):
		t.Fatal("no task has begun")
	}
}

// Whatever happens to a job, its Trace is told of all that workers began, and of one end.
func TestATracerIsToldOfEveryEnd(t *testing.T) {
	many := func(what string, n int) []string { return slices.Repeat([]string{what}, n) }
	with := func(what string) []string { // one among others
		all := many("", 40)
		all[0] = what // what Call and its kin run
		return all
	}
	for _, row := range []struct {
		name string
		what []string
		opts []pool.CallOption
		pool []pool.Option
		act  func(t *testing.T, tp tracedPool, cancel func()) // when a task waits
		fail string                                           // the error has this in it; "" for no error
		lost int                                              // attempts that failed and were followed by another
	}{
		{name: "all is well", what: many("", 40)},
		{name: "inline", what: many("", 40), pool: []pool.Option{pool.WithInline()}},
		{name: "chunks", what: many("", 40), opts: []pool.CallOption{pool.Chunk(7)}},
		{name: "the function fails", what: with("fail"), fail: "failed as told"},
		{name: "the function panics", what: with("panic"), fail: "panic: as told", opts: []pool.CallOption{pool.Chunk(9)}},
		{name: "the process dies", what: with("exit"), fail: "exit status 3", opts: []pool.CallOption{pool.Chunk(9)}},
		{name: "the process dies alone", what: with("exit"), fail: "exit status 3", opts: []pool.CallOption{pool.Chunk(1)}},
		{name: "the second attempt succeeds", what: with("exit first"), opts: []pool.CallOption{pool.Retries(1), pool.Chunk(5)}, lost: 1},
		{name: "the second attempt at what failed succeeds", what: with("fail first"), lost: 1, opts: []pool.CallOption{
			pool.Retries(1), pool.RetryIf(func(error) bool { return true }), pool.RetryDelay(time.Millisecond), pool.Chunk(5),
		}},
		{name: "the hard limit", what: with("spin"), opts: []pool.CallOption{pool.Timeout(100 * time.Millisecond)}, fail: "hard time limit"},
		{name: "the soft limit", what: with("wait"), opts: []pool.CallOption{pool.SoftTimeout(20 * time.Millisecond)}, fail: "soft time limit"},
		{
			name: "the context is cancelled", what: many("wait", 10), fail: "context canceled",
			act: func(_ *testing.T, _ tracedPool, cancel func()) { cancel() },
		},
		{
			name: "the pool is closed", what: many("wait", 10), fail: "closed",
			act: func(_ *testing.T, tp tracedPool, _ func()) { _ = tp.Close() },
		},
		{name: "the pool shuts down", what: many("wait", 3), opts: []pool.CallOption{pool.SoftTimeout(50 * time.Millisecond)}, fail: "time limit",
			act: func(t *testing.T, tp tracedPool, _ func()) {
				if err := tp.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
			}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var tp tracedPool
			for _, e := range entries {
				if tp.Pool == nil || row.act != nil {
					tp = newTracedPool(t, row.pool...)
				}
				ctx, cancel := context.WithCancel(t.Context())
				acted := make(chan struct{})
				go func() {
					defer close(acted)
					if row.act != nil {
						tp.await(t)
						row.act(t, tp, cancel)
					}
				}()
				err := e.run(ctx, tp.Pool, row.what, row.opts...)
				<-acted
				cancel()
				lost := row.lost
				if e.api == "Broadcast" && lost > 0 {
					tp.ledger.only(t) // which tries nothing again
					continue
				}
				if row.fail == "" {
					require.NoError(t, err, e.api)
				} else {
					require.ErrorContains(t, err, row.fail, e.api)
				}
				j := tp.ledger.only(t)
				require.Equal(t, e.api, j.info.API)
				end := j.ends[0]
				require.False(t, end.Left, e.api)
				if n := len(row.what); !streams(e.api) && e.n == 0 {
					require.Equal(t, n, j.info.Tasks)
				}
				if !streams(e.api) && e.api != "Broadcast" {
					require.Equal(t, row.fail == "", end.Err == nil, e.api)
				}
				if row.act != nil {
					require.NotEmpty(t, j.batches, "what ran as the job ended, by %s", e.api)
					continue
				}
				n := e.n
				if n == 0 {
					n = len(row.what)
				}
				tasks, failed := j.tally()
				require.Equal(t, n, end.Tasks, e.api)
				require.Equal(t, n+lost, tasks, "%s: %+v", e.api, j.batches)
				require.Equal(t, end.Failed+lost, failed, "%s: %+v", e.api, j.batches)
			}
		})
	}
}

func TestATracerIsToldOfWhatNeverBegan(t *testing.T) {
	tp := newTracedPool(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, e := range entries {
		require.ErrorIs(t, e.run(ended, tp.Pool, []string{""}), context.Canceled, e.api)
		j := tp.ledger.only(t)
		require.ErrorIs(t, j.ends[0].Err, context.Canceled, e.api)
		require.Empty(t, j.batches)
		require.ErrorContains(t, e.run(t.Context(), tp.Pool, []string{""}, pool.Timeout(-1)), "want 0 or more", e.api)
		require.ErrorContains(t, tp.ledger.only(t).ends[0].Err, "want 0 or more", e.api)
	}
	require.NoError(t, tp.Close())
	for _, e := range entries {
		require.ErrorIs(t, e.run(t.Context(), tp.Pool, []string{""}), pool.ErrClosed, e.api)
		require.ErrorIs(t, tp.ledger.only(t).ends[0].Err, pool.ErrClosed, e.api)
	}
}

func TestATracerIsToldHowTheConsumerLeft(t *testing.T) {
	tp := newTracedPool(t)
	forever := func(yield func(string) bool) {
		for yield("") {
		}
	}
	for range pool.Stream(t.Context(), tp.Pool, tracedTask, forever) {
		break
	}
	j := tp.ledger.only(t)
	require.True(t, j.ends[0].Left)
	require.NoError(t, j.ends[0].Err)

	require.PanicsWithValue(t, "in the loop", func() {
		for range pool.StreamUnordered(t.Context(), tp.Pool, tracedTask, forever) {
			panic("in the loop")
		}
	})
	require.True(t, tp.ledger.only(t).ends[0].Left)

	require.PanicsWithValue(t, "in the input", func() {
		for range pool.Results(t.Context(), tp.Pool, tracedTask, func(yield func(string) bool) { yield(""); panic("in the input") }) {
		}
	})
	j = tp.ledger.only(t)
	require.False(t, j.ends[0].Left)
	require.ErrorContains(t, j.ends[0].Err, "the input panicked: in the input")

	for _, err := range pool.StreamUnordered(t.Context(), tp.Pool, tracedTask, slices.Values([]string{"fail", "wait", "wait"}), pool.FailFast(), pool.Chunk(1)) {
		require.Error(t, err)
	}
	j = tp.ledger.only(t)
	require.False(t, j.ends[0].Left)
	require.ErrorContains(t, j.ends[0].Err, "failed as told")

	require.PanicsWithValue(t, "in Progress", func() {
		_, _ = pool.Map(t.Context(), tp.Pool, tracedTask, []string{"", "wait"}, pool.Progress(func(int, int, int) { panic("in Progress") }))
	})
	j = tp.ledger.only(t)
	require.ErrorContains(t, j.ends[0].Err, "a function of the caller's")
}

// A worker that is given more than it can do soon loses it to one that is idle. Each task is in one batch.
func TestATracerSeesEachTaskOnceThoughBatchesAreTakenBack(t *testing.T) {
	tp := newTracedPool(t)
	for range 5 { // until it is known that they are short
		_, err := pool.Map(t.Context(), tp.Pool, tracedTask, slices.Repeat([]string{""}, 2000))
		require.NoError(t, err)
		tp.ledger.only(t)
	}
	what := slices.Repeat([]string{""}, 3000)
	for i := range 3 {
		what[i*1000] = "wait"
	}
	_, err := pool.Map(t.Context(), tp.Pool, tracedTask, what, pool.SoftTimeout(30*time.Millisecond), pool.Chunk(900))
	require.Error(t, err)
	seen := map[int]int{}
	for _, b := range tp.ledger.only(t).batches {
		for i := range b.Tasks {
			seen[b.First+i]++
		}
	}
	require.Len(t, seen, len(what))
	for i, n := range seen {
		require.Equal(t, 1, n, "task %d", i)
	}
}

func TestCallsOfDifferentTracesDoNotShareFrames(t *testing.T) {
	tp := newTracedPool(t, pool.WithWorkers(1))
	block := pool.Go(t.Context(), tp.Pool, tracedTask, "wait")
	tp.await(t)
	var futures []*pool.Future[string]
	for range 100 {
		futures = append(futures, pool.Go(t.Context(), tp.Pool, tracedTask, ""))
	}
	block.Cancel()
	seen := map[string]bool{}
	for _, f := range futures {
		job, err := f.Wait(t.Context())
		require.NoError(t, err)
		seen[job] = true
	}
	require.Len(t, seen, 100, "each task sees what its own call sent")
}

func TestACarrierThatIsTooLongCostsNoTask(t *testing.T) {
	var log strings.Builder
	long := tracerFunc(func(context.Context, pool.JobInfo) (pool.Trace, map[string]string) {
		return nil, map[string]string{"job": strings.Repeat("x", wire.MaxCarrierBytes)}
	})
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithTracer(long), pool.WithLogger(hclog.New(&hclog.LoggerOptions{Output: &log})))
	for range 3 {
		job, err := pool.Call(t.Context(), p, tracedTask, "")
		require.NoError(t, err)
		require.Empty(t, job)
	}
	require.NoError(t, p.Close())
	require.Equal(t, 1, strings.Count(log.String(), "too large"), log.String())
}

type tracerFunc func(context.Context, pool.JobInfo) (pool.Trace, map[string]string)

func (f tracerFunc) Begin(ctx context.Context, info pool.JobInfo) (pool.Trace, map[string]string) {
	return f(ctx, info)
}

type brokenTrace struct{}

func (brokenTrace) Batch(pool.BatchInfo) { panic("in Batch") }
func (brokenTrace) End(pool.JobEnd)      { panic("in End") }

func TestATracerThatPanicsHarmsNothing(t *testing.T) {
	for name, tracer := range map[string]tracerFunc{
		"Begin": func(context.Context, pool.JobInfo) (pool.Trace, map[string]string) { panic("in Begin") },
		"Trace": func(context.Context, pool.JobInfo) (pool.Trace, map[string]string) { return brokenTrace{}, nil },
	} {
		p := pooltest.New(t, pool.WithWorkers(2), pool.WithTracer(tracer))
		for _, e := range entries {
			require.NoError(t, e.run(t.Context(), p, []string{"", ""}), "%s %s", name, e.api)
		}
	}
}

// slowTrace ends when it is let.
type slowTrace struct{ let, ended chan struct{} }

func (slowTrace) Batch(pool.BatchInfo) {}
func (s slowTrace) End(pool.JobEnd) {
	<-s.let
	close(s.ended)
}

func TestShutdownWaitsForTheTracesOfFutures(t *testing.T) {
	s := slowTrace{make(chan struct{}), make(chan struct{})}
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithTracer(tracerFunc(func(context.Context, pool.JobInfo) (pool.Trace, map[string]string) { return s, nil })))
	f := pool.Go(t.Context(), p, tracedTask, "")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, p.Shutdown(ctx), context.DeadlineExceeded)
	close(s.let)
	require.NoError(t, p.Shutdown(t.Context()))
	<-s.ended
	_, err := f.Wait(t.Context())
	require.NoError(t, err)
}

func TestCloseDoesNotWaitForATracer(t *testing.T) {
	s := slowTrace{make(chan struct{}), make(chan struct{})}
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithTracer(tracerFunc(func(context.Context, pool.JobInfo) (pool.Trace, map[string]string) { return s, nil })))
	f := pool.Go(t.Context(), p, tracedTask, "wait")
	require.NoError(t, p.Close())
	close(s.let)
	_, err := f.Wait(t.Context())
	require.ErrorIs(t, err, pool.ErrClosed)
	<-s.ended
}

func TestTheTimingOfACallIsTheTracersToo(t *testing.T) {
	tp := newTracedPool(t)
	_, err := pool.Call(t.Context(), tp.Pool, tracedTask, "")
	require.NoError(t, err)
	require.Nil(t, tp.ledger.only(t).ends[0].Timing)
	var timing pool.Timing
	_, err = pool.Call(t.Context(), tp.Pool, tracedTask, "", pool.Timed(&timing))
	require.NoError(t, err)
	require.Equal(t, timing, *tp.ledger.only(t).ends[0].Timing)
}

// A worker that does not know of carriers passes over them; tasks are told of all the same.
func TestATracerWithAWorkerInPython(t *testing.T) {
	l := &ledger{}
	p := python(t, pool.WithTracer(l))
	got, err := pool.Call(t.Context(), p, pyUpper, "abc")
	require.NoError(t, err)
	require.Equal(t, "ABC", got)
	require.Len(t, l.only(t).batches, 1)
	sums, err := pool.Map(t.Context(), p, pyAdd, slices.Repeat([]worker.Args2[int, int]{worker.Pack2(1, 2)}, 100), pool.Chunk(30))
	require.NoError(t, err)
	require.Equal(t, slices.Repeat([]int{3}, 100), sums)
	tasks, failed := l.only(t).tally()
	require.Equal(t, []int{100, 0}, []int{tasks, failed})
	_, err = pool.Call(t.Context(), p, pyDie, 3)
	require.Error(t, err)
	tasks, failed = l.only(t).tally()
	require.Equal(t, []int{1, 1}, []int{tasks, failed})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = pool.Map(ctx, p, pySleep, []float64{20})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	tasks, failed = l.only(t).tally()
	require.Equal(t, tasks, failed)
	require.LessOrEqual(t, tasks, 1) // none where the machine is so slow that it had not begun
}

func TestNewRefusesATracerThatIsNone(t *testing.T) {
	_, err := pool.New(t.Context(), pool.WithTracer(nil))
	require.ErrorContains(t, err, "WithTracer(nil): want a tracer")
}
