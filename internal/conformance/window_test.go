//go:build unix

package conformance_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// An endless input that knows how far it was read.
type endless struct{ pulled atomic.Int64 }

func (e *endless) seq(yield func(int) bool) {
	for i := 0; ; i++ {
		e.pulled.Add(1)
		if !yield(i) {
			return
		}
	}
}

// settles waits until n items are pulled and checks that it stays so.
func (e *endless) settles(t *testing.T, n int) {
	t.Helper()
	eventually(t, "the window is full", func() bool { return e.pulled.Load() >= int64(n) })
	e.stays(t, n)
}

// stays checks that n items are pulled, and still a little later: that
// something does not happen has no event to wait for.
func (e *endless) stays(t *testing.T, n int) {
	t.Helper()
	time.Sleep(5 * time.Millisecond)
	require.EqualValues(t, n, e.pulled.Load(), "items pulled")
}

// stops waits until nothing more is pulled, and returns how much was.
func (e *endless) stops(t *testing.T) (last int64) {
	t.Helper()
	eventually(t, "the input is no longer pulled", func() bool {
		before := last
		time.Sleep(20 * time.Millisecond)
		last = e.pulled.Load()
		return before == last
	})
	return last
}

func TestC046AWindowOverAnEndlessInputYieldsForEver(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		want := 0
		for v, err := range pool.Stream(t.Context(), p, echoInt, new(endless).seq, pool.Window(5)) {
			require.NoError(t, err)
			require.Equal(t, want, v)
			if want++; want == 1000 {
				break
			}
		}
		require.Equal(t, 1000, want)
	})
}

func TestC047NoMoreThanTheWindowIsPulledAheadOfTheConsumer(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		for _, window := range []int{1, 3, 7, 100} {
			var input endless
			next, stop := iter.Pull2(pool.Stream(t.Context(), p, echoInt, input.seq, pool.Window(window)))
			input.stays(t, 0)
			_, err, _ := next()
			require.NoError(t, err)
			input.settles(t, window+1)
			stop()
		}
	})
}

func TestC048EachResultLetsOneMoreItemBePulled(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		var input endless
		next, stop := iter.Pull2(pool.Stream(t.Context(), p, echoInt, input.seq, pool.Window(4)))
		defer stop()
		for yielded := 1; yielded <= 10; yielded++ {
			_, err, _ := next()
			require.NoError(t, err)
			input.settles(t, yielded+4)
		}
	})
}

// refused returns the error of a call that cannot start for what it was given.
func refused(t *testing.T, seq iter.Seq2[int, error]) error {
	t.Helper()
	got := pairs(seq)
	require.Len(t, got, 1)
	require.Error(t, got[0].err)
	return got[0].err
}

func TestC049AWindowCombinesWithAChunkSize(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		for _, c := range []struct{ window, chunk int }{{1, 3}, {3, 1}, {8, 3}, {1000, 7}} {
			seq := pool.Stream(t.Context(), p, sqr, count(50), pool.Window(c.window), pool.Chunk(c.chunk))
			require.Equal(t, squares(50), all(t, seq))
		}
		require.ErrorContains(t, refused(t, pool.Stream(t.Context(), p, sqr, count(50), pool.Window(-1))), "Window")
		require.ErrorContains(t, refused(t, pool.Stream(t.Context(), p, sqr, count(50), pool.Chunk(-1))), "Chunk")
	})
}

func TestC050ClosingAPoolWithAThrottledInputReturns(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		next, stop := iter.Pull2(pool.Stream(t.Context(), p, echoInt, new(endless).seq, pool.Window(2)))
		defer stop()
		_, err, _ := next()
		require.NoError(t, err)
		closed(t, p)
		for err == nil {
			var ok bool
			_, err, ok = next()
			require.True(t, ok, "the stream ended silently")
		}
		require.ErrorIs(t, err, pool.ErrClosed)
		_, _, ok := next()
		require.False(t, ok)
	})
}

