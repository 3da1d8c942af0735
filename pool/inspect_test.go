package pool_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/pooltest"
	"github.com/procpool/procpool/worker"
)

// What tasks are looked at in. Each reports when it has begun.
var (
	inspectSpin = worker.Register("pool_test.spin", func(ctx context.Context, _ int) (int, error) {
		return 0, begin(ctx, spinForEver)
	})
	inspectHang = worker.Register("pool_test.hang", func(ctx context.Context, _ int) (int, error) {
		return 0, begin(ctx, hangForEver)
	})
	inspectObey = worker.Register("pool_test.obey", func(ctx context.Context, n int) (int, error) {
		return n, begin(ctx, func() error { return obeyForEver(ctx) })
	})
	inspectTiny = worker.Register("pool_test.tiny", func(_ context.Context, n int) (int, error) { return n + 1, nil })
	inspectMany = worker.Register("pool_test.many", func(ctx context.Context, n int) (int, error) {
		go pprof.Do(ctx, pprof.Labels("own", "label"), func(context.Context) { _ = hangForEver() })
		for range n - 1 {
			go func() { _ = hangForEver() }()
		}
		return n, nil
	})
)

//go:noinline
func spinForEver() error {
	for n := uint64(1); ; n = n*3 + 1 {
		if n == 0 { // never: it is odd, then even, then odd
			return nil
		}
	}
}

//go:noinline
func hangForEver() error { select {} }

//go:noinline
func obeyForEver(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

func begin(ctx context.Context, f func() error) error {
	worker.Report(ctx, 0)
	return f()
}

// begun is where a pool tells of tasks that have begun.
type begun chan worker.TaskInfo

func (b begun) option() pool.Option {
	return pool.WithOnReport(func(info worker.TaskInfo, _ worker.Raw) { b <- info })
}

// busy returns a pool with a task in every worker, and where they are.
func busy(t *testing.T, fn worker.Func[int, int], workers int, opts ...pool.Option) (*pool.Pool, []worker.TaskInfo, []*pool.Future[int]) {
	t.Helper()
	began := make(begun, workers)
	p := pooltest.New(t, append([]pool.Option{pool.WithWorkers(workers), began.option()}, opts...)...)
	var tasks []worker.TaskInfo
	var futures []*pool.Future[int]
	for i := range workers {
		futures = append(futures, pool.Go(t.Context(), p, fn, i))
		tasks = append(tasks, <-began)
	}
	return p, tasks, futures
}

// unzipped is the protocol buffer in a profile.
func unzipped(t *testing.T, profile []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(profile))
	require.NoError(t, err)
	text, err := io.ReadAll(z)
	require.NoError(t, err)
	return string(text)
}

// inTable is a string as it stands in a profile's table of strings: field 6, its length, and itself.
func inTable(s string) string { return string([]byte{0x32, byte(len(s))}) + s }

func TestACPUProfileOfAWorkerInAnEndlessLoopNamesItsFunctionAndItsSlot(t *testing.T) {
	p, tasks, _ := busy(t, inspectSpin, 2)
	for _, task := range tasks {
		var text string
		require.Eventually(t, func() bool { // a worker that has had no processor meanwhile has no sample
			data, err := p.Profile(t.Context(), task.Slot, "cpu", 200*time.Millisecond)
			require.NoError(t, err)
			text = unzipped(t, data)
			return strings.Contains(text, "pool_test.spinForEver")
		}, 30*time.Second, time.Millisecond)
		for _, want := range []string{"func", task.Func, "slot", fmt.Sprint(task.Slot), "samples", "nanoseconds"} {
			require.Contains(t, text, inTable(want))
		}
		require.NotContains(t, text, inTable(fmt.Sprint(1-task.Slot)))
	}
	require.Equal(t, 2, p.Stats().Running)
}

func TestEveryKindOfProfileIsToBeHadOfAWorkerThatIsIdleOneThatIsBusyAndInline(t *testing.T) {
	idle := pooltest.New(t, pool.WithWorkers(1))
	working, _, _ := busy(t, inspectHang, 1)
	inline := pooltest.New(t, pool.WithWorkers(1), pool.WithInline())
	for name, p := range map[string]*pool.Pool{"idle": idle, "busy": working, "inline": inline} {
		for _, kind := range []string{"cpu", "heap", "allocs", "goroutine", "threadcreate", "block", "mutex"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				data, err := p.Profile(t.Context(), 0, kind, time.Millisecond)
				require.NoError(t, err)
				require.Contains(t, unzipped(t, data), inTable("count"))
			})
		}
		text, err := p.Goroutines(t.Context(), 0)
		require.NoError(t, err)
		require.Contains(t, text, "goroutine 1 [")
	}
}

