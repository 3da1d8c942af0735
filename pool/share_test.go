package pool_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/pooltest"
	"github.com/procpool/procpool/worker"
)

// parcel holds Blobs wherever a value can.
type parcel struct {
	One   worker.Blob
	Many  []worker.Blob
	Named map[string]worker.Blob
	Any   any
	Ptr   *worker.Blob
	None  worker.Blob
}

func (p *parcel) blobs() []worker.Blob {
	all := append([]worker.Blob{p.One}, p.Many...)
	for _, b := range p.Named {
		all = append(all, b)
	}
	return append(all, p.Any.(worker.Blob), *p.Ptr)
}

var (
	shareSum = worker.Register("share.sum", func(_ context.Context, b worker.Blob) (int, error) { return sum(b) })
	shareDie = worker.Register("share.die", func(_ context.Context, b worker.Blob) (int, error) {
		_, _ = sum(b)
		return 0, killMyself()
	})
	shareSumAll = worker.Register("share.sumAll", func(_ context.Context, p parcel) (total int, err error) {
		for _, b := range p.blobs() {
			n, err := sum(b)
			if err != nil {
				return 0, err
			}
			total += n
		}
		return total, nil
	})
	shareEcho = worker.Register("share.echo", func(_ context.Context, p parcel) (parcel, error) { return p, nil })
	shareMake = worker.Register("share.make", func(_ context.Context, n int) (worker.Blob, error) {
		return worker.NewBlob(bytes.Repeat([]byte{1}, n))
	})
	shareMakeMany = worker.Register("share.makeMany", func(_ context.Context, n int) (all []worker.Blob, err error) {
		for range n {
			b, err := worker.NewBlob([]byte{1})
			if err != nil {
				return nil, err
			}
			all = append(all, b, b)
		}
		return all, nil
	})
	shareMakeAndFail = worker.Register("share.makeAndFail", func(context.Context, int) (any, error) {
		b, err := worker.NewBlob([]byte{1})
		return []any{b, make(chan int)}, err // the Blob is offered when the channel turns out to be impossible
	})
	shareSecond = worker.Register2("share.second", func(_ context.Context, _ string, b worker.Blob) (int, error) { return sum(b) })
	shareRetry  = worker.Register2("share.retry", func(ctx context.Context, b worker.Blob, _ int) (int, error) {
		n, err := sum(b)
		if worker.Info(ctx).Attempt == 1 {
			_ = killMyself()
		}
		return n, err
	})
	shareKeep = worker.Register("share.keep", func(_ context.Context, b worker.Blob) (bool, error) {
		data, err := keep.Bytes() // of the task before
		_, _ = b.Bytes()
		keep = b
		return len(data) > 0, err
	})
	shareNothing = worker.Register("share.nothing", func(context.Context, int) (int, error) { return os.Getpid(), nil })
)

var keep worker.Blob // of a worker

// killMyself ends a worker as nobody could foresee.
func killMyself() error {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	if err := self.Kill(); err != nil {
		return err
	}
	select {}
}

func sum(b worker.Blob) (total int, err error) {
	data, err := b.Bytes()
	for _, x := range data {
		total += int(x)
	}
	return total, err
}

func share(t testing.TB, p *pool.Pool, n int) worker.Blob {
	t.Helper()
	b, err := p.Share(bytes.Repeat([]byte{1}, n))
	require.NoError(t, err)
	return b
}

// sharePools runs a test with worker processes and without.
func sharePools(t *testing.T, test func(t *testing.T, p *pool.Pool)) {
	t.Helper()
	for name, opts := range map[string][]pool.Option{"processes": nil, "inline": {pool.WithInline()}} {
		t.Run(name, func(t *testing.T) { test(t, pooltest.New(t, append(opts, pool.WithWorkers(2))...)) })
	}
}

