//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/internal/syncbuf"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// grace is the stop grace of the pools under test: long enough for an
// orderly end, short enough for tests that use it up.
const grace = 2 * time.Second * raceFactor

// bounded ends the whole run with the stacks of all goroutines if the test takes longer.
func bounded(t *testing.T, within time.Duration) {
	within *= raceFactor
	name := t.Name()
	timer := time.AfterFunc(within, func() {
		debug.SetTraceback("all")
		panic(fmt.Sprintf("%s has not ended after %v", name, within))
	})
	t.Cleanup(func() { timer.Stop() })
}

// stacks is what all goroutines are doing.
func stacks() string {
	text := make([]byte, 1<<18)
	return string(text[:runtime.Stack(text, true)])
}

// A fixture is a pool under test, with what must hold for it after any fault.
type fixture struct {
	*pool.Pool
	t testing.TB
	n int // workers that it must have in the end

	exits          chan pool.WorkerExit
	stdout, stderr *syncbuf.Buffer
	log            *syncbuf.Buffer

	spent bool // the test has broken or closed the pool for good: settle asks no more of it

	mu      sync.Mutex
	settled []func() // one for each answer that is still to be checked
}

// start returns a pool of n workers, and checks at the end of the test what
// must hold after every one.
func start(t *testing.T, n int, opts ...pool.Option) *fixture {
	t.Helper()
	f, err := tryStart(t, n, opts...)
	require.NoError(t, err)
	return f
}

// tryStart is start for pools that may not come up.
func tryStart(t *testing.T, n int, opts ...pool.Option) (*fixture, error) {
	t.Helper()
	leaktest.Check(t)
	return tryStartBeside(t, n, opts...)
}

// tryStartBeside is tryStart for tests that run in parallel, whose parent looks for leaks.
func tryStartBeside(t *testing.T, n int, opts ...pool.Option) (*fixture, error) {
	t.Helper()
	bounded(t, time.Minute)
	f := &fixture{t: t, n: n, exits: make(chan pool.WorkerExit, 1<<14), stdout: new(syncbuf.Buffer), stderr: new(syncbuf.Buffer), log: new(syncbuf.Buffer)}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the pool's log:\n%s\nstdout:\n%s\nstderr:\n%s", tail(f.log.String()), tail(f.stdout.String()), tail(f.stderr.String()))
		}
	})
	before := children(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var err error
	f.Pool, err = pool.New(ctx, append(f.options(), opts...)...)
	if err != nil {
		assert.Nil(t, f.Pool, "a pool that did not start")
		assert.ElementsMatch(t, before, children(t), "children of a pool that did not start")
		return nil, err
	}
	t.Cleanup(f.settle)
	return f, nil
}

func (f *fixture) options() []pool.Option {
	return []pool.Option{
		pool.WithWorkers(f.n),
		pool.WithStopGrace(grace),
		pool.WithStdout(f.stdout),
		pool.WithStderr(f.stderr),
		pool.WithLogger(hclog.New(&hclog.LoggerOptions{Output: f.log, Level: hclog.Debug})),
		pool.WithOnExit(func(e pool.WorkerExit) { f.exits <- e }),
	}
}

// submit is pool.Go; that the answer comes exactly once is checked at the end.
func submit[A, R any](f *fixture, fn worker.Func[A, R], arg A, opts ...pool.CallOption) *pool.Future[R] {
	future := pool.Go(context.Background(), f.Pool, fn, arg, opts...)
	follow(f, future)
	return future
}

// follow counts the answers of a future.
func follow[R any](f *fixture, future *pool.Future[R]) {
	var mu sync.Mutex
	var told []error
	future.OnDone(func(_ R, err error) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, err)
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settled = append(f.settled, func() {
		_, err := await(f.t, future)
		_, again := await(f.t, future)
		mu.Lock()
		defer mu.Unlock()
		if len(told) != 1 {
			f.t.Errorf("a call was answered %d times: %v", len(told), told)
			return
		}
		assert.Equal(f.t, err, again, "two answers to Wait")
	})
}

// await returns a future's answer; the test fails if there is none.
func await[R any](t testing.TB, future *pool.Future[R]) (R, error) {
	t.Helper()
	select {
	case <-future.Done():
	case <-time.After(patience):
		t.Fatalf("no answer after %v\n%s", patience, stacks())
	}
	return future.Wait(context.Background())
}

// call is pool.Call with a bound.
func call[A, R any](f *fixture, fn worker.Func[A, R], arg A, opts ...pool.CallOption) (R, error) {
	f.t.Helper()
	return await(f.t, submit(f, fn, arg, opts...))
}

// works verifies that the pool answers.
func (f *fixture) works() {
	f.t.Helper()
	twice, err := call(f, double, 21)
	require.NoError(f.t, err)
	require.Equal(f.t, 42, twice)
}

// meet lets n tasks wait for each other, so that they are in n processes at once, and returns
// these.
func (f *fixture) meet(n int) []int {
	f.t.Helper()
	g := newGate(f.t)
	futures := make([]*pool.Future[answer], n)
	for i := range futures {
		futures[i] = submit(f, obey, order{Index: i, Gate: g.addr})
	}
	visitors := g.gather(f.t, n)
	known := map[int]bool{}
	for _, w := range f.Workers() {
		known[w.PID] = true
	}
	seen := map[int]bool{}
	var pids []int
	for _, v := range visitors {
		assert.False(f.t, seen[v.pid], "two tasks at once in process %d", v.pid)
		// A worker that is being recycled may still run what it has while Workers names its replacement.
		assert.True(f.t, known[v.pid] || f.Stats().Recycles > 0, "process %d runs a task but Workers does not name it", v.pid)
		assert.NotContains(f.t, []string{"", "Z"}, processState(v.pid), "process %d", v.pid)
		seen[v.pid] = true
		pids = append(pids, v.pid)
	}
	for _, v := range visitors {
		v.order("")
	}
	for _, future := range futures {
		_, err := await(f.t, future)
		require.NoError(f.t, err)
	}
	return pids
}

