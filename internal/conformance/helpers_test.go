//go:build unix

package conformance_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"runtime"
	"syscall"
	"testing"
	"time"
	"weak"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
)

const (
	// limit ends a test that hangs. It is far above what any test takes, so
	// that a busy machine does not fail one.
	limit = 30 * time.Second
	// prompt is what "at once" may cost on a busy machine.
	prompt = 3 * time.Second
)

// A mode is one of the two ways to run tasks.
type mode struct {
	name   string
	inline bool
}

var (
	processes = mode{name: "process"}
	inline    = mode{name: "inline", inline: true}
)

// each runs body with worker processes and inline.
func each(t *testing.T, body func(*testing.T, mode)) {
	t.Helper()
	for _, m := range []mode{processes, inline} {
		t.Run(m.name, func(t *testing.T) { bounded(t, func() { body(t, m) }) })
	}
}

// inProcesses runs body with worker processes alone.
func inProcesses(t *testing.T, body func(*testing.T, mode)) {
	t.Helper()
	bounded(t, func() { body(t, processes) })
}

// pool returns a pool of n that is closed when the test ends. Logs and what
// workers write to stderr are dropped unless opts say otherwise.
func (m mode) pool(t testing.TB, n int, opts ...pool.Option) *pool.Pool {
	t.Helper()
	p := m.loose(t, n, opts...)
	t.Cleanup(func() { closed(t, p) })
	return p
}

// loose returns a pool of n that nothing refers to but its caller.
func (m mode) loose(t testing.TB, n int, opts ...pool.Option) *pool.Pool {
	t.Helper()
	p, err := pool.New(t.Context(), m.options(n, opts)...)
	require.NoError(t, err)
	return p
}

func (m mode) options(n int, opts []pool.Option) []pool.Option {
	all := []pool.Option{
		pool.WithWorkers(n),
		pool.WithLogger(hclog.NewNullLogger()),
		pool.WithStderr(io.Discard),
	}
	if m.inline {
		all = append(all, pool.WithInline())
	}
	return append(all, opts...)
}

// closed closes p and insists on a prompt return.
func closed(t testing.TB, p *pool.Pool) {
	t.Helper()
	within(t, 2*prompt, "Close", func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

// shut shuts p down and insists on success.
func shut(t testing.TB, p *pool.Pool, opts ...pool.ShutdownOption) {
	t.Helper()
	within(t, limit/2, "Shutdown", func() {
		if err := p.Shutdown(t.Context(), opts...); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

// bounded runs a test's body. A body that hangs fails with the stacks of all
// goroutines, and the tests after it still run.
func bounded(t testing.TB, body func()) {
	t.Helper()
	within(t, limit, "the test", body)
	if t.Failed() {
		t.FailNow() // the body's FailNow ended the body's goroutine only
	}
}

// within runs do and fails, with the stacks of all goroutines, when it takes
// longer than d. It returns how long do took.
func within(t testing.TB, d time.Duration, what string, do func()) time.Duration {
	t.Helper()
	began := time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		t.Fatalf("%s did not return in %v\n\n%s", what, d, stacks())
	}
	return time.Since(began)
}

func stacks() []byte {
	buf := make([]byte, 1<<20)
	return buf[:runtime.Stack(buf, true)]
}

// eventually waits for something that happens by itself, and that nothing
// announces.
func eventually(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(limit / 2); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("did not happen: %s\n\n%s", what, stacks())
		}
	}
}

// answered waits for f, for a bounded time that is not the test's context's.
func answered[R any](t testing.TB, f *pool.Future[R]) (R, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit/2)
	defer cancel()
	r, err := f.Wait(ctx)
	if ctx.Err() != nil {
		t.Fatalf("the future has no answer\n\n%s", stacks())
	}
	return r, err
}

// ended returns a context that has ended already.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// A pair is what a Stream yields.
type pair[R any] struct {
	value R
	err   error
}

// pairs collects all that seq yields.
func pairs[R any](seq iter.Seq2[R, error]) (all []pair[R]) {
	for r, err := range seq {
		all = append(all, pair[R]{r, err})
	}
	return all
}

// values collects what seq yields up to its first error, which it returns
// too, and likewise an error that the input panicked with.
func values[R any](seq iter.Seq2[R, error]) (vs []R, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked{v}
		}
	}()
	for r, err := range seq {
		if err != nil {
			return vs, err
		}
		vs = append(vs, r)
	}
	return vs, nil
}

// panicked is a panic that reached the loop over a stream.
type panicked struct{ value any }

func (p panicked) Error() string { return "panic in the loop" }

func (p panicked) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

// all collects a stream that has no errors.
func all[R any](t testing.TB, seq iter.Seq2[R, error]) []R {
	t.Helper()
	vs, err := values(seq)
	require.NoError(t, err)
	return vs
}

// upTo is 0 .. n-1.
func upTo(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// squares is 0, 1, 4, ... of n numbers.
func squares(n int) []int {
	s := upTo(n)
	for i := range s {
		s[i] *= s[i]
	}
	return s
}

// count is 0 .. n-1 as an input.
func count(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// pids returns the processes of p, one per slot.
func pids(p *pool.Pool) []int {
	var s []int
	for _, w := range p.Workers() {
		s = append(s, w.PID)
	}
	return s
}

// distinct returns how many different values s has.
func distinct[T comparable](s []T) int {
	m := map[T]bool{}
	for _, v := range s {
		m[v] = true
	}
	return len(m)
}

// alive reports whether a process exists, a zombie included.
func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// gone fails if one of the processes still exists.
func gone(t testing.TB, pids []int) {
	t.Helper()
	require.NotEmpty(t, pids)
	for _, pid := range pids {
		if pid == 0 {
			continue // a slot that has no process any more
		}
		require.False(t, alive(pid), "process %d is still there", pid)
	}
}

// collected waits until the garbage collector has taken what all of ws point
// to.
func collected[T any](t testing.TB, what string, ws ...weak.Pointer[T]) {
	t.Helper()
	require.NotEmpty(t, ws)
	eventually(t, what+" is garbage", func() bool {
		runtime.GC()
		for _, w := range ws {
			if w.Value() != nil {
				return false
			}
		}
		return true
	})
}