func TestASharedBlobIsReadByEveryWorker(t *testing.T) {
	sharePools(t, func(t *testing.T, p *pool.Pool) {
		b := share(t, p, 200_000)
		require.Equal(t, 200_000, b.Len())
		results, err := pool.Broadcast(t.Context(), p, shareSum, b)
		require.NoError(t, err)
		require.Len(t, results, 2)
		for _, r := range results {
			require.NoError(t, r.Err)
			require.Equal(t, 200_000, r.Value)
		}
		sums, err := pool.Map(t.Context(), p, shareSum, slices.Repeat([]worker.Blob{b}, 1000))
		require.NoError(t, err)
		require.Equal(t, 200_000, sums[999])
		require.Equal(t, 1, p.Stats().Blobs)
		require.EqualValues(t, 200_000, p.Stats().BlobBytes)
		require.NoError(t, b.Release())
		require.NoError(t, b.Release(), "a second time")
		require.Zero(t, p.Stats().Blobs)
		require.Equal(t, 200_000, b.Len())
	})
}

func TestABlobStandsAnywhereInAValueBothWays(t *testing.T) {
	sharePools(t, func(t *testing.T, p *pool.Pool) {
		b, c := share(t, p, 10), share(t, p, 100)
		in := parcel{One: b, Many: []worker.Blob{b, c}, Named: map[string]worker.Blob{"x": c}, Any: b, Ptr: &c}
		const want = 10 + 110 + 100 + 10 + 100
		n, err := pool.Call(t.Context(), p, shareSumAll, in)
		require.NoError(t, err)
		require.Equal(t, want, n)
		n, err = pool.Call(t.Context(), p, shareSecond, worker.Pack2("", c))
		require.NoError(t, err)
		require.Equal(t, 100, n)

		out, err := pool.Call(t.Context(), p, shareEcho, in)
		require.NoError(t, err)
		require.NoError(t, b.Release())
		require.NoError(t, c.Release())
		require.Equal(t, worker.Blob{}, out.None)
		total := 0
		for _, b := range out.blobs() {
			n, err := sum(b)
			require.NoError(t, err, "what came back does not depend on what was sent")
			total += n
		}
		require.Equal(t, want, total)
		n, err = pool.Call(t.Context(), p, shareSumAll, out)
		require.NoError(t, err)
		require.Equal(t, want, n)
		for _, b := range out.blobs() {
			require.NoError(t, b.Release())
		}
		require.Zero(t, p.Stats().Blobs)
	})
}

func TestABlobMadeByAWorkerIsReadInTheParentAndForwarded(t *testing.T) {
	sharePools(t, func(t *testing.T, p *pool.Pool) {
		b, err := pool.Call(t.Context(), p, shareMake, 100_000)
		require.NoError(t, err)
		require.Equal(t, 100_000, b.Len())
		n, err := pool.Call(t.Context(), p, shareSum, b) // nobody here has mapped it
		require.NoError(t, err)
		require.Equal(t, 100_000, n)
		n, err = sum(b)
		require.NoError(t, err)
		require.Equal(t, 100_000, n)
		require.NoError(t, b.Release())
		_, err = b.Bytes()
		require.ErrorIs(t, err, worker.ErrReleased)

		many, err := pool.Call(t.Context(), p, shareMakeMany, 50)
		require.NoError(t, err)
		require.Len(t, many, 100)
		require.Equal(t, many[0], many[1], "twice the same in one result is the same")
		require.Equal(t, 50, p.Stats().Blobs)
		for _, b := range many {
			require.NoError(t, b.Release())
		}
		require.Zero(t, p.Stats().Blobs)

		made, err := pool.Map(t.Context(), p, shareMake, []int{1, 0, 3})
		require.NoError(t, err)
		sums, err := pool.Map(t.Context(), p, shareSum, made)
		require.NoError(t, err)
		require.Equal(t, []int{1, 0, 3}, sums)
		next := 0
		for b, err := range pool.Stream(t.Context(), p, shareMake, upTo(100)) {
			require.NoError(t, err)
			require.Equal(t, next, b.Len())
			require.NoError(t, b.Release())
			next++
		}
		for _, b := range made {
			require.NoError(t, b.Release())
		}
		require.Zero(t, p.Stats().Blobs)
	})
}

func TestABlobOfNoBytes(t *testing.T) {
	sharePools(t, func(t *testing.T, p *pool.Pool) {
		b, err := p.Share(nil)
		require.NoError(t, err)
		data, err := b.Bytes()
		require.NoError(t, err)
		require.Equal(t, []byte{}, data)
		n, err := pool.Call(t.Context(), p, shareSum, b)
		require.NoError(t, err)
		require.Zero(t, n)

		_, err = pool.Call(t.Context(), p, shareSum, worker.Blob{})
		require.ErrorContains(t, err, "the zero Blob")
		require.NoError(t, worker.Blob{}.Release())
		_, err = worker.Blob{}.Bytes()
		require.Error(t, err)
	})
}