func TestC050ShutdownAfterPartialConsumptionLosesNothing(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		var input endless
		next, stop := iter.Pull2(pool.Stream(t.Context(), p, echoInt, input.seq, pool.Window(4)))
		defer stop()
		for want := range 3 {
			v, err, _ := next()
			require.NoError(t, err)
			require.Equal(t, want, v)
		}
		input.settles(t, 3+4) // an input that is just being read is not submitted yet
		shut(t, p)
		pulled := int(input.pulled.Load())
		for want := 3; want < pulled; want++ {
			v, err, ok := next()
			require.NoError(t, err, "item %d of %d", want, pulled)
			require.True(t, ok, "item %d of %d", want, pulled)
			require.Equal(t, want, v)
		}
		_, err, ok := next()
		require.True(t, ok, "the stream ended silently")
		require.ErrorIs(t, err, pool.ErrClosed)
		_, _, ok = next()
		require.False(t, ok)
		require.EqualValues(t, pulled, input.pulled.Load())
	})
}

// Python reads the whole input where no buffer size is given.
func TestC051AStreamWithoutAWindowIsBoundedToo(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		var input endless
		next, stop := iter.Pull2(pool.Stream(t.Context(), p, echoInt, input.seq))
		defer stop()
		_, err, _ := next()
		require.NoError(t, err)
		last := input.stops(t)
		require.LessOrEqual(t, last, int64(32768+1))
		require.GreaterOrEqual(t, last, int64(4*4))
	})
}

func TestC059AWindowThatIsNotPositiveIsRefused(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		for _, n := range []int{0, -1} {
			var input endless
			err := refused(t, pool.Stream(t.Context(), p, sqr, input.seq, pool.Window(n)))
			require.ErrorContains(t, err, "Window")
			require.Zero(t, input.pulled.Load())
		}
	})
}

func TestC060AnyWindowYieldsAllResultsInOrder(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		args, want := products(4)
		for _, n := range []int{1, 2, 4, 8} {
			require.Equal(t, squares(4), all(t, pool.Stream(t.Context(), p, sqr, count(4), pool.Window(n))))
			require.Equal(t, want, all(t, pool.Stream(t.Context(), p, mul, slices.Values(args), pool.Window(n))))
		}
	})
}

func TestC061AWindowOverEndlessInputsYieldsTheFirstResults(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		twice := func(yield func(worker.Args2[int, int]) bool) {
			for i := range new(endless).seq {
				if !yield(worker.Pack2(i, i)) {
					return
				}
			}
		}
		require.Equal(t, squares(3), first(t, 3, pool.Stream(t.Context(), p, sqr, new(endless).seq, pool.Window(2))))
		require.Equal(t, squares(3), first(t, 3, pool.Stream(t.Context(), p, mul, twice, pool.Window(2))))
	})
}

// first returns the first n results of a stream.
func first(t *testing.T, n int, seq iter.Seq2[int, error]) (vs []int) {
	t.Helper()
	for v, err := range seq {
		require.NoError(t, err)
		if vs = append(vs, v); len(vs) == n {
			break
		}
	}
	return vs
}

func TestC062AWindowOverAnEmptyInputYieldsNothing(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		require.Empty(t, pairs(pool.Stream(t.Context(), p, sqr, count(0), pool.Window(2))))
		require.Empty(t, pairs(pool.StreamUnordered(t.Context(), p, sqr, count(0), pool.Window(2))))
	})
}

// Python pulls two items before anybody asks.
func TestC063NothingIsPulledBeforeRange(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		var input endless
		seq := pool.Stream(t.Context(), p, sqr, input.seq, pool.Window(2))
		shut(t, p)
		require.Zero(t, input.pulled.Load())
		require.ErrorIs(t, refused(t, seq), pool.ErrClosed)
		require.Zero(t, input.pulled.Load())
	})
}

func TestC064ShutdownDoesNotWaitForAConsumer(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		const workers = 5
		p := m.pool(t, workers)
		twos := slices.Repeat([]int{2}, workers+1)
		f := pool.GoMap(context.Background(), p, sqr, twos)
		next, stop := iter.Pull2(pool.Stream(t.Context(), p, sqr, slices.Values(twos)))
		defer stop()
		_, err, _ := next()
		require.NoError(t, err)
		shut(t, p)
		got, err := answered(t, f)
		require.NoError(t, err)
		require.Equal(t, slices.Repeat([]int{4}, workers+1), got)
	})
}

