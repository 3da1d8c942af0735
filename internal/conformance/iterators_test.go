//go:build unix

package conformance_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// An input that fails does so in one of two ways: it panics, which surfaces
// in the loop after the results of what came before, or it is a Seq2 that
// Checked turns into the end of the context, which also withdraws what still
// runs, so that the loop sees a part of the results.

// failing is a stream over an input of total items that fails at item when.
type failing func(ctx context.Context, p *pool.Pool, total, when int, opts ...pool.CallOption) iter.Seq2[int, error]

// A streamer is Stream or StreamUnordered.
type streamer func(context.Context, *pool.Pool, worker.Func[int, int], iter.Seq[int], ...pool.CallOption) iter.Seq2[int, error]

func panics(stream streamer) failing {
	return func(ctx context.Context, p *pool.Pool, total, when int, opts ...pool.CallOption) iter.Seq2[int, error] {
		return stream(ctx, p, sqr, genPanic(total, when), opts...)
	}
}

func checked(stream streamer) failing {
	return func(ctx context.Context, p *pool.Pool, total, when int, opts ...pool.CallOption) iter.Seq2[int, error] {
		ctx, cancel := context.WithCancelCause(ctx)
		return stream(ctx, p, sqr, pool.Checked(gen(total, when), cancel), opts...)
	}
}

// eachFailing runs body with both kinds of failing input in both modes.
func eachFailing(t *testing.T, stream streamer, body func(t *testing.T, p *pool.Pool, strict bool, input failing)) {
	t.Helper()
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		body(t, p, true, panics(stream))
		body(t, p, false, checked(stream))
	})
}

// beforeSayWhen checks that the loop ended with the input's failure and
// returns the results before it.
func beforeSayWhen(t *testing.T, seq iter.Seq2[int, error]) []int {
	t.Helper()
	got, err := values(seq)
	require.ErrorIs(t, err, errSayWhen)
	return got
}

// begins checks that got is what want begins with; all of it if strict.
func begins(t *testing.T, strict bool, want, got []int) {
	t.Helper()
	if !strict && len(got) < len(want) {
		want = want[:len(got)]
	}
	require.Equal(t, want, slices.Concat([]int{}, got))
}

func TestC009AnInputThatFailsBeforeItsFirstItemCanBeUsedAgain(t *testing.T) {
	eachFailing(t, pool.Stream, func(t *testing.T, p *pool.Pool, _ bool, input failing) {
		seq := input(t.Context(), p, 1, -1)
		require.Empty(t, beforeSayWhen(t, seq))
		require.Empty(t, beforeSayWhen(t, seq))
		require.Empty(t, beforeSayWhen(t, input(t.Context(), p, 1, -1)))
	})
}

func TestC010AnInputThatFailsInTheMiddleFailsTheWholeCollection(t *testing.T) {
	eachFailing(t, pool.Stream, func(t *testing.T, p *pool.Pool, _ bool, input failing) {
		require.Less(t, len(beforeSayWhen(t, input(t.Context(), p, 10, 3, pool.Chunk(1)))), 4)
	})
}

func TestC014StreamKeepsOrderAndEnds(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		require.Equal(t, squares(10), all(t, pool.Stream(t.Context(), p, sqr, count(10))))

		next, stop := iter.Pull2(pool.Stream(t.Context(), p, sqr, count(10)))
		defer stop()
		for i := range 10 {
			v, err, ok := next()
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, i*i, v)
		}
		_, _, ok := next()
		require.False(t, ok)

		require.Equal(t, squares(1000), all(t, pool.Stream(t.Context(), p, sqr, count(1000), pool.Chunk(100))))
	})
}

func TestC015StreamOverAnInputThatFailsAtOnceYieldsNothingBefore(t *testing.T) {
	eachFailing(t, pool.Stream, func(t *testing.T, p *pool.Pool, _ bool, input failing) {
		for range 2 {
			require.Empty(t, beforeSayWhen(t, input(t.Context(), p, 1, -1, pool.Chunk(1))))
		}
	})
}

func TestC016StreamYieldsWhatCameBeforeTheFailureOfItsInput(t *testing.T) {
	eachFailing(t, pool.Stream, func(t *testing.T, p *pool.Pool, strict bool, input failing) {
		begins(t, strict, []int{0, 1, 4}, beforeSayWhen(t, input(t.Context(), p, 10, 3, pool.Chunk(1))))
	})
}

// Python loses item 6 of chunks of two, and three items of chunks of four;
// here an unfinished chunk is submitted like any other.
func TestC017AFailingInputCostsNoChunkNeighbours(t *testing.T) {
	eachFailing(t, pool.Stream, func(t *testing.T, p *pool.Pool, strict bool, input failing) {
		for _, chunk := range []int{2, 4} {
			begins(t, strict, squares(7), beforeSayWhen(t, input(t.Context(), p, 20, 7, pool.Chunk(chunk))))
		}
	})
}

func TestC018StreamUnorderedYieldsEverythingOnce(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		got := all(t, pool.StreamUnordered(t.Context(), p, sqr, count(10)))
		require.Equal(t, squares(10), slices.Sorted(slices.Values(got)))
		got = all(t, pool.StreamUnordered(t.Context(), p, sqr, count(1000), pool.Chunk(100)))
		require.Equal(t, squares(1000), slices.Sorted(slices.Values(got)))
	})
}

