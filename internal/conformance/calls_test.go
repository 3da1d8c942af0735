//go:build unix

package conformance_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

type keywords struct{ X int }

var sqrKeyword = worker.Register("sqrKeyword", func(_ context.Context, k keywords) (int, error) { return k.X * k.X, nil })

func TestC001CallReturnsTheResultOfOneTask(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		got, err := pool.Call(t.Context(), p, sqr, 5)
		require.NoError(t, err)
		require.Equal(t, 25, got)
		got, err = pool.Call(t.Context(), p, sqrKeyword, keywords{X: 3})
		require.NoError(t, err)
		require.Equal(t, 9, got)
	})
}

func TestC002MapKeepsTheOrderOfItsInput(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		got, err := pool.Map(t.Context(), p, sqr, upTo(10))
		require.NoError(t, err)
		require.Equal(t, squares(10), got)
		got, err = pool.Map(t.Context(), p, sqr, upTo(100), pool.Chunk(20))
		require.NoError(t, err)
		require.Equal(t, squares(100), got)
	})
}

// products returns the pairs (0, n-1), (1, n-2), ... and their products.
func products(n int) (args []worker.Args2[int, int], want []int) {
	for i := range n {
		args = append(args, worker.Pack2(i, n-1-i))
		want = append(want, i*(n-1-i))
	}
	return args, want
}

func TestC003MapSpreadsPackedArguments(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		args, _ := products(10)
		got, err := pool.Map(t.Context(), p, mul, args)
		require.NoError(t, err)
		require.Equal(t, []int{0, 8, 14, 18, 20, 20, 18, 14, 8, 0}, got)
		args, want := products(100)
		got, err = pool.Map(t.Context(), p, mul, args, pool.Chunk(20))
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestC004GoMapSpreadsPackedArguments(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		args, want := products(100)
		got, err := pool.GoMap(t.Context(), p, mul, args).Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestC005GoMapAnswersWithWhatMapReturns(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		got, err := pool.GoMap(t.Context(), p, sqr, upTo(10)).Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, squares(10), got)
	})
}

func TestC006OnDoneOfAMapIsCalledOnceBeforeWaitReturns(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		var calls []pair[[]int] // not guarded: Wait orders it, which -race checks
		convert := func(text string) {
			f := pool.GoMap(t.Context(), p, parseInt, []string{text})
			f.OnDone(func(r []int, err error) { calls = append(calls, pair[[]int]{r, err}) })
			_, _ = f.Wait(t.Context())
		}
		convert("1")
		require.Len(t, calls, 1)
		require.NoError(t, calls[0].err)
		require.Equal(t, []int{1}, calls[0].value)
		convert("a")
		require.Len(t, calls, 2)
		require.ErrorIs(t, calls[1].err, strconv.ErrSyntax)
		var numError *strconv.NumError
		require.ErrorAs(t, calls[1].err, &numError)
		require.Equal(t, "a", numError.Num)
	})
}

func TestC007MapOfWhatCannotBeEncodedSaysSoAndDoesNotHang(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		args := make([]any, 10)
		for i := range args {
			args[i] = make(chan int)
		}
		got, err := pool.Map(t.Context(), p, echoAny, args)
		require.Equal(t, make([]any, 10), got)
		var encodeError *pool.EncodeError
		require.ErrorAs(t, err, &encodeError)
		require.Equal(t, "parent", encodeError.Side)
		var failed pool.Errors
		require.ErrorAs(t, err, &failed)
		require.Len(t, failed, 10)
	})
}

func TestC008GoMapOfNothingWithAChunkSizeIsDoneAtOnce(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		ctx, cancel := context.WithTimeout(t.Context(), prompt)
		defer cancel()
		got, err := pool.GoMap(ctx, p, sqr, nil, pool.Chunk(1)).Wait(ctx)
		require.NoError(t, err)
		require.Equal(t, []int{}, got)
	})
}

var sqrLater = worker.Register2("sqrLater", func(_ context.Context, x int, wait time.Duration) (int, error) {
	time.Sleep(wait)
	return x * x, nil
})

func TestC012WaitTakesAsLongAsTheTask(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		const wait = 400 * time.Millisecond
		began := time.Now()
		f := pool.Go(t.Context(), p, sqrLater, worker.Pack2(7, wait))
		require.Less(t, time.Since(began), wait, "Go itself waited")
		got, err := f.Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, 49, got)
		require.GreaterOrEqual(t, time.Since(began), wait)
		require.Less(t, time.Since(began), wait+prompt)
	})
}

func TestC013WaitGivesUpWithItsContextAndCloseIsPrompt(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 3)
		g := newGate(t)
		f := pool.Go(t.Context(), p, visiting, g.visit("long"))
		const patience = 35 * time.Millisecond
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err := f.Wait(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.GreaterOrEqual(t, time.Since(began), patience)
		require.Less(t, time.Since(began), patience+prompt)
		select {
		case <-f.Done():
			t.Fatal("the wait's context ended the task")
		default:
		}
		within(t, prompt, "Close", func() { _ = p.Close() })
		_, err = answered(t, f)
		require.ErrorIs(t, err, pool.ErrClosed)
	})
}