func TestMistakesWithBlobsAreExplained(t *testing.T) {
	sharePools(t, func(t *testing.T, p *pool.Pool) {
		other := pooltest.New(t, pool.WithWorkers(1))
		b := share(t, other, 10)
		_, err := pool.Call(t.Context(), p, shareSum, b)
		var encode *pool.EncodeError
		require.ErrorAs(t, err, &encode)
		require.ErrorContains(t, err, "another pool")
		_, err = pool.Map(t.Context(), p, shareSum, []worker.Blob{b})
		require.ErrorContains(t, err, "another pool")

		b = share(t, p, 10)
		require.NoError(t, b.Release())
		_, err = pool.Call(t.Context(), p, shareSum, b)
		require.ErrorIs(t, err, worker.ErrReleased)
		require.ErrorAs(t, err, &encode)

		b, err = worker.NewBlob([]byte("x"))
		require.NoError(t, err)
		_, err = pool.Call(t.Context(), p, shareSum, b)
		require.ErrorContains(t, err, "use Share")

		b = share(t, p, 10)
		require.Error(t, gob.NewEncoder(io.Discard).Encode(b))
		_, err = pool.New(t.Context(), pool.WithInitializer(shareSum, b))
		require.ErrorContains(t, err, "only in arguments and results")

		_, err = pool.Call(t.Context(), p, shareMakeAndFail, 1)
		require.ErrorAs(t, err, &encode)
		require.Equal(t, 1, p.Stats().Blobs, "what was offered with a result that failed")
		_, err = pool.Call(t.Context(), p, shareMakeMany, 1025)
		require.ErrorContains(t, err, "more than 1024 Blobs")
		require.Equal(t, 1, p.Stats().Blobs)

		require.NoError(t, p.Close())
		_, err = b.Bytes()
		require.ErrorIs(t, err, worker.ErrReleased)
		_, err = p.Share([]byte("x"))
		require.ErrorIs(t, err, pool.ErrClosed)
		require.NoError(t, b.Release())
	})
}

func TestASharedBlobOutlivesWorkersAndTheirRestarts(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(2), pool.WithLogger(hclog.NewNullLogger()))
	b := share(t, p, 100_000)
	for range 3 {
		_, err := pool.Call(t.Context(), p, shareDie, b)
		var exit *pool.ExitError
		require.ErrorAs(t, err, &exit)
		results, err := pool.Broadcast(t.Context(), p, shareSum, b)
		require.NoError(t, err)
		for _, r := range results {
			require.NoError(t, r.Err)
			require.Equal(t, 100_000, r.Value)
		}
	}
	n, err := pool.Call(t.Context(), p, shareRetry, worker.Pack2(b, 0), pool.Retries(1))
	require.NoError(t, err)
	require.Equal(t, 100_000, n)
	sums, err := pool.Map(t.Context(), p, shareRetry, []worker.Args2[worker.Blob, int]{worker.Pack2(b, 0), worker.Pack2(b, 1)}, pool.Retries(1))
	require.NoError(t, err)
	require.Equal(t, []int{100_000, 100_000}, sums)
}

func TestABlobOutlivesTheWorkerThatMadeIt(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithLogger(hclog.NewNullLogger()))
	b, err := pool.Call(t.Context(), p, shareMake, 100_000)
	require.NoError(t, err)
	_, err = pool.Call(t.Context(), p, shareDie, b)
	require.Error(t, err)
	n, err := pool.Call(t.Context(), p, shareSum, b)
	require.NoError(t, err)
	require.Equal(t, 100_000, n)
}

func TestAReleaseWhileTasksCarryTheBlobWaitsForThem(t *testing.T) {
	sharePools(t, func(t *testing.T, p *pool.Pool) {
		b := share(t, p, 100_000)
		var futures []*pool.Future[int]
		for range 200 {
			futures = append(futures, pool.Go(t.Context(), p, shareSum, b))
		}
		require.NoError(t, b.Release())
		for _, f := range futures {
			n, err := f.Wait(t.Context())
			require.NoError(t, err)
			require.Equal(t, 100_000, n)
		}
		require.Zero(t, p.Stats().Blobs)
	})
}