// requireStack waits until a goroutine of the worker of slot 0 is in a function: a task is on its way there when it says that it has begun.
func requireStack(t *testing.T, p *pool.Pool, function string) {
	t.Helper()
	var text string
	require.Eventually(t, func() bool {
		var err error
		text, err = p.Goroutines(t.Context(), 0)
		require.NoError(t, err)
		return strings.Contains(text, function)
	}, 20*time.Second, time.Millisecond, "%s", text)
}

func TestTheGoroutinesOfAnEndlessLoopShowWhereItIs(t *testing.T) {
	for _, procs := range []int{1, 2} {
		p, _, _ := busy(t, inspectSpin, 1, pool.WithWorkerProcs(procs))
		requireStack(t, p, "pool_test.spinForEver")
	}
}

func TestGoroutinesThatATaskStartsHaveItsLabelsAndMayHaveTheirOwn(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1))
	_, err := pool.Call(t.Context(), p, inspectMany, 2)
	require.NoError(t, err)
	_, err = pool.Call(t.Context(), p, inspectTiny, 2)
	require.NoError(t, err)
	data, err := p.Profile(t.Context(), 0, "goroutine", 0)
	require.NoError(t, err)
	text := unzipped(t, data)
	for _, want := range []string{"func", "pool_test.many", "pool_test.tiny", "own", "label"} {
		require.Contains(t, text, inTable(want))
	}
}

func TestAnAnswerOfManyMebibytesArrivesWholeAndIsBounded(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1))
	for _, n := range []int{10_000, 40_000} {
		_, err := pool.Call(t.Context(), p, inspectMany, n)
		require.NoError(t, err)
		text, err := p.Goroutines(t.Context(), 0)
		require.NoError(t, err)
		if n == 10_000 {
			require.Greater(t, len(text), 2<<20)
			require.Equal(t, n, strings.Count(text, "pool_test.hangForEver"))
			continue
		}
		require.Greater(t, len(text), 8<<20)
		require.LessOrEqual(t, len(text), 8<<20+5)
		require.True(t, strings.HasSuffix(text, "\n...\n"))
	}
}

func TestRequestsThatCannotBeAreRefusedWithAReason(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithSpare(1))
	closed := pooltest.New(t, pool.WithWorkers(1))
	require.NoError(t, closed.Close())
	inline := pooltest.New(t, pool.WithWorkers(1), pool.WithInline())
	idlers := pooltest.New(t, pool.WithWorkers(1), pool.WithIdleTimeout(0, time.Millisecond))
	require.Eventually(t, func() bool {
		_, err := idlers.Goroutines(t.Context(), 0)
		return err != nil && strings.Contains(err.Error(), "no process")
	}, 20*time.Second, time.Millisecond)
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	ctx := t.Context()
	profile := func(p *pool.Pool, slot int, kind string, d time.Duration) error {
		_, err := p.Profile(ctx, slot, kind, d)
		return err
	}
	goroutines := func(ctx context.Context, p *pool.Pool, slot int) error {
		_, err := p.Goroutines(ctx, slot)
		return err
	}
	own := p.Workers()[0].PID
	for _, test := range []struct {
		name string
		err  error
		is   error // nil: any
		says string
	}{
		{"unknown kind", profile(p, 0, "dogs", 1), nil, `no profile "dogs"; there are cpu, heap, allocs, goroutine, threadcreate, block, mutex`},
		{"no time", profile(p, 0, "cpu", 0), nil, "want more than 0"},
		{"negative time", profile(p, 0, "cpu", -time.Second), nil, "want more than 0"},
		{"all time", profile(p, 0, "cpu", 1<<63-1), nil, "at most 1h"},
		{"unknown slot", profile(p, 7, "heap", 0), nil, "procpool: Profile: there is no slot 7"},
		{"unknown slot", goroutines(ctx, p, 7), nil, "procpool: Goroutines: there is no slot 7"},
		{"negative slot", goroutines(ctx, p, -7), nil, "there is no slot -7"},
		{"spare", goroutines(ctx, p, -1), nil, "a spare is in no slot"},
		{"parked", goroutines(ctx, idlers, 0), nil, "slot 0 has no process now: there was nothing to do"},
		{"closed", profile(closed, 0, "heap", 0), pool.ErrClosed, ""},
		{"closed", goroutines(ctx, closed, 0), pool.ErrClosed, ""},
		{"context", goroutines(ended, p, 0), context.Canceled, "enough"},

		{"kill, closed", closed.KillWorker(0, 1), pool.ErrClosed, ""},
		{"kill, inline", inline.KillWorker(0, inline.Workers()[0].PID), errors.ErrUnsupported, "KillWorker: there are no processes"},
		{"kill, unknown slot", p.KillWorker(7, own), nil, fmt.Sprintf("KillWorker(7, %d): there is no slot 7", own)},
		{"kill, no pid", p.KillWorker(0, 0), nil, fmt.Sprintf("the process of the slot is %d", own)},
		{"kill, all", p.KillWorker(0, -1), nil, fmt.Sprintf("the process of the slot is %d", own)},
		{"kill, init", p.KillWorker(0, 1), nil, fmt.Sprintf("the process of the slot is %d", own)},
		{"kill, the slot of a spare", p.KillWorker(-1, own), nil, "no such spare"},
		{"kill, parked", idlers.KillWorker(0, 1), nil, "slot 0 has no process now"},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Error(t, test.err)
			if test.is != nil {
				require.ErrorIs(t, test.err, test.is)
			}
			require.ErrorContains(t, test.err, test.says)
		})
	}
	require.Equal(t, own, p.Workers()[0].PID, "nobody has come to harm")
}

