//go:build unix

package conformance_test

import (
	"bytes"
	"runtime"
	"slices"
	"testing"
	"weak"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/syncbuf"
	"github.com/procpool/procpool/pool"
)

// refuses checks that a closed pool takes nothing in.
func refuses(t *testing.T, p *pool.Pool) {
	t.Helper()
	ctx := t.Context()
	_, err := pool.Call(ctx, p, sqr, 1)
	require.ErrorIs(t, err, pool.ErrClosed, "Call")
	_, err = answered(t, pool.Go(ctx, p, sqr, 1))
	require.ErrorIs(t, err, pool.ErrClosed, "Go")
	_, err = pool.Map(ctx, p, sqr, []int{1})
	require.ErrorIs(t, err, pool.ErrClosed, "Map")
	_, err = answered(t, pool.GoMap(ctx, p, sqr, []int{1}))
	require.ErrorIs(t, err, pool.ErrClosed, "GoMap")
	require.ErrorIs(t, refused(t, pool.Stream(ctx, p, sqr, count(1))), pool.ErrClosed, "Stream")
	require.ErrorIs(t, refused(t, pool.StreamUnordered(ctx, p, sqr, count(1))), pool.ErrClosed, "StreamUnordered")
	results := slices.Collect(pool.Results(ctx, p, sqr, count(1)))
	require.Len(t, results, 1, "Results")
	require.ErrorIs(t, results[0].Err, pool.ErrClosed, "Results")
	require.Equal(t, -1, results[0].Index, "Results")
	_, err = pool.Broadcast(ctx, p, sqr, 1)
	require.ErrorIs(t, err, pool.ErrClosed, "Broadcast")
	require.ErrorIs(t, p.Resize(ctx, 2), pool.ErrClosed, "Resize")
}

func TestC021ThePoolHasAsManyWorkersAsAskedFor(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		for _, n := range []int{-1, 0} {
			_, err := pool.New(t.Context(), m.options(n, nil)...)
			require.ErrorContains(t, err, "WithWorkers")
		}
		p := m.pool(t, 3)
		require.Len(t, p.Workers(), 3)
		require.Equal(t, 3, p.Stats().Workers)
		if !m.inline {
			require.Equal(t, 3, distinct(pids(p)))
		}
	})
}

func TestC022CloseDoesNotWaitForWhatIsQueued(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 3)
		g := newGate(t)
		fs := make([]*pool.Future[int], 10_000)
		for i := range fs {
			fs[i] = pool.Go(t.Context(), p, visiting, g.visit("for ever"))
		}
		g.wait(t, 3)
		within(t, prompt, "Close", func() { _ = p.Close() })
		for _, f := range fs {
			_, err := answered(t, f)
			require.Equal(t, pool.ErrClosed, err) // bare
		}
	})
}

func TestC023AnEmptyInputHasAnEmptyResult(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 1)
		for _, empty := range [][]int{nil, {}} {
			got, err := pool.Map(t.Context(), p, sqr, empty)
			require.NoError(t, err)
			require.Equal(t, []int{}, got)
			got, err = pool.GoMap(t.Context(), p, sqr, empty).Wait(t.Context())
			require.NoError(t, err)
			require.Equal(t, []int{}, got)
		}
		require.Empty(t, pairs(pool.Stream(t.Context(), p, sqr, count(0))))
		require.Empty(t, pairs(pool.StreamUnordered(t.Context(), p, sqr, count(0))))
		require.Empty(t, slices.Collect(pool.Results(t.Context(), p, sqr, count(0))))
		shut(t, p)
	})
}

func TestC024AfterADeferredCloseNothingIsTaken(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := func() *pool.Pool {
			p := m.loose(t, 4)
			defer closed(t, p)
			got, err := pool.Map(t.Context(), p, sqr, upTo(10))
			require.NoError(t, err)
			require.Equal(t, squares(10), got)
			return p
		}()
		refuses(t, p)
	})
}

// runPayloads maps ten objects and returns them and their results, weakly.
//
//go:noinline
func runPayloads(t *testing.T, p *pool.Pool) (ws []weak.Pointer[payload]) {
	args := make([]*payload, 10)
	for i := range args {
		args[i] = newPayload(i)
		ws = append(ws, weak.Make(args[i]))
	}
	results, err := pool.Map(t.Context(), p, echoPayload, args)
	require.NoError(t, err)
	for i, r := range results {
		require.Equal(t, *args[i], *r)
		ws = append(ws, weak.Make(r))
	}
	return ws
}

func TestC029ThePoolKeepsNeitherArgumentsNorResults(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		collected(t, "the map", runPayloads(t, p)...)
		require.Len(t, p.Workers(), 4) // p is alive
	})
}

func TestC030APoolThatNoLongerRunsRefusesEverything(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 1)
		shut(t, p)
		refuses(t, p)
		closed(t, p)
		refuses(t, p)
	})
}

// dropped starts a pool, lets use have it, and forgets it.
//
//go:noinline
func dropped(t *testing.T, m mode, use func(*pool.Pool), opts ...pool.Option) (procs []int) {
	p := m.loose(t, 2, opts...)
	use(p)
	return pids(p)
}

// departed waits, collecting garbage, until dropped pools are gone, their
// processes and their goroutines. No other pool may be there.
func departed(t *testing.T, m mode, procs []int) {
	t.Helper()
	eventually(t, "the workers ended", func() bool {
		runtime.GC()
		if !m.inline && slices.ContainsFunc(procs, alive) {
			return false
		}
		return !bytes.Contains(stacks(), []byte("procpool/procpool/pool."))
	})
}

func TestC031ADroppedPoolIsClosedWithAWarning(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		var log syncbuf.Buffer
		logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: &log})
		procs := dropped(t, m, func(p *pool.Pool) {
			_, err := pool.Call(t.Context(), p, sqr, 1)
			require.NoError(t, err)
		}, pool.WithLogger(logger))
		eventually(t, "a warning was logged", func() bool {
			runtime.GC()
			return len(log.String()) > 0
		})
		require.Contains(t, log.String(), "[WARN]")
		departed(t, m, procs)
	})
}

//go:noinline
func goPayload(t *testing.T, p *pool.Pool) weak.Pointer[payload] {
	arg := newPayload(1)
	pool.Go(t.Context(), p, echoPayload, arg)
	return weak.Make(arg)
}

func TestC065ADiscardedFutureReleasesItsArgument(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		collected(t, "the argument", goPayload(t, p))
		eventually(t, "the task ran", func() bool { return p.Stats().Completed == 1 })
	})
}

//go:noinline
func inspect(t *testing.T, want int, r *payload) weak.Pointer[payload] {
	require.Equal(t, want, r.N)
	return weak.Make(r)
}

// Python's test is about Executor.map, which kept the last result. The loop is
// not taken apart by iter.Pull2 here, for that keeps it.
func TestC067AStreamedResultCanBeFreedBeforeTheNextIsAsked(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		args := func(yield func(*payload) bool) {
			for i := range 5 {
				if !yield(newPayload(i)) {
					return
				}
			}
		}
		n := 0
		for r, err := range pool.Stream(t.Context(), p, echoPayload, args) {
			require.NoError(t, err)
			collected(t, "the result", inspect(t, n, r))
			n++
		}
		require.Equal(t, 5, n)
	})
}