func TestAStreamOfFreshBlobsKeepsNone(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(2))
	most := 0
	input := func(yield func(worker.Blob) bool) {
		for range 300 {
			b := share(t, p, 1000)
			ok := yield(b)
			_ = b.Release()
			most = max(most, p.Stats().Blobs)
			if !ok {
				return
			}
		}
	}
	for n, err := range pool.Stream(t.Context(), p, shareSum, input, pool.Window(10)) {
		require.NoError(t, err)
		require.Equal(t, 1000, n)
	}
	require.Zero(t, p.Stats().Blobs)
	require.LessOrEqual(t, most, 12)
}

func TestABlobOfAnEarlierTaskIsStillReadWhileThePoolHasIt(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1))
	a, b, c := share(t, p, 1000), share(t, p, 1000), share(t, p, 1000)
	_, err := pool.Call(t.Context(), p, shareKeep, a)
	require.ErrorContains(t, err, "zero Blob")
	got, err := pool.Call(t.Context(), p, shareKeep, b)
	require.NoError(t, err)
	require.True(t, got)
	require.NoError(t, b.Release())
	_, err = pool.Call(t.Context(), p, shareNothing, 1)
	require.NoError(t, err)
	_, err = pool.Call(t.Context(), p, shareKeep, c)
	require.ErrorIs(t, err, worker.ErrReleased)
}

func TestAForeignWorkerGetsTheContents(t *testing.T) {
	p := python(t)
	b, err := p.Share([]byte{1, 2, 3})
	require.NoError(t, err)
	got, err := pool.Call(t.Context(), p, pyEcho, any(map[string]any{"b": b}))
	require.NoError(t, err)
	require.Equal(t, any(map[string]any{"b": []byte{1, 2, 3}}), got)
	back, err := pool.Call(t.Context(), p, worker.Named[worker.Blob, worker.Blob]("echo"), b)
	require.NoError(t, err)
	require.Equal(t, 3, back.Len())
	n, err := sum(back)
	require.NoError(t, err)
	require.Equal(t, 6, n)
	require.NoError(t, back.Release())
	require.NoError(t, b.Release())
	require.Zero(t, p.Stats().Blobs)
}

func TestACancelledTaskReleasesWhatItCarries(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1))
	ctx, cancel := context.WithCancel(t.Context())
	b := share(t, p, 1000)
	f := pool.Go(ctx, p, shareSum, b)
	g := pool.Go(ctx, p, shareMake, 1000)
	cancel()
	for _, err := range []error{waitErr(t, f), waitErr(t, g)} {
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
		}
	}
	require.NoError(t, b.Release())
	if made, err := g.Wait(t.Context()); err == nil {
		require.NoError(t, made.Release())
	}
	_, err := pool.Call(t.Context(), p, shareNothing, 1) // whatever was on its way is here
	require.NoError(t, err)
	require.Zero(t, p.Stats().Blobs)
}

func waitErr[R any](t *testing.T, f *pool.Future[R]) error {
	_, err := f.Wait(t.Context())
	return err
}

// Arguments and results over the threshold.

type letter struct {
	Name string
	Body []byte
	More [][]byte
	Any  any
}

var (
	shareBytes = worker.Register("share.bytes", func(_ context.Context, b []byte) ([]byte, error) {
		for i := range b { // it is the function's own
			b[i]++
		}
		return b, nil
	})
	shareLetter = worker.Register("share.letter", func(_ context.Context, l letter) (letter, error) { return l, nil })
	shareGrow   = worker.Register("share.grow", func(_ context.Context, n int) ([]byte, error) { return make([]byte, n), nil })
)