func TestAWorkerThatCannotBeLookedIntoSaysSo(t *testing.T) {
	p := python(t)
	_, err := p.Profile(t.Context(), 0, "heap", 0)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, "does not say in its hello that it can be looked into")
	_, err = p.Goroutines(t.Context(), 1)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	pid := p.Workers()[0].PID
	require.NoError(t, p.KillWorker(0, pid), "but it can be killed")
	require.Eventually(t, func() bool { return p.Workers()[0].PID != pid }, 20*time.Second, time.Millisecond)
	_, err = pool.Call(t.Context(), p, pyUpper, "x")
	require.NoError(t, err)
}

func TestAHundredRequestsAtOnceTakeTurnsWhileTasksGoOn(t *testing.T) {
	for name, opts := range map[string][]pool.Option{"processes": nil, "inline": {pool.WithInline()}} {
		t.Run(name, func(t *testing.T) {
			p := pooltest.New(t, append(opts, pool.WithWorkers(2))...)
			ctx, cancel := context.WithCancel(t.Context())
			var load, wg sync.WaitGroup
			load.Go(func() {
				for n := range pool.Stream(ctx, p, inspectTiny, func(yield func(int) bool) {
					for i := 0; ctx.Err() == nil && yield(i); i++ {
					}
				}) {
					_ = n
				}
			})
			kinds := []string{"cpu", "heap", "allocs", "goroutine", "threadcreate", "block", "mutex"}
			slots, n := 2, 100
			if name == "inline" {
				slots, n = 1, 20 // there is one CPU profile at a time in a process
			}
			failed := make([]error, n)
			for i := range failed {
				wg.Go(func() {
					slot := i % slots
					var data []byte
					if data, failed[i] = p.Profile(ctx, slot, kinds[i%len(kinds)], time.Millisecond); failed[i] == nil && len(data) < 50 {
						failed[i] = fmt.Errorf("%d bytes", len(data))
					}
				})
			}
			wg.Wait()
			cancel()
			load.Wait()
			require.NoError(t, errors.Join(failed...))
		})
	}
}

func TestARequestEndsWithItsContextAndTheNextOneIsAnswered(t *testing.T) {
	leaktest.Check(t)
	for _, opts := range [][]pool.Option{nil, {pool.WithInline()}} {
		p := pooltest.New(t, append(opts, pool.WithWorkers(1))...)
		for range 3 {
			first, second := make(chan error, 1), make(chan error, 1)
			ctx, cancel := context.WithCancel(t.Context())
			waiting, leave := context.WithCancel(t.Context())
			go func() {
				_, err := p.Profile(ctx, 0, "cpu", time.Hour)
				first <- err
			}()
			go func() {
				_, err := p.Profile(waiting, 0, "cpu", time.Hour)
				second <- err
			}()
			time.Sleep(time.Millisecond) // whichever comes first, sent or not
			leave()
			require.ErrorIs(t, <-second, context.Canceled)
			cancel()
			require.ErrorIs(t, <-first, context.Canceled)
			text, err := p.Goroutines(t.Context(), 0)
			require.NoError(t, err)
			require.NotEmpty(t, text)
		}
		require.NoError(t, p.Close())
	}
}