// replaced verifies that the pool has all its workers and that none is one of the dead.
func (f *fixture) replaced(dead ...int) {
	f.t.Helper()
	pids := f.meet(f.n)
	for _, pid := range dead {
		assert.NotContains(f.t, pids, pid, "a dead worker")
	}
}

// exit returns the next end of a worker that the pool reports.
func (f *fixture) exit() pool.WorkerExit {
	f.t.Helper()
	select {
	case e := <-f.exits:
		return e
	case <-time.After(patience):
		f.t.Fatal("no worker's end was reported")
		panic("unreachable")
	}
}

// settle checks what must hold after every fault: each answer came once, the pool
// is whole, the books balance, and it ends in time and leaves nothing behind.
func (f *fixture) settle() {
	defer f.close()
	for _, check := range f.settled {
		check()
	}
	f.settled = nil
	if !f.spent && !f.t.Failed() {
		f.replaced()
		for _, check := range f.settled {
			check()
		}
		f.balance()
		ctx, cancel := context.WithTimeout(context.Background(), grace+killing)
		assert.NoError(f.t, f.Shutdown(ctx), "Shutdown")
		cancel()
	}
}

// balance verifies that every task submitted is accounted for.
func (f *fixture) balance() {
	f.t.Helper()
	var s pool.Stats
	eventually(f.t, patience, "nothing is queued or busy", func() bool {
		s = f.Stats()
		return s.Queued == 0 && s.Busy == 0
	})
	assert.EqualValues(f.t, s.Submitted, s.Completed+s.Failed+s.Cancelled, "%+v", s)
}

// close closes the pool and verifies that this is quick and leaves no worker.
func (f *fixture) close() {
	f.t.Helper()
	var watches []watch
	for _, w := range f.Workers() {
		if w.PID > 0 && w.PID != os.Getpid() && processState(w.PID) != "" {
			watches = append(watches, watchPID(f.t, w.PID))
		}
	}
	begin := time.Now()
	assert.NoError(f.t, f.Close(), "Close")
	assert.Less(f.t, time.Since(begin), killing, "Close")
	for _, w := range watches {
		assert.False(f.t, w.running(), "process %d after Close", w.pid)
	}
	assert.NoError(f.t, f.Close(), "second Close")
}

// A fate is what a task's error must say about its process. Zero fields are not asked for.
type fate struct {
	code   int
	signal syscall.Signal
	reason pool.ExitReason
	stderr string // must be part of the tail
}

// check verifies that err says that a process died under the task, and how.
func (want fate) check(t testing.TB, err error) *pool.ExitError {
	t.Helper()
	var exit *pool.ExitError
	if !assert.ErrorAs(t, err, &exit) {
		return nil
	}
	taskError(t, err)
	assert.NotNil(t, exit.State, "State")
	if want.signal != 0 {
		assert.Equal(t, want.signal, exit.Signal, "Signal of %v", err)
		assert.Contains(t, err.Error(), "signal: "+want.signal.String())
	} else {
		assert.Equal(t, want.code, exit.Code, "Code of %v", err)
		assert.Nil(t, exit.Signal, "Signal of %v", err)
	}
	if want.reason != "" {
		assert.Equal(t, want.reason, exit.Reason, "Reason of %v", err)
	}
	if want.stderr != "" {
		assert.Contains(t, string(exit.Stderr), want.stderr, "Stderr of %v", err)
	}
	assert.LessOrEqual(t, len(exit.Stderr), 16<<10, "Stderr")
	assert.LessOrEqual(t, len(err.Error()), 4<<10, "text")
	return exit
}

// taskError verifies that an error speaks of one task and says where it ran.
func taskError(t testing.TB, err error) *pool.TaskError {
	t.Helper()
	var task *pool.TaskError
	if assert.ErrorAs(t, err, &task) {
		assert.NotEmpty(t, task.Func, "Func")
		assert.Contains(t, err.Error(), task.Func)
	}
	return task
}

// An outcome checks the error of one task.
type outcome func(t testing.TB, err error)

func dies(f fate) outcome { return func(t testing.TB, err error) { t.Helper(); f.check(t, err) } }

// fails returns an outcome: an error of type E, inside a TaskError, whose text contains text.
func fails[E error](text string) outcome {
	return func(t testing.TB, err error) {
		t.Helper()
		var target E
		if assert.ErrorAs(t, err, &target) {
			assert.Contains(t, err.Error(), text)
			taskError(t, err)
		}
	}
}

// onSide is fails for what did not encode or decode.
func onSide(side string) outcome {
	return func(t testing.TB, err error) {
		t.Helper()
		var enc *pool.EncodeError
		var dec *pool.DecodeError
		switch {
		case errors.As(err, &enc):
			assert.Equal(t, side, enc.Side, "%v", err)
		case errors.As(err, &dec):
			assert.Equal(t, side, dec.Side, "%v", err)
		default:
			t.Errorf("%v (%T) is neither an EncodeError nor a DecodeError", err, err)
		}
	}
}

// tail is the end of a text that may be long.
func tail(text string) string {
	const most = 8 << 10
	if len(text) <= most {
		return text
	}
	return "..." + text[len(text)-most:]
}