func TestC019StreamUnorderedOverAnInputThatFailsAtOnceYieldsNothingBefore(t *testing.T) {
	eachFailing(t, pool.StreamUnordered, func(t *testing.T, p *pool.Pool, _ bool, input failing) {
		for range 2 {
			require.Empty(t, beforeSayWhen(t, input(t.Context(), p, 1, -1)))
		}
	})
}

func TestC020StreamUnorderedYieldsCorrectResultsBeforeTheFailureOfItsInput(t *testing.T) {
	eachFailing(t, pool.StreamUnordered, func(t *testing.T, p *pool.Pool, _ bool, input failing) {
		for _, c := range []struct{ total, when, chunk int }{{10, 3, 1}, {20, 7, 2}} {
			got := beforeSayWhen(t, input(t.Context(), p, c.total, c.when, pool.Chunk(c.chunk)))
			require.Equal(t, len(got), distinct(got))
			require.Subset(t, squares(c.when), got)
		}
	})
}

func TestC026AFailingInputIsNotBlamedOnATask(t *testing.T) {
	eachFailing(t, pool.Stream, func(t *testing.T, p *pool.Pool, _ bool, input failing) {
		_, err := values(input(t.Context(), p, 10, 3))
		require.ErrorIs(t, err, errSayWhen)
		var task *pool.TaskError
		require.False(t, errors.As(err, &task), "%v", err)
		var remote *pool.RemoteError
		require.False(t, errors.As(err, &remote), "%v", err)
	})
}

var divmod = worker.Register2("divmod", func(_ context.Context, a, b int) ([2]int, error) {
	return [2]int{a / b, a % b}, nil // division by zero panics
})

// divisions streams 5 divmod each of by. Results come as they are; an error
// must be the panic of a division by zero.
func divisions(t *testing.T, p *pool.Pool, by []int, opts ...pool.CallOption) (got [][2]int) {
	t.Helper()
	input := func(yield func(worker.Args2[int, int]) bool) {
		for _, b := range by {
			if !yield(worker.Pack2(5, b)) {
				return
			}
		}
	}
	for v, err := range pool.Stream(t.Context(), p, divmod, input, opts...) {
		if err != nil {
			var task *pool.TaskError
			require.ErrorAs(t, err, &task)
			require.Equal(t, len(got), task.Index)
			var panicError *pool.PanicError
			require.ErrorAs(t, err, &panicError)
			require.Contains(t, panicError.Value, "divide by zero")
			v = [2]int{-1, -1}
		}
		got = append(got, v)
	}
	return got
}

func TestC054AnErrorDoesNotEndAStream(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		require.Equal(t, [][2]int{{2, 1}, {1, 2}, {-1, -1}, {1, 0}}, divisions(t, p, []int{2, 3, 0, 5}))
	})
}

func TestC055AnErrorDoesNotSwallowItsChunkNeighbours(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		require.Equal(t, [][2]int{{2, 1}, {-1, -1}, {1, 2}, {1, 0}}, divisions(t, p, []int{2, 0, 3, 5}, pool.Chunk(3)))
	})
}

var timeoutAtOne = worker.Register("timeoutAtOne", func(_ context.Context, i int) (int, error) {
	if i == 1 {
		return 0, context.DeadlineExceeded
	}
	return i, nil
})

func TestC056ATaskThatReturnsATimeoutIsNotTheCallsTimeout(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		deadline, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		for _, ctx := range []context.Context{t.Context(), deadline} {
			got := pairs(pool.Stream(ctx, p, timeoutAtOne, count(4)))
			require.Len(t, got, 4)
			for i, g := range got {
				if i != 1 {
					require.NoError(t, g.err)
					require.Equal(t, i, g.value)
					continue
				}
				require.ErrorIs(t, g.err, context.DeadlineExceeded)
				var task *pool.TaskError
				require.ErrorAs(t, g.err, &task)
				require.Equal(t, 1, task.Index)
			}
		}
	})
}

var waitFor = worker.Register("waitFor", func(ctx context.Context, v *visit) (int, error) {
	if v == nil {
		return 0, nil
	}
	return 1, v.wait(ctx)
})

func TestC057ADeadlineEndsAStreamAfterWhatIsDone(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		g := newGate(t)
		last := g.visit("last")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		got := pairs(pool.Stream(ctx, p, waitFor, slices.Values([]*visit{nil, nil, &last})))
		require.NotEmpty(t, got)
		require.LessOrEqual(t, len(got), 3)
		end := got[len(got)-1]
		require.ErrorIs(t, end.err, context.DeadlineExceeded)
		var task *pool.TaskError
		require.False(t, errors.As(end.err, &task), "the end of the context was blamed on a task: %v", end.err)
		for _, g := range got[:len(got)-1] {
			require.NoError(t, g.err)
		}
	})
}

func TestC058BreakEndsAStream(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		for _, opts := range [][]pool.CallOption{nil, {pool.Chunk(3)}} {
			next, stop := iter.Pull2(pool.Stream(t.Context(), p, sqr, count(100), opts...))
			_, err, ok := next()
			require.NoError(t, err)
			require.True(t, ok)
			within(t, prompt, "break", stop)
			_, _, ok = next()
			require.False(t, ok)
		}
		got, err := pool.Call(t.Context(), p, sqr, 3)
		require.NoError(t, err)
		require.Equal(t, 9, got)
	})
}