func TestARequestEndsWithItsWorker(t *testing.T) {
	for name, end := range map[string]func(p *pool.Pool, task worker.TaskInfo) error{
		"killed": func(p *pool.Pool, task worker.TaskInfo) error { return p.KillWorker(task.Slot, task.PID) },
		"closed": func(p *pool.Pool, _ worker.TaskInfo) error { return p.Close() },
		"shutdown": func(p *pool.Pool, _ worker.TaskInfo) error {
			return p.Shutdown(context.Background(), pool.DropQueued())
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, tasks, futures := busy(t, inspectObey, 1)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			asked, waiting := make(chan error, 1), make(chan error, 2)
			ask := func(answer chan error) {
				_, err := p.Profile(ctx, 0, "cpu", time.Hour)
				answer <- err
			}
			sent := p.Stats().BytesSent
			go ask(asked)
			for p.Stats().BytesSent == sent {
				time.Sleep(time.Millisecond)
			}
			for range cap(waiting) { // or too late, and then they are refused, or time ends them
				go ask(waiting)
			}
			if name == "shutdown" {
				futures[0].Cancel()
			}
			require.NoError(t, end(p, tasks[0]))
			err := <-asked
			switch name {
			case "closed":
				require.ErrorIs(t, err, pool.ErrClosed)
			case "killed":
				require.ErrorContains(t, err, fmt.Sprintf("worker of slot 0 (pid %d): it ended before it had answered: signal", tasks[0].PID))
			default:
				require.Error(t, err)
			}
			for range cap(waiting) {
				require.Error(t, <-waiting)
			}
		})
	}
}

func TestAWorkerCanBeLookedIntoWhileThePoolDrains(t *testing.T) {
	p, _, futures := busy(t, inspectObey, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.Shutdown(ctx), context.Canceled)
	requireStack(t, p, "pool_test.obeyForEver")
	futures[0].Cancel()
	require.NoError(t, p.Shutdown(t.Context()))
	_, err := p.Goroutines(t.Context(), 0)
	require.ErrorIs(t, err, pool.ErrClosed)
}

// inspectInit hangs where there is a file of that name.
var inspectInit = worker.Register("pool_test.initHang", func(_ context.Context, path string) (int, error) {
	if _, err := os.Stat(path); err == nil {
		return 0, hangForEver()
	}
	return 0, nil
})

func TestAWorkerCanBeLookedIntoAndKilledInItsInitializer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hang")
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithInitializer(inspectInit, path))
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	resized := make(chan error, 1)
	go func() { resized <- p.Resize(context.Background(), 2) }()
	var text string
	require.Eventually(t, func() bool {
		var err error
		text, err = p.Goroutines(t.Context(), 1)
		return err == nil && strings.Contains(text, "pool_test.hangForEver")
	}, 20*time.Second, time.Millisecond, "%s", text)
	starting := p.Workers()[1]
	require.Equal(t, pool.StateStarting, starting.State)
	require.NoError(t, os.Remove(path))
	require.NoError(t, p.KillWorker(1, starting.PID))
	err := <-resized
	var failed *pool.StartError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "init", failed.Stage)
	require.ErrorContains(t, err, "killed by KillWorker")
	got, err := pool.Broadcast(t.Context(), p, inspectTiny, 1)
	require.NoError(t, err)
	require.Len(t, got, 2)
}

func TestKillingAWorkerUnderLoadLosesExactlyTheTaskThatItRuns(t *testing.T) {
	const n, doomed = 3000, 1234
	for round := range 3 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			began := make(begun, 1)
			p := pooltest.New(t, pool.WithWorkers(2), began.option())
			args := make([]int, n)
			for i := range args {
				args[i] = i
			}
			args[doomed] = -1
			killed := make(chan error, 1)
			go func() {
				task := <-began
				killed <- p.KillWorker(task.Slot, task.PID)
			}()
			got, err := pool.Map(t.Context(), p, inspectOrHang, args)
			require.NoError(t, <-killed)
			var failed pool.Errors
			require.ErrorAs(t, err, &failed)
			require.Len(t, failed, 1)
			require.Equal(t, doomed, failed[0].Index)
			var exit *pool.ExitError
			require.ErrorAs(t, failed[0], &exit)
			require.Equal(t, pool.ReasonSignal, exit.Reason)
			require.ErrorContains(t, exit.Err, "killed by KillWorker")
			require.ErrorContains(t, err, "killed by KillWorker")
			require.NotContains(t, err.Error(), "out of memory")
			for i, v := range got {
				if i != doomed {
					require.Equal(t, i+1, v)
				}
			}
			s := p.Stats()
			require.Equal(t, []int{n - 1, 1, 0}, []int{s.Completed, s.Failed, s.Running + s.Queued + s.Cancelled})
		})
	}
}