// What follows is not in Python's suites: item 6 of "The pool works".

func TestAConsumerThatStopsReadingStopsTheInput(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 2)
		for name, stream := range map[string]streamer{"Stream": pool.Stream[int, int], "StreamUnordered": pool.StreamUnordered[int, int]} {
			for _, window := range []int{1, 10, 1000} {
				var input endless
				yielded := 0
				for _, err := range stream(t.Context(), p, echoInt, input.seq, pool.Window(window)) {
					require.NoError(t, err)
					yielded++
					require.LessOrEqual(t, input.pulled.Load(), int64(window+yielded), name)
					if yielded == 25 {
						input.settles(t, window+yielded)
						break
					}
				}
			}
		}
	})
}

func TestMemoryStaysFlatOverAMillionItems(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		items, warm := 1_000_000, 100_000
		if testing.Short() || raceEnabled {
			items = 300_000
		}
		p := m.pool(t, 2)
		var before uint64
		n := 0
		for v, err := range pool.Stream(t.Context(), p, echoInt, count(items)) {
			require.NoError(t, err)
			if v != n {
				t.Fatalf("item %d came as %d", n, v)
			}
			switch n++; {
			case n == warm:
				before = heap()
			case n%(items/4) == 0:
				require.Less(t, heap(), before+16<<20, "after %d items", n)
			}
		}
		require.Equal(t, items, n)
	})
}

// A consumer that stops reading has the workers wait, and memory too: the
// default window holds 64 MiB of encoded values. Inline, the heap holds the
// workers' copies as well.
func TestMemoryStaysFlatWhileAConsumerSleeps(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 2)
		var input endless
		blocks := func(yield func([]byte) bool) {
			for range input.seq {
				if !yield(make([]byte, 1<<20)) {
					return
				}
			}
		}
		before := heap()
		next, stop := iter.Pull2(pool.Stream(t.Context(), p, echoBytes, blocks))
		defer stop()
		_, err, _ := next()
		require.NoError(t, err)
		input.stops(t)
		window := uint64(64 << 20)
		require.LessOrEqual(t, input.pulled.Load(), int64(window>>20+2))
		most := 2 * window
		if m.inline {
			most *= 2
		}
		require.Less(t, heap(), before+most+16<<20)
	})
}

// held is an argument whose encoding waits while held.gate is set.
type held struct{ n int }

var heldGate atomic.Pointer[chan struct{}] // what the encoding receives from, twice

func (h held) EncodeMsgpack(e *msgpack.Encoder) error {
	if gate := heldGate.Load(); gate != nil {
		*gate <- struct{}{}
		<-*gate
	}
	return e.EncodeInt(int64(h.n))
}

func (h *held) DecodeMsgpack(d *msgpack.Decoder) (err error) {
	h.n, err = d.DecodeInt()
	return err
}

var number = worker.Register("number", func(_ context.Context, h held) (int, error) { return h.n, nil })

func TestC050AnInputThatWasReadBeforeShutdownIsNotLost(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		gate := make(chan struct{})
		heldGate.Store(&gate)
		defer heldGate.Store(nil)
		p := m.pool(t, 1)
		inputs := make(chan held, 2)
		inputs <- held{1}
		inputs <- held{2}
		next, stop := iter.Pull2(pool.Stream(t.Context(), p, number, pool.Recv(t.Context(), inputs)))
		defer stop()
		down := make(chan struct{})
		go func() {
			defer close(down)
			<-gate // the first input is in hand
			stopping := make(chan error, 1)
			go func() { stopping <- p.Shutdown(t.Context()) }()
			eventually(t, "the pool refuses work", func() bool {
				_, err := pool.Call(t.Context(), p, sqr, 1)
				return errors.Is(err, pool.ErrClosed)
			})
			gate <- struct{}{}
			if err := <-stopping; err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		}()
		v, err, ok := next()
		require.True(t, ok)
		require.NoError(t, err)
		require.Equal(t, 1, v)
		_, err, ok = next()
		require.True(t, ok)
		require.ErrorIs(t, err, pool.ErrClosed)
		require.Len(t, inputs, 1, "the second input is not read")
		<-down
	})
}
