//go:build linux

package pool

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/worker"
)

var (
	quickTwice = worker.Register("quick twice", func(ctx context.Context, n int) (int, error) {
		switch n % 97 {
		case 13:
			worker.Report(ctx, n) // then the answer goes through the pipe
		case 31:
			time.Sleep(300 * time.Microsecond) // longer than a caller listens
		}
		return 2 * n, nil
	})
	quickBlob = worker.Register("quick blob", func(_ context.Context, b worker.Blob) (worker.Blob, error) {
		in, err := b.Bytes()
		if err != nil {
			return worker.Blob{}, err
		}
		return worker.NewBlob(in[:len(in)/2])
	})
)

// What callers wait for in the page is answered once, whoever else is answered, killed, cancelled or sent memory at that moment; and in the end nobody
// listens and no memory is left.
func TestCallersThatListenAreAnsweredWhateverElseHappens(t *testing.T) {
	for _, callers := range []int{2, 6} { // as many as there are workers, who all listen, and more, who do now and then
		listenForAWhile(t, callers)
	}
}

func listenForAWhile(t *testing.T, callers int) {
	p, err := New(t.Context(), WithWorkers(2), WithStopGrace(50*time.Millisecond), WithLogger(hclog.NewNullLogger()),
		WithOnReport(func(worker.TaskInfo, worker.Raw) {}), WithStdout(io.Discard), WithStderr(io.Discard))
	require.NoError(t, err)
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var calls, heard, lost atomic.Int64
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 7))
			for ctx.Err() == nil {
				quickRound(t, p, r, &calls, &heard, &lost)
			}
		})
	}
	all.Go(func() {
		r := rand.New(rand.NewPCG(99, 7))
		for ctx.Err() == nil {
			time.Sleep(time.Duration(r.IntN(40)) * time.Millisecond)
			p.core.mu.Lock()
			for proc := range p.core.live {
				proc.child.Kill()
				break
			}
			p.core.mu.Unlock()
		}
	})
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(60 * time.Second):
		t.Fatal("somebody waits for ever")
	}
	require.NoError(t, p.Shutdown(t.Context()))
	s := p.Stats()
	require.Zero(t, p.core.hearing.Load())
	require.Equal(t, s.Submitted, s.Completed+s.Failed+s.Cancelled, "%+v", s)
	require.Zero(t, s.Blobs, "%+v", s)
	t.Logf("%d calls, %d answered, %d lost; %+v", calls.Load(), heard.Load(), lost.Load(), s)
	require.Positive(t, heard.Load())
}

func quickRound(t *testing.T, p *Pool, r *rand.Rand, calls, heard, lost *atomic.Int64) {
	calls.Add(1)
	ctx := context.Background()
	if r.IntN(20) == 0 {
		short, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(400))*time.Microsecond)
		defer cancel()
		ctx = short
	}
	n := r.IntN(1 << 20)
	var err error
	switch kind := r.IntN(40); {
	case kind == 0:
		err = quickBlobs(ctx, p)
	case kind < 4:
		var got int
		if got, err = Go(ctx, p, quickTwice, n).Wait(context.Background()); err == nil && got != 2*n {
			t.Errorf("%d for %d", got, n)
		}
	default:
		var got int
		if got, err = Call(ctx, p, quickTwice, n); err == nil && got != 2*n {
			t.Errorf("%d for %d", got, n)
		}
	}
	exit, died := errors.AsType[*ExitError](err)
	switch {
	case err == nil:
		heard.Add(1)
	case died && exit.Reason == ReasonSignal:
		lost.Add(1)
	case ctx.Err() == nil:
		t.Errorf("%v", err)
	}
}

func quickBlobs(ctx context.Context, p *Pool) error {
	b, err := p.Share(make([]byte, 1000))
	if err != nil {
		return err
	}
	defer b.Release()
	half, err := Call(ctx, p, quickBlob, b)
	if err != nil {
		return err
	}
	if half.Len() != 500 {
		return errors.New("another Blob")
	}
	return half.Release()
}