func TestLongByteSlicesTravelAsSharedMemoryBothWays(t *testing.T) {
	const threshold = 64 << 10
	p := pooltest.New(t, pool.WithWorkers(2), pool.WithBlobThreshold(threshold), pool.WithMaxPayload(4<<20))
	for _, n := range []int{0, 1, threshold - 1, threshold, threshold + 1, 4 << 20} {
		in := bytes.Repeat([]byte{1}, n)
		sent := p.Stats()
		out, err := pool.Call(t.Context(), p, shareBytes, in)
		require.NoError(t, err)
		require.Equal(t, bytes.Repeat([]byte{2}, n), out)
		now := p.Stats()
		if n >= threshold {
			require.Less(t, now.BytesSent-sent.BytesSent, int64(200))
			require.Less(t, now.BytesReceived-sent.BytesReceived, int64(200))
		}
		clear(out) // it is the caller's
	}
	long := bytes.Repeat([]byte{7}, threshold)
	in := letter{Name: "n", Body: long, More: [][]byte{{1}, long, nil}, Any: []any{long, "x"}}
	out, err := pool.Call(t.Context(), p, shareLetter, in)
	require.NoError(t, err)
	require.Equal(t, in, out)

	_, err = pool.Call(t.Context(), p, shareBytes, make([]byte, 4<<20+1))
	require.ErrorContains(t, err, "WithMaxPayload")
	_, err = pool.Call(t.Context(), p, shareGrow, 4<<20+1)
	require.ErrorContains(t, err, "WithMaxPayload")

	args := slices.Repeat([][]byte{long}, 50)
	all, err := pool.Map(t.Context(), p, shareBytes, args)
	require.NoError(t, err)
	require.EqualValues(t, 8, all[49][threshold-1])
	n := 0
	for b, err := range pool.StreamUnordered(t.Context(), p, shareBytes, slices.Values(args)) {
		require.NoError(t, err)
		require.Len(t, b, threshold)
		n++
	}
	require.Equal(t, 50, n)
	require.Zero(t, p.Stats().Blobs)
}

func TestAResultThatIsSharedMemoryOutlivesThePool(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithBlobThreshold(4096))
	f := pool.Go(t.Context(), p, shareGrow, 100_000)
	<-f.Done()
	require.NoError(t, p.Shutdown(t.Context()))
	b, err := f.Wait(t.Context())
	require.NoError(t, err)
	require.Len(t, b, 100_000)
}

func TestTheThresholdIsChecked(t *testing.T) {
	_, err := pool.New(t.Context(), pool.WithBlobThreshold(4095))
	require.ErrorContains(t, err, "WithBlobThreshold(4095)")
}

func TestForeignAndInlineWorkersIgnoreTheThreshold(t *testing.T) {
	p := python(t, pool.WithBlobThreshold(4096))
	long := bytes.Repeat([]byte{7}, 1<<16)
	got, err := pool.Call(t.Context(), p, pyEcho, any(long))
	require.NoError(t, err)
	require.Equal(t, any(long), got)
	p = pooltest.New(t, pool.WithInline(), pool.WithBlobThreshold(4096))
	out, err := pool.Call(t.Context(), p, shareBytes, bytes.Clone(long))
	require.NoError(t, err)
	require.EqualValues(t, 8, out[0])
}

func ExampleWithBlobThreshold() {
	p, err := pool.New(context.Background(), pool.WithWorkers(1), pool.WithBlobThreshold(1<<20))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	before := p.Stats().BytesSent
	out, err := pool.Call(context.Background(), p, shareBytes, make([]byte, 10<<20)) // the function takes and returns []byte
	fmt.Println(len(out), out[0], err)
	fmt.Println("less than 200 bytes through the pipe:", p.Stats().BytesSent-before < 200)
	// Output:
	// 10485760 1 <nil>
	// less than 200 bytes through the pipe: true
}

func ExamplePool_Share() {
	p, err := pool.New(context.Background(), pool.WithWorkers(2))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	table, err := p.Share(bytes.Repeat([]byte("x"), 10<<20)) // copied once, whatever reads it
	if err != nil {
		fmt.Println(err)
		return
	}
	defer table.Release()
	fmt.Println(pool.Map(context.Background(), p, occurrences, []worker.Args2[worker.Blob, string]{
		worker.Pack2(table, "x"), worker.Pack2(table, "y"),
	}))
	// Output: [10485760 0] <nil>
}

var occurrences = worker.Register2("share.occurrences", func(_ context.Context, table worker.Blob, word string) (int, error) {
	text, err := table.Bytes() // maps it, the first time in each worker
	return bytes.Count(text, []byte(word)), err
})