var inspectOrHang = worker.Register("pool_test.orHang", func(ctx context.Context, n int) (int, error) {
	if n < 0 {
		return 0, begin(ctx, hangForEver)
	}
	return n + 1, nil
})

func TestATaskWhoseWorkerIsKilledHasAnotherAttemptIfItHasRetries(t *testing.T) {
	began := make(begun, 2)
	p := pooltest.New(t, pool.WithWorkers(1), began.option())
	f := pool.Go(t.Context(), p, inspectObey, 5, pool.Retries(1))
	for attempt := 1; attempt <= 2; attempt++ {
		task := <-began
		require.Equal(t, attempt, task.Attempt)
		require.NoError(t, p.KillWorker(task.Slot, task.PID))
	}
	_, err := f.Wait(t.Context())
	var exit *pool.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, pool.ReasonSignal, exit.Reason)
}

func TestASpareIsKilledAndReplaced(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithSpare(1))
	spare := func() int {
		for _, w := range p.Workers() {
			if w.State == pool.StateSpare {
				return w.PID
			}
		}
		return 0
	}
	require.Eventually(t, func() bool { return spare() != 0 }, 20*time.Second, time.Millisecond)
	pid := spare()
	require.NoError(t, p.KillWorker(-1, pid))
	require.Eventually(t, func() bool { return spare() != 0 && spare() != pid }, 20*time.Second, time.Millisecond)
	require.Error(t, p.KillWorker(-1, pid))
}

// Whoever looks at Workers and then kills may be late by any number of processes. He never hits another.
func TestKillsThatRaceWithEndsAndRestartsHitTheRightProcessOrNone(t *testing.T) {
	var mu sync.Mutex
	reasons := map[int]pool.ExitReason{}
	p := pooltest.New(t, quiet(), pool.WithWorkers(3), pool.WithRestartLimit(10_000, time.Minute), pool.WithMaxTasksPerWorker(50),
		pool.WithOnExit(func(e pool.WorkerExit) {
			mu.Lock()
			defer mu.Unlock()
			reasons[e.PID] = e.Reason
		}))
	var wg sync.WaitGroup
	var asked sync.Map
	end := time.Now().Add(time.Second)
	for range 4 {
		wg.Go(func() {
			for time.Now().Before(end) {
				for _, w := range p.Workers() {
					if rand.IntN(10) == 0 {
						asked.Store(w.PID, true)
						_ = p.KillWorker(w.Slot, w.PID)
					}
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	for time.Now().Before(end) {
		if _, err := pool.Call(t.Context(), p, inspectTiny, 1); err != nil {
			var exit *pool.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, pool.ReasonSignal, exit.Reason, "%v", err)
		}
	}
	wg.Wait()
	require.NoError(t, p.Shutdown(t.Context()))
	mu.Lock()
	defer mu.Unlock()
	for pid, reason := range reasons {
		if reason == pool.ReasonSignal {
			_, ok := asked.Load(pid)
			require.True(t, ok, "%d was killed, and nobody asked for it", pid)
		} else {
			require.Contains(t, []pool.ExitReason{pool.ReasonRetired, pool.ReasonStopped}, reason)
		}
	}
	require.Contains(t, slices.Collect(maps.Values(reasons)), pool.ReasonSignal)
}

func TestAWorkerThatIsKeptFromEverythingCanBeLookedInto(t *testing.T) {
	p, _, _ := busy(t, inspectSpin, 1, pool.WithHardening(pool.Hardening{Files: pool.BestEffort, Network: pool.BestEffort, Signals: pool.BestEffort, OpenFiles: 64}))
	for _, kind := range []string{"cpu", "heap"} {
		data, err := p.Profile(t.Context(), 0, kind, 100*time.Millisecond)
		require.NoError(t, err)
		require.Contains(t, unzipped(t, data), inTable("count"))
	}
	requireStack(t, p, "pool_test.spinForEver")
}
