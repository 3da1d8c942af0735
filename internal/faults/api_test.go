//go:build linux

package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/internal/syncbuf"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

// heap returns how many bytes are in use after a collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A tap counts what is pulled from an input, and checks each time that no more than window are
// under way, beside the one whose consumer has not yet come to count it.
type tap struct {
	t               testing.TB
	window          int64
	pulled, yielded atomic.Int64
	full            chan struct{} // closed when all of the window has been pulled and nothing yielded
}

func newTap(t testing.TB, window int) *tap {
	return &tap{t: t, window: int64(window), full: make(chan struct{})}
}

// numbers yields 0, 1, 2 ... up to n, or without an end if n is negative.
func (tap *tap) numbers(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; i != n; i++ {
			pulled := tap.pulled.Add(1)
			if under := pulled - tap.yielded.Load(); under > tap.window+1 {
				tap.t.Errorf("%d inputs are pulled and not yet yielded, the window is %d", under, tap.window)
			}
			if pulled == tap.window {
				close(tap.full)
			}
			if !yield(i) {
				return
			}
		}
	}
}

func TestRow087SlowConsumerOfAMillionItemsHoldsUpTheProducer(t *testing.T) {
	n := 1_000_000 / raceFactor / raceFactor / raceFactor
	const window = 512
	for name, stream := range map[string]func(context.Context, *pool.Pool, worker.Func[int, int], iter.Seq[int], ...pool.CallOption) iter.Seq2[int, error]{
		"ordered": pool.Stream[int, int], "unordered": pool.StreamUnordered[int, int],
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, 2)
			f.works()
			before := heap()
			tap := newTap(t, window)
			var sum, count int
			for r, err := range stream(t.Context(), f.Pool, double, tap.numbers(n), pool.Window(window)) {
				require.NoError(t, err)
				if count == 0 {
					// Not consuming, until the producer has been held up.
					recv(t, tap.full)
				}
				tap.yielded.Add(1)
				sum += r
				if count++; count == n/2 {
					if now := heap(); now > before+8<<20 {
						t.Errorf("the heap grew from %d to %d bytes", before, now)
					}
				}
			}
			assert.Equal(t, n, count)
			assert.Equal(t, n*(n-1), sum)
			assert.EqualValues(t, n+1, f.Stats().Submitted)
		})
	}
	t.Run("the default window is bounded too", func(t *testing.T) {
		f := start(t, 2)
		tap := newTap(t, 32_768)
		count := 0
		for range pool.Stream(t.Context(), f.Pool, double, tap.numbers(-1)) {
			// Until nothing moves any more: the producer is held up.
			if count == 0 {
				still := tap.pulled.Load()
				for same := 0; same < 20; time.Sleep(5 * time.Millisecond) {
					if now := tap.pulled.Load(); now == still {
						same++
					} else {
						still, same = now, 0
					}
				}
			}
			tap.yielded.Add(1)
			if count++; count == 1000 {
				break
			}
		}
	})
}

func TestRow088SlowHeadOfAnOrderedStreamFillsTheWindowAndNoMore(t *testing.T) {
	const window = 8
	t.Run("the head is running", func(t *testing.T) {
		f := start(t, 2)
		g, l := newGate(t), newLedger(t)
		tap := newTap(t, window)
		orders := func(yield func(order) bool) {
			for i := range tap.numbers(3 * window) {
				o := order{Index: i, Ledger: l}
				if i == 0 {
					o.Gate = g.addr
				}
				if !yield(o) {
					return
				}
			}
		}
		go func() {
			head := g.next(t)
			<-tap.full
			assert.EqualValues(t, window, tap.pulled.Load())
			head.order("")
		}()
		i := 0
		for a, err := range pool.Stream(t.Context(), f.Pool, obey, orders, pool.Window(window)) {
			require.NoError(t, err)
			tap.yielded.Add(1)
			assert.Equal(t, i, a.Index)
			i++
		}
		assert.Equal(t, 3*window, i)
		l.check(t, 3*window)
	})
	// The head was handed to a worker that never began it and died: it must be dispatched again
	// although the window is full.
	t.Run("the head is queued again", func(t *testing.T) {
		_, opts := puppets(t, func(p *puppet) {
			p.greet()
			if p.nth == 0 {
				p.tasks()
				p.kill()
			}
			p.serve()
		})
		f := start(t, 1, opts...)
		tap := newTap(t, 2)
		i := 0
		for n, err := range pool.Stream(t.Context(), f.Pool, double, tap.numbers(10), pool.Window(2)) {
			require.NoError(t, err)
			tap.yielded.Add(1)
			assert.Equal(t, 2*i, n)
			i++
		}
		assert.Equal(t, 10, i)
	})
}

func TestRow089FullQueueBlocksOrIsAnErrorAndEndsWithTheContext(t *testing.T) {
	f := start(t, 1, pool.WithQueueSize(3))
	g := newGate(t)
	running := submit(f, obey, order{Gate: g.addr})
	v := g.next(t)
	for i := range 3 {
		submit(f, double, i)
	}
	_, err := call(f, double, 9, pool.NonBlocking())
	assert.ErrorIs(t, err, pool.ErrQueueFull)

	ctx, cancel := context.WithCancel(t.Context())
	blocked := make(chan error, 1)
	go func() {
		_, err := pool.Call(ctx, f.Pool, double, 9)
		blocked <- err
	}()
	select {
	case err := <-blocked:
		t.Errorf("a call did not wait for room: %v", err)
	case <-time.After(50 * time.Millisecond): // long enough for a call that does not wait to be answered
	}
	cancel()
	assert.ErrorIs(t, recv(t, blocked), context.Canceled)

	waiting := make(chan error, 1)
	go func() {
		_, err := pool.Call(t.Context(), f.Pool, double, 9)
		waiting <- err
	}()
	v.order("")
	assert.NoError(t, recv(t, waiting), "room at last")
	_, err = await(t, running)
	assert.NoError(t, err)

	t.Run("endless producer of Go", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var futures []*pool.Future[int]
		for i := range 10_000 {
			futures = append(futures, pool.Go(ctx, f.Pool, double, i))
			if q := f.Stats().Queued; q > 3 {
				t.Fatalf("%d queued, the queue has room for 3", q)
			}
		}
		cancel()
		for _, future := range futures {
			await(t, future)
		}
	})
}

// cancelled verifies that a call ended because of its context, in time, with a bare error.
func cancelled(t testing.TB, err error, since time.Time) {
	t.Helper()
	assert.ErrorIs(t, err, context.Canceled)
	var task *pool.TaskError
	assert.False(t, errors.As(err, &task), "%v: of the call, not of a task", err)
	assert.Less(t, time.Since(since), detection)
}

func TestRow090ContextThatEndsFreesTheCallerAtEveryStage(t *testing.T) {
	t.Run("before it is submitted", func(t *testing.T) {
		f := start(t, 1)
		l := newLedger(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begin := time.Now()
		_, err := pool.Call(ctx, f.Pool, obey, order{Ledger: l})
		cancelled(t, err, begin)
		f.works()
		l.check(t, 0)
	})
	t.Run("waiting for room in the queue", func(t *testing.T) {
		f := start(t, 1, pool.WithQueueSize(1))
		g := newGate(t)
		submit(f, obey, order{Gate: g.addr})
		v := g.next(t)
		submit(f, double, 1)
		ctx, cancel := context.WithCancel(t.Context())
		told := make(chan error, 1)
		go func() {
			_, err := pool.Call(ctx, f.Pool, double, 1)
			told <- err
		}()
		begin := time.Now()
		cancel()
		cancelled(t, recv(t, told), begin)
		v.order("")
	})
	t.Run("queued", func(t *testing.T) {
		f := start(t, 1)
		g, l := newGate(t), newLedger(t)
		running := submit(f, obey, order{Gate: g.addr})
		v := g.next(t)
		ctx, cancel := context.WithCancel(t.Context())
		queued := pool.Go(ctx, f.Pool, obey, order{Index: 0, Ledger: l})
		follow(f, queued)
		begin := time.Now()
		cancel()
		_, err := await(t, queued)
		cancelled(t, err, begin)
		v.order("")
		_, err = await(t, running)
		assert.NoError(t, err)
		f.works()
		l.check(t, 0)
	})
	t.Run("while its frame is written", func(t *testing.T) {
		f := start(t, 2)
		pid := f.pidAt(0)
		stop(t, pid)
		stop(t, f.pidAt(1))
		ctx, cancel := context.WithCancel(t.Context())
		told := make(chan error, 1)
		go func() {
			_, err := pool.Call(ctx, f.Pool, echo, bytes.Repeat([]byte("x"), 8<<20))
			told <- err
		}()
		eventually(t, patience, "the parent waits in write", func() bool {
			return pipesFull(pid, os.O_RDONLY) || pipesFull(f.pidAt(1), os.O_RDONLY)
		})
		begin := time.Now()
		cancel()
		err := recv(t, told)
		assert.ErrorIs(t, err, context.Canceled)
		assert.Less(t, time.Since(begin), grace+killing, "a large argument is read until its worker is gone")
		// The frame that was cut must not be followed by another: its worker goes, the other one goes on.
		for _, w := range f.Workers() {
			if w.PID > 0 {
				syscall.Kill(w.PID, syscall.SIGCONT)
			}
		}
		f.works()
		f.replaced()
	})
	t.Run("written but not begun", func(t *testing.T) {
		began := make(chan struct{})
		_, opts := puppets(t, func(p *puppet) {
			p.greet()
			if p.nth == 0 {
				j := p.tasks()
				close(began)
				for { // the task was never begun and never will be
					switch f := p.next(); f.Kind {
					case wire.Recall:
						p.write(control(wire.Recalled, f.ID, 0, nil))
						p.serve()
					case wire.Cancel:
						p.write(append(j.started(0), j.results(0, wire.Failed, pack(map[string]any{"msg": "cancelled"}))...))
						p.serve()
					}
				}
			}
			p.serve()
		})
		f := start(t, 1, opts...)
		ctx, cancel := context.WithCancel(t.Context())
		future := pool.Go(ctx, f.Pool, double, 1)
		follow(f, future)
		recv(t, began)
		begin := time.Now()
		cancel()
		_, err := await(t, future)
		cancelled(t, err, begin)
		f.works()
	})
	t.Run("sent to a stopped worker", func(t *testing.T) {
		f := start(t, 1)
		l := newLedger(t)
		pid := f.pidAt(0)
		stop(t, pid)
		ctx, cancel := context.WithCancel(t.Context())
		future := pool.Go(ctx, f.Pool, obey, order{Index: 0, Ledger: l})
		follow(f, future)
		eventually(t, patience, "it is sent", func() bool { return f.Stats().Queued == 0 })
		begin := time.Now()
		cancel()
		_, err := await(t, future)
		cancelled(t, err, begin)
		syscall.Kill(pid, syscall.SIGCONT)
		f.works()
		f.replaced()
		l.check(t, 0) // recalled by the claim word, exactly, though the worker was stopped
	})
	t.Run("running", func(t *testing.T) {
		f := start(t, 1)
		g := newGate(t)
		ctx, cancel := context.WithCancel(t.Context())
		future := pool.Go(ctx, f.Pool, obey, order{Gate: g.addr})
		follow(f, future)
		v := g.next(t)
		begin := time.Now()
		cancel()
		_, err := await(t, future)
		cancelled(t, err, begin)
		v.gone(t, grace)
		f.works()
		assert.Equal(t, v.pid, f.pidAt(0), "a task that heeds its context does not cost its worker")
	})
	t.Run("running and stubborn", func(t *testing.T) {
		f := start(t, 1)
		g, l := newGate(t), newLedger(t)
		ctx, cancel := context.WithCancel(t.Context())
		future := pool.Go(ctx, f.Pool, obey, order{Gate: g.addr, Stubborn: true, Ledger: l})
		follow(f, future)
		v := g.next(t)
		begin := time.Now()
		cancel()
		_, err := await(t, future)
		cancelled(t, err, begin)
		v.gone(t, grace+killing)
		e := f.exit()
		assert.Equal(t, v.pid, e.PID)
		assert.Equal(t, pool.ReasonCancelled, e.Reason)
		f.replaced(v.pid)
		l.check(t, 1, 0)
	})
	t.Run("its result half in the pipe", func(t *testing.T) {
		s := newSpoiler(t)
		half, rest := make(chan struct{}), make(chan struct{})
		s.spoil(func(p *puppet, j job) {
			frame := j.results(0, wire.Value, pack(bytes.Repeat([]byte("x"), 1000)))
			p.write(append(j.started(0), frame[:500]...))
			close(half)
			<-rest
			p.write(frame[500:])
		})
		ctx, cancel := context.WithCancel(t.Context())
		future := pool.Go(ctx, s.Pool, echo, []byte("x"))
		follow(s.fixture, future)
		recv(t, half)
		begin := time.Now()
		cancel()
		_, err := await(t, future)
		cancelled(t, err, begin)
		close(rest)
		s.works()
		assert.Equal(t, 1, s.started())
	})
	t.Run("done but behind another in order", func(t *testing.T) {
		f := start(t, 2)
		g := newGate(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		orders := func(yield func(order) bool) {
			_ = yield(order{Index: 0, Gate: g.addr}) && yield(order{Index: 1})
		}
		go func() {
			defer close(done)
			g.next(t)
			eventually(t, patience, "the second is done", func() bool { return f.Stats().Completed >= 1 })
			cancel()
		}()
		n := 0
		for _, err := range pool.Stream(ctx, f.Pool, obey, orders) {
			n++
			assert.ErrorIs(t, err, context.Canceled)
		}
		assert.Equal(t, 1, n, "pairs: the cause alone")
		recv(t, done)
	})
	t.Run("in a callback", func(t *testing.T) {
		f := start(t, 1)
		ctx, cancel := context.WithCancel(t.Context())
		g := newGate(t)
		future := pool.Go(ctx, f.Pool, obey, order{Index: 3, Gate: g.addr})
		follow(f, future)
		inCallback, goOn := make(chan struct{}), make(chan struct{})
		future.OnDone(func(answer, error) {
			close(inCallback)
			<-goOn
		})
		g.next(t).order("")
		recv(t, inCallback)
		cancel()
		waitCtx, stopWaiting := context.WithCancel(t.Context())
		stopWaiting()
		begin := time.Now()
		_, err := future.Wait(waitCtx)
		cancelled(t, err, begin)
		close(goOn)
		a, err := await(t, future)
		assert.NoError(t, err, "it was done before")
		assert.Equal(t, 3, a.Index)
	})
	t.Run("after it is done", func(t *testing.T) {
		f := start(t, 1)
		ctx, cancel := context.WithCancel(t.Context())
		future := pool.Go(ctx, f.Pool, double, 4)
		follow(f, future)
		_, err := await(t, future)
		require.NoError(t, err)
		cancel()
		future.Cancel()
		n, err := await(t, future)
		assert.NoError(t, err, "the result stays")
		assert.Equal(t, 8, n)
	})
	t.Run("Map with results and failures", func(t *testing.T) {
		f := start(t, 1)
		g := newGate(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("had enough")
		go func() {
			g.next(t)
			eventually(t, patience, "the failure is known", func() bool { return f.Stats().Failed == 1 })
			cancel(cause)
		}()
		orders := []order{{Index: 0}, {Index: 1, Do: "fail early"}, {Index: 2, Gate: g.addr}, {Index: 3}}
		answers, err := pool.Map(ctx, f.Pool, obey, orders)
		assert.ErrorIs(t, err, context.Canceled)
		assert.ErrorIs(t, err, cause)
		var errs pool.Errors
		if assert.ErrorAs(t, err, &errs) && assert.Len(t, errs, 1) {
			assert.Equal(t, 1, errs[0].Index)
		}
		require.Len(t, answers, 4)
		assert.NotZero(t, answers[0].PID)
		assert.Zero(t, answers[2].PID)
		assert.Zero(t, answers[3].PID)
	})
}

func TestRow091ContextThatHasEndedDispatchesAndStartsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	t.Run("New", func(t *testing.T) {
		bounded(t, time.Minute)
		leaktest.Check(t)
		s, lift := refuse(t, syscall.EAGAIN, 1<<40) // counts, refuses nothing
		defer lift()
		p, err := pool.New(ctx, helperOptions(2)...)
		assert.ErrorIs(t, err, context.Canceled)
		assert.Nil(t, p)
		assert.EqualValues(t, 1<<40, s.after.Load(), "starts")
	})
	t.Run("calls", func(t *testing.T) {
		f := start(t, 2)
		l := newLedger(t)
		o := order{Index: 0, Ledger: l}
		sent := f.Stats().BytesSent
		_, err := pool.Call(ctx, f.Pool, obey, o)
		assert.ErrorIs(t, err, context.Canceled)
		_, err = await(t, pool.Go(ctx, f.Pool, obey, o))
		assert.ErrorIs(t, err, context.Canceled)
		answers, err := pool.Map(ctx, f.Pool, obey, []order{o, o})
		assert.ErrorIs(t, err, context.Canceled)
		assert.Len(t, answers, 2)
		_, err = await(t, pool.GoMap(ctx, f.Pool, obey, []order{o}))
		assert.ErrorIs(t, err, context.Canceled)
		_, err = pool.Broadcast(ctx, f.Pool, obey, o)
		assert.ErrorIs(t, err, context.Canceled)
		pulled := 0
		input := func(yield func(order) bool) {
			for pulled++; yield(o); pulled++ {
			}
		}
		for _, err := range pool.Stream(ctx, f.Pool, obey, input) {
			assert.ErrorIs(t, err, context.Canceled)
		}
		for r := range pool.Results(ctx, f.Pool, obey, input) {
			assert.ErrorIs(t, r.Err, context.Canceled)
			assert.Equal(t, -1, r.Index)
		}
		f.works()
		assert.Zero(t, pulled, "inputs pulled")
		l.check(t, 0)
		assert.Less(t, f.Stats().BytesSent-sent, int64(1000), "only what works sends")
	})
}

func TestRow093DeadlineAndResultAtTheSameMomentAreOneOutcome(t *testing.T) {
	f := start(t, 2)
	f.works()
	// How long a call takes, so that deadlines fall into it.
	begin := time.Now()
	for range 50 {
		f.works()
	}
	typical := time.Since(begin) / 50
	var done, late int
	for i := range 300 {
		ctx, cancel := context.WithTimeout(t.Context(), typical*time.Duration(i%30)/15)
		future := pool.Go(ctx, f.Pool, double, i)
		follow(f, future)
		switch n, err := await(t, future); {
		case err == nil:
			assert.Equal(t, 2*i, n)
			done++
		default:
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Zero(t, n)
			late++
		}
		cancel()
	}
	t.Logf("%d done, %d late", done, late)
	s := f.Stats()
	assert.EqualValues(t, 0, s.Failed)
	assert.EqualValues(t, 0, s.Restarts, "no worker is lost to it")
}

func TestRow094BreakWithdrawsTheRestAndLeavesNothingBehind(t *testing.T) {
	for name, stubborn := range map[string]bool{"tasks that heed their context": false, "tasks that do not": true} {
		t.Run(name, func(t *testing.T) {
			f := start(t, 2)
			before := f.meet(2)
			g, l := newGate(t), newLedger(t)
			goroutines := runtime.NumGoroutine()
			pulled := atomic.Int64{}
			orders := func(yield func(order) bool) {
				for i := 0; ; i++ {
					pulled.Add(1)
					o := order{Index: i, Ledger: l, Gate: g.addr, Stubborn: stubborn}
					if i == 0 {
						o.Gate = ""
					}
					if !yield(o) {
						return
					}
				}
			}
			var begin time.Time
			var visitors []*visitor
			for _, err := range pool.Stream(t.Context(), f.Pool, obey, orders, pool.Window(64)) {
				assert.NoError(t, err)
				visitors = g.gather(t, 2)
				begin = time.Now()
				break
			}
			assert.Less(t, time.Since(begin), detection, "break")
			for _, v := range visitors {
				v.gone(t, grace+killing)
			}
			eventually(t, grace+killing, "nothing of the stream runs", func() bool { return f.Stats().Busy == 0 && f.Stats().Queued == 0 })
			eventually(t, patience, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
			g.empty(t)
			assert.LessOrEqual(t, len(l.read(t).started), 3)
			still := pulled.Load()
			if !stubborn {
				assert.ElementsMatch(t, before, f.meet(2), "workers are kept")
			}
			f.works()
			assert.Equal(t, still, pulled.Load(), "nothing is pulled after break")
		})
	}
	t.Run("a consumer that panics", func(t *testing.T) {
		f := start(t, 1)
		assert.PanicsWithValue(t, "enough", func() {
			for range pool.Stream(t.Context(), f.Pool, double, newTap(t, 32_768).numbers(-1)) {
				panic("enough")
			}
		})
		f.works()
	})
	t.Run("ranging twice runs twice", func(t *testing.T) {
		f := start(t, 1)
		l := newLedger(t)
		stream := pool.Stream(t.Context(), f.Pool, obey, slices.Values([]order{{Index: 0, Ledger: l}}))
		l.check(t, 0)
		for range 2 {
			for _, err := range stream {
				assert.NoError(t, err)
			}
		}
		assert.Equal(t, 2, l.read(t).started[0])
	})
}

func TestRow095InputThatPanicsOrFailsAtAnItem(t *testing.T) {
	const k = 10
	broken := errors.New("the input is broken")
	t.Run("panics", func(t *testing.T) {
		f := start(t, 2)
		input := func(yield func(int) bool) {
			for i := range k {
				if !yield(i) {
					return
				}
			}
			panic(broken)
		}
		var got []int
		assert.PanicsWithError(t, broken.Error(), func() {
			for n, err := range pool.Stream(t.Context(), f.Pool, double, input) {
				assert.NoError(t, err)
				got = append(got, n)
			}
		}, "in the consumer's goroutine")
		assert.LessOrEqual(t, len(got), k)
		for i, n := range got {
			assert.Equal(t, 2*i, n)
		}
		f.works()
	})
	t.Run("fails", func(t *testing.T) {
		f := start(t, 2)
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		input := pool.Checked(func(yield func(int, error) bool) {
			for i := range k {
				if !yield(i, nil) {
					return
				}
			}
			yield(0, broken)
		}, cancel)
		var last error
		n := 0
		for _, err := range pool.Stream(ctx, f.Pool, double, input) {
			if last = err; err == nil {
				n++
			}
		}
		assert.ErrorIs(t, last, broken)
		assert.LessOrEqual(t, n, k)
	})
	t.Run("ends its goroutine", func(t *testing.T) {
		f := start(t, 2)
		input := func(yield func(int) bool) {
			yield(1)
			runtime.Goexit() // what FailNow does in a test's input
		}
		ended := make(chan struct{})
		go func() { // Goexit may be passed on to the consumer, as a panic is
			defer close(ended)
			for range pool.Stream(t.Context(), f.Pool, double, input) {
			}
		}()
		recv(t, ended)
		f.works()
	})
	t.Run("blocks for ever", func(t *testing.T) {
		f := start(t, 1)
		stuck := make(chan int)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := 0
		for _, err := range pool.Stream(ctx, f.Pool, double, func(yield func(int) bool) {
			yield(1)
			<-stuck
		}) {
			if n++; n == 1 {
				assert.NoError(t, err, "a result is yielded though the next input takes for ever")
				cancel()
			} else {
				assert.ErrorIs(t, err, context.Canceled)
			}
		}
		assert.Equal(t, 2, n)
		close(stuck)
	})
}

func TestRow096CallbackThatPanicsIsTheFuturesErrorAndThePoolLives(t *testing.T) {
	broken := errors.New("the callback is broken")
	for _, kind := range []string{"of a success", "of a failure", "of a death", "ends its goroutine"} {
		t.Run(kind, func(t *testing.T) {
			f := start(t, 2)
			g := newGate(t)
			future := pool.Go(t.Context(), f.Pool, obey, order{Gate: g.addr})
			var second atomic.Bool
			future.OnDone(func(answer, error) {
				if kind == "ends its goroutine" {
					runtime.Goexit()
				}
				panic(broken)
			})
			future.OnDone(func(answer, error) { second.Store(true) })
			g.next(t).order(map[string]string{"of a failure": "fail remotely", "of a death": "exit 7"}[kind])
			_, err := await(t, future)
			assert.True(t, second.Load(), "the next callback is called")
			switch kind {
			case "of a failure":
				var remote *pool.RemoteError
				assert.ErrorAs(t, err, &remote)
			case "of a death":
				var exit *pool.ExitError
				assert.ErrorAs(t, err, &exit)
			}
			if kind == "ends its goroutine" {
				t.Logf("the future's answer: %v", err)
			} else {
				assert.Error(t, err)
				assert.Contains(t, err.Error(), broken.Error())
			}
		})
	}
	t.Run("after completion, in the caller", func(t *testing.T) {
		f := start(t, 1)
		future := submit(f, double, 1)
		_, err := await(t, future)
		require.NoError(t, err)
		func() {
			defer func() { recover() }() // recovered here or by OnDone: both are "in the caller"
			future.OnDone(func(int, error) { panic(broken) })
		}()
	})
	for name, opt := range map[string]pool.Option{
		"WithOnExit": pool.WithOnExit(func(pool.WorkerExit) { panic(broken) }),
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, 1, opt)
			for range 3 {
				_, err := call(f, obey, order{Do: "exit 7"})
				fate{code: 7}.check(t, err)
			}
		})
	}
	t.Run("WithOnReport", func(t *testing.T) {
		f := start(t, 1, pool.WithOnReport(func(worker.TaskInfo, worker.Raw) { panic(broken) }))
		for range 3 {
			_, err := call(f, reporter, 3)
			assert.NoError(t, err)
		}
	})
	t.Run("Progress", func(t *testing.T) {
		f := start(t, 1)
		func() {
			defer func() { recover() }() // on the goroutine of the consumer
			pool.Map(t.Context(), f.Pool, double, make([]int, 1000), pool.Progress(func(_, _, _ int) { panic(broken) }))
		}()
	})
	t.Run("writers", func(t *testing.T) {
		f := start(t, 1, pool.WithStdout(panicWriter{}), pool.WithStderr(panicWriter{}))
		for range 3 {
			_, err := call(f, doAsTold, "print x")
			assert.NoError(t, err)
			_, err = call(f, doAsTold, "complain x")
			assert.NoError(t, err)
		}
	})
}

type panicWriter struct{}

func (panicWriter) Write([]byte) (int, error) { panic("the writer is broken") }

var reporter = worker.Register("faults.reporter", func(ctx context.Context, n int) (int, error) {
	for i := range n {
		worker.Report(ctx, i)
	}
	return n, nil
})

func TestRow097CallbackMayUseThePoolAndMayBlock(t *testing.T) {
	inCallback := func(t *testing.T, f *fixture, work func()) {
		t.Helper()
		g := newGate(t)
		future := submit(f, obey, order{Gate: g.addr})
		done := make(chan struct{})
		future.OnDone(func(answer, error) {
			defer close(done)
			work()
		})
		g.next(t).order("")
		recv(t, done)
		_, err := await(t, future)
		assert.NoError(t, err)
	}
	t.Run("Go and Call and Map", func(t *testing.T) {
		f := start(t, 1)
		inCallback(t, f, func() {
			n, err := pool.Call(context.Background(), f.Pool, double, 4)
			assert.NoError(t, err)
			assert.Equal(t, 8, n)
			n, err = pool.Go(context.Background(), f.Pool, double, 5).Wait(context.Background())
			assert.NoError(t, err)
			assert.Equal(t, 10, n)
			_, err = pool.Map(context.Background(), f.Pool, double, make([]int, 1000))
			assert.NoError(t, err)
			assert.NotEmpty(t, f.Workers())
			assert.NoError(t, f.Resize(context.Background(), 2))
		})
		f.n = 2
	})
	t.Run("Shutdown", func(t *testing.T) {
		f := start(t, 1)
		f.spent = true
		inCallback(t, f, func() {
			ctx, cancel := context.WithTimeout(context.Background(), grace+killing)
			defer cancel()
			// It may be told that it waits for itself; it may not hang.
			if err := f.Shutdown(ctx); err != nil {
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				t.Logf("Shutdown in a callback: %v", err)
			}
		})
	})
	t.Run("Close", func(t *testing.T) {
		f := start(t, 1)
		f.spent = true
		inCallback(t, f, func() { assert.NoError(t, f.Close()) })
	})
	t.Run("blocks for ever", func(t *testing.T) {
		f := start(t, 1)
		g := newGate(t)
		stuck, goOn := make(chan struct{}), make(chan struct{})
		future := submit(f, obey, order{Gate: g.addr})
		future.OnDone(func(answer, error) {
			close(stuck)
			<-goOn
		})
		g.next(t).order("")
		recv(t, stuck)
		for i := range 200 { // other futures, with callbacks of their own, are not held up
			told := make(chan int, 1)
			other := submit(f, double, i)
			other.OnDone(func(n int, _ error) { told <- n })
			assert.Equal(t, 2*i, recv(t, told))
		}
		close(goOn)
		_, err := await(t, future)
		assert.NoError(t, err)
	})
	t.Run("WithOnExit blocks", func(t *testing.T) {
		goOn := make(chan struct{})
		f := start(t, 1, pool.WithOnExit(func(pool.WorkerExit) { <-goOn }))
		for range 5 {
			_, err := call(f, obey, order{Do: "exit 7"})
			fate{code: 7}.check(t, err)
		}
		f.works()
		close(goOn)
	})
	t.Run("WithOnExit uses the pool", func(t *testing.T) {
		told := make(chan error, 16)
		var f *fixture
		ready := make(chan struct{})
		f = start(t, 1, pool.WithOnExit(func(pool.WorkerExit) {
			<-ready
			_, err := pool.Call(context.Background(), f.Pool, double, 1)
			told <- err
		}))
		close(ready)
		_, err := call(f, obey, order{Do: "exit 7"})
		fate{code: 7}.check(t, err)
		assert.NoError(t, recv(t, told))
	})
}

func TestRow098GoAfterShutdownOrCloseIsErrClosedAlways(t *testing.T) {
	for name, end := range map[string]func(*fixture) error{
		"Shutdown": func(f *fixture) error { return f.Shutdown(context.Background()) },
		"Close":    func(f *fixture) error { return f.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, 2)
			f.works()
			require.NoError(t, end(f))
			f.spent = true
			for range 100 {
				_, err := call(f, double, 1)
				closed(t, err)
			}
			_, err := pool.Call(t.Context(), f.Pool, double, 1, pool.NonBlocking())
			closed(t, err)
			results, err := pool.Map(t.Context(), f.Pool, double, []int{1, 2})
			closed(t, err)
			assert.Len(t, results, 2)
			_, err = await(t, pool.GoMap(t.Context(), f.Pool, double, []int{1}))
			closed(t, err)
			_, err = pool.Broadcast(t.Context(), f.Pool, double, 1)
			closed(t, err)
			for _, err := range pool.Stream(t.Context(), f.Pool, double, slices.Values([]int{1, 2})) {
				closed(t, err)
			}
			closed(t, f.Resize(t.Context(), 3))
			assert.Empty(t, f.exitedOnes(), "workers")
		})
	}
}

// exitedOnes returns the workers that Workers names and that have a process.
func (f *fixture) exitedOnes() []pool.WorkerInfo {
	return slices.DeleteFunc(f.Workers(), func(w pool.WorkerInfo) bool { return w.PID == 0 })
}

// closed verifies that an error is ErrClosed, bare.
func closed(t testing.TB, err error) {
	t.Helper()
	assert.ErrorIs(t, err, pool.ErrClosed)
	var task *pool.TaskError
	assert.False(t, errors.As(err, &task), "%v", err)
}

func TestRow099GoRacingWithShutdownIsDoneOrErrClosed(t *testing.T) {
	race := func(t *testing.T, rounds int, opts ...pool.Option) {
		leaktest.Check(t)
		bounded(t, time.Minute)
		for range rounds {
			p, err := pool.New(t.Context(), helperOptions(2, opts...)...)
			require.NoError(t, err)
			var wg sync.WaitGroup
			begin := make(chan struct{})
			for i := range 4 {
				wg.Go(func() {
					<-begin
					for j := range 5 {
						switch n, err := await(t, pool.Go(context.Background(), p, double, i*10+j)); {
						case err == nil:
							assert.Equal(t, 2*(i*10+j), n)
						default:
							closed(t, err)
						}
					}
				})
			}
			wg.Go(func() {
				<-begin
				assert.NoError(t, p.Shutdown(context.Background()))
			})
			close(begin)
			wg.Wait()
			s := p.Stats()
			assert.EqualValues(t, s.Submitted, s.Completed+s.Failed+s.Cancelled, "%+v", s)
			require.NoError(t, p.Close())
		}
	}
	t.Run("processes", func(t *testing.T) { race(t, 25*envInt("FAULTS_ROUNDS", 1)) })
	t.Run("inline", func(t *testing.T) { race(t, 1500*envInt("FAULTS_ROUNDS", 1), pool.WithInline()) })
}

func TestRow100AnyNumberOfShutdownsAndClosesAgree(t *testing.T) {
	t.Run("one after another", func(t *testing.T) {
		f := start(t, 2)
		f.spent = true
		for range 3 {
			assert.NoError(t, f.Shutdown(t.Context()))
		}
		assert.NoError(t, f.Close())
		assert.NoError(t, f.Shutdown(t.Context()), "after Close")
		assert.NoError(t, f.Close())
	})
	t.Run("sixteen at once", func(t *testing.T) {
		f := start(t, 2)
		f.spent = true
		g := newGate(t)
		future := submit(f, obey, order{Gate: g.addr})
		v := g.next(t)
		errs := make(chan error, 16)
		for range 16 {
			go func() { errs <- f.Shutdown(context.Background()) }()
		}
		v.order("")
		for range 16 {
			assert.NoError(t, recv(t, errs))
		}
		_, err := await(t, future)
		assert.NoError(t, err)
	})
	t.Run("sixteen Closes at once", func(t *testing.T) {
		f := start(t, 2)
		f.spent = true
		errs := make(chan error, 16)
		for range 16 {
			go func() { errs <- f.Close() }()
		}
		for range 16 {
			assert.NoError(t, recv(t, errs))
		}
		assert.Empty(t, f.exitedOnes())
	})
	t.Run("deferred after Close", func(t *testing.T) {
		f := start(t, 1)
		f.spent = true
		func() {
			defer func() { assert.NoError(t, f.Shutdown(t.Context())) }()
			assert.NoError(t, f.Close())
		}()
	})
}

func TestRow101CloseWinsOverShutdown(t *testing.T) {
	for range 5 {
		f := start(t, 2)
		f.spent = true
		g := newGate(t)
		var running []*pool.Future[answer]
		for i := range 2 {
			running = append(running, submit(f, obey, order{Index: i, Gate: g.addr, Stubborn: true}))
		}
		visitors := g.gather(t, 2)
		queued := submit(f, double, 1)
		shut := make(chan error, 1)
		go func() { shut <- f.Shutdown(context.Background()) }()
		begin := time.Now()
		assert.NoError(t, f.Close())
		assert.Less(t, time.Since(begin), killing)
		for _, future := range running {
			_, err := await(t, future)
			closed(t, err)
		}
		_, err := await(t, queued)
		closed(t, err)
		t.Logf("Shutdown under Close: %v", recv(t, shut))
		for _, v := range visitors {
			v.gone(t, killing)
		}
	}
}

func TestRow102ShutdownWithAStoppedWorkerEndsAtItsDeadlineAndCloseCleansUp(t *testing.T) {
	f := start(t, 2)
	f.spent = true
	g := newGate(t)
	future := submit(f, obey, order{Gate: g.addr})
	v := g.next(t)
	stop(t, v.pid)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	err := f.Shutdown(ctx)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(begin), 300*time.Millisecond+detection)
	begin = time.Now()
	assert.NoError(t, f.Close())
	assert.Less(t, time.Since(begin), killing)
	_, err = await(t, future)
	closed(t, err)
}

func TestRow102StoppedIdleWorkerDelaysShutdownByTheGraceAtMost(t *testing.T) {
	f := start(t, 2, pool.WithStopGrace(200*time.Millisecond))
	f.spent = true
	stop(t, f.pidAt(0))
	begin := time.Now()
	assert.NoError(t, f.Shutdown(t.Context()))
	assert.Less(t, time.Since(begin), 200*time.Millisecond+time.Second+killing)
}

// A worker that ignores SIGTERM and cannot finish is killed when the ladder comes to its end.
func TestRow034WorkerThatIgnoresSIGTERMIsKilledAfterTheGrace(t *testing.T) {
	const short = 200 * time.Millisecond
	f := start(t, 1, pool.WithStopGrace(short), pool.WithFinalizer(lastWords, "deadlock"))
	f.spent = true
	_, err := call(f, obey, order{Do: "ignore-term"})
	require.NoError(t, err)
	begin := time.Now()
	assert.NoError(t, f.Shutdown(t.Context()))
	assert.GreaterOrEqual(t, time.Since(begin), short+time.Second, "first the grace, then a second after SIGTERM")
	assert.Less(t, time.Since(begin), short+time.Second+killing)
	e := f.exit()
	assert.Equal(t, pool.ReasonStopped, e.Reason)
	assert.Equal(t, "signal: killed", e.State.String())
}

func TestRow103CrashWhileDrainingCostsItsTaskAndShutdownReturns(t *testing.T) {
	for _, queue := range []int{0, 3} {
		t.Run(fmt.Sprint(queue, " queued"), func(t *testing.T) {
			f := start(t, 1)
			f.spent = true
			g, l := newGate(t), newLedger(t)
			running := submit(f, obey, order{Index: 0, Ledger: l, Gate: g.addr})
			v := g.next(t)
			var queued []*pool.Future[answer]
			for i := range queue {
				queued = append(queued, submit(f, obey, order{Index: i + 1, Ledger: l}))
			}
			s, lift := refuse(t, 0, 1<<40) // counts the starts
			defer lift()
			shut := make(chan error, 1)
			go func() { shut <- f.Shutdown(context.Background()) }()
			eventually(t, patience, "Shutdown has begun", func() bool {
				ctx, cancel := context.WithCancel(t.Context())
				late := pool.Go(ctx, f.Pool, double, 1)
				cancel()
				_, err := await(t, late)
				return errors.Is(err, pool.ErrClosed)
			})
			v.order("signal 9")
			_, err := await(t, running)
			fate{signal: syscall.SIGKILL}.check(t, err)
			for _, future := range queued {
				a, err := await(t, future)
				assert.NoError(t, err, "queued before Shutdown")
				assert.NotEqual(t, v.pid, a.PID)
			}
			assert.NoError(t, recv(t, shut))
			l.check(t, 1+queue, 0)
			if queue == 0 {
				assert.EqualValues(t, 1<<40, s.after.Load(), "starts for nothing")
			}
		})
	}
}

func TestRow104ShutdownBeforeAnyTaskOrWhileStarting(t *testing.T) {
	t.Run("before any task", func(t *testing.T) {
		f := start(t, 3)
		f.spent = true
		assert.NoError(t, f.Shutdown(t.Context()))
		for range 3 {
			assert.Equal(t, pool.ReasonStopped, f.exit().Reason)
		}
	})
	t.Run("New is given up while its workers start", func(t *testing.T) {
		bounded(t, time.Minute)
		leaktest.Check(t)
		g := newGate(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		told := make(chan error, 1)
		go func() {
			p, err := pool.New(ctx, helperOptions(2, pool.WithEnv(holdVar+"="+g.addr))...)
			assert.Nil(t, p)
			told <- err
		}()
		var watches []watch
		for _, v := range g.gather(t, 2) {
			watches = append(watches, watchPID(t, v.pid))
		}
		begin := time.Now()
		cancel(errors.New("no more patience"))
		err := recv(t, told)
		assert.ErrorIs(t, err, context.Canceled)
		assert.Less(t, time.Since(begin), killing)
		for _, w := range watches {
			assert.False(t, w.running(), "process %d", w.pid)
		}
	})
	t.Run("while a worker is replaced", func(t *testing.T) {
		path := t.TempDir() + "/verb"
		f := start(t, 1, pool.WithInitializer(asTheFileSays, path))
		f.spent = true
		g := newGate(t)
		require.NoError(t, os.WriteFile(path, []byte("* later-wait "+g.addr), 0o666))
		_, err := call(f, obey, order{Do: "exit 7"})
		fate{code: 7}.check(t, err)
		starting := watchPID(t, g.next(t).pid) // the replacement sits in its initializer
		ctx, cancel := context.WithTimeout(t.Context(), grace+killing+time.Second)
		defer cancel()
		begin := time.Now()
		assert.NoError(t, f.Shutdown(ctx))
		assert.Less(t, time.Since(begin), grace+killing)
		assert.False(t, starting.running())
	})
}

func TestRow105PoolThatIsDroppedEndsItsWorkersAndSaysSo(t *testing.T) {
	bounded(t, time.Minute)
	leaktest.Check(t)
	log := new(syncbuf.Buffer)
	watches := func() (watches []watch) {
		p, err := pool.New(t.Context(), append(helperOptions(2), pool.WithLogger(hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Debug})))...)
		require.NoError(t, err)
		_, err = pool.Call(t.Context(), p, double, 1)
		require.NoError(t, err)
		for _, w := range p.Workers() {
			watches = append(watches, watchPID(t, w.PID))
		}
		return watches
	}()
	eventually(t, patience, "the workers end", func() bool {
		runtime.GC()
		return !watches[0].running() && !watches[1].running()
	})
	eventually(t, patience, "a warning", func() bool { return strings.Contains(log.String(), "[WARN]") })
	eventually(t, patience, "the children are reaped", func() bool { return len(children(t)) == 0 })

	t.Run("not while it is used", func(t *testing.T) {
		f := start(t, 1)
		g := newGate(t)
		future := submit(f, obey, order{Gate: g.addr})
		v := g.next(t)
		for range 5 {
			runtime.GC()
		}
		v.order("")
		_, err := await(t, future)
		assert.NoError(t, err)
	})
	t.Run("not while a stream runs", func(t *testing.T) {
		p, err := pool.New(t.Context(), helperOptions(1)...)
		require.NoError(t, err)
		n := 0
		for _, err := range pool.Stream(t.Context(), p, double, newTap(t, 32_768).numbers(200)) {
			assert.NoError(t, err)
			if n++; n%50 == 0 {
				runtime.GC()
			}
		}
		assert.Equal(t, 200, n)
		p.Close()
	})
}

func TestRow106ResizeAndRecyclingWhileTasksRunAndWorkersDie(t *testing.T) {
	const n = 300
	f := start(t, 3, pool.WithMaxTasksPerWorker(20))
	l := newLedger(t)
	orders := make([]order, n)
	var lost []int
	for i := range orders {
		orders[i] = order{Index: i, Ledger: l}
		if i%40 == 17 {
			orders[i].Do = "signal 9"
			lost = append(lost, i)
		}
	}
	future := pool.GoMap(t.Context(), f.Pool, obey, orders)
	for _, size := range []int{1, 5, 2, 4, 1, 6, 3} {
		require.NoError(t, f.Resize(t.Context(), size), "to %d", size)
		f.n = size
	}
	_, err := await(t, future)
	onlyLost(t, err, lost...)
	l.check(t, n, lost...)
	eventually(t, patience, "the pool has its size", func() bool { return len(f.Workers()) == 3 })
	f.replaced()

	t.Run("busy workers leave after their task", func(t *testing.T) {
		g := newGate(t)
		futures := []*pool.Future[answer]{}
		for i := range 3 {
			futures = append(futures, submit(f, obey, order{Index: i, Gate: g.addr}))
		}
		visitors := g.gather(t, 3)
		resized := make(chan error, 1)
		go func() { resized <- f.Resize(t.Context(), 1) }()
		require.NoError(t, syscall.Kill(visitors[0].pid, syscall.SIGKILL)) // one dies, two are told to go or stay
		for _, v := range visitors[1:] {
			v.order("")
		}
		failed := 0
		for _, future := range futures {
			if _, err := await(t, future); err != nil {
				fate{signal: syscall.SIGKILL}.check(t, err)
				failed++
			}
		}
		assert.Equal(t, 1, failed)
		assert.NoError(t, recv(t, resized))
		eventually(t, patience, "one worker is left", func() bool { return len(f.Workers()) == 1 })
		f.n = 1
	})
	t.Run("resizes from many goroutines", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 4 {
					assert.NoError(t, f.Resize(t.Context(), 1+(i+j)%4), strconv.Itoa(i))
				}
			})
		}
		wg.Wait()
		require.NoError(t, f.Resize(t.Context(), 2))
		f.n = 2
		eventually(t, patience, "the pool has its size", func() bool { return len(f.Workers()) == 2 })
	})
}

// What a worker had taken along and not begun when it died is what no worker has started: DropQueued drops it, and the Map
// that it belongs to ends.
func TestRow103AWorkerThatDiesWithABatchAfterDropQueuedHoldsNothingUp(t *testing.T) {
	f := start(t, 1)
	f.spent = true
	g, l := newGate(t), newLedger(t)
	args := make([]order, 10)
	for i := range args {
		args[i] = order{Index: i, Ledger: l}
	}
	args[0].Gate = g.addr
	future := pool.GoMap(t.Context(), f.Pool, obey, args, pool.Chunk(len(args)))
	first := g.next(t)
	down := make(chan error, 1)
	go func() { down <- f.Shutdown(t.Context(), pool.DropQueued()) }()
	eventually(t, patience, "the pool is closed to others", func() bool {
		_, err := pool.Call(t.Context(), f.Pool, double, 1, pool.NonBlocking())
		return errors.Is(err, pool.ErrClosed)
	})
	first.order("exit 7")

	_, err := await(t, future)
	assert.ErrorIs(t, err, pool.ErrClosed)
	var lost pool.Errors
	if assert.ErrorAs(t, err, &lost) && assert.Len(t, lost, 1) {
		fate{code: 7}.check(t, lost[0])
	}
	assert.NoError(t, <-down, "Shutdown")
	h := l.read(t)
	assert.Equal(t, map[int]int{0: 1}, h.started, "what was started")
	f.balance()
}

// A slot that Resize takes away while a Broadcast waits for it is no worker of the pool, and the pool is not closed.
func TestRow106BroadcastLeavesOutWhatResizeTakesAway(t *testing.T) {
	f := start(t, 2)
	g := newGate(t)
	busy := []*pool.Future[answer]{submit(f, obey, order{Gate: g.addr}), submit(f, obey, order{Gate: g.addr})}
	visitors := g.gather(t, 2)
	type outcome struct {
		results []pool.Result[int]
		err     error
	}
	done := make(chan outcome, 1)
	go func() {
		results, err := pool.Broadcast(t.Context(), f.Pool, double, 21)
		done <- outcome{results, err}
	}()
	eventually(t, patience, "the Broadcast is submitted", func() bool { return f.Stats().Submitted == 4 })
	require.NoError(t, f.Resize(t.Context(), 1))
	f.n = 1
	for _, v := range visitors {
		v.order("")
	}
	for _, future := range busy {
		_, err := await(t, future)
		require.NoError(t, err)
	}
	o := <-done
	require.NoError(t, o.err)
	require.Len(t, o.results, 1)
	assert.NoError(t, o.results[0].Err)
	assert.Equal(t, 42, o.results[0].Value)
	assert.Equal(t, 0, o.results[0].Index)
}

// A call that is cancelled while Shutdown drops it is counted once.
func TestRow101ACancelBesideAShutdownThatDropsKeepsTheBooks(t *testing.T) {
	for range 20 {
		f := start(t, 1)
		f.spent = true
		g := newGate(t)
		ctx, cancel := context.WithCancel(t.Context())
		running := submit(f, obey, order{Gate: g.addr})
		v := g.next(t)
		for range 300 {
			pool.Go(ctx, f.Pool, double, 1)
		}
		go cancel()
		down := make(chan error, 1)
		go func() { down <- f.Shutdown(context.Background(), pool.DropQueued()) }()
		eventually(t, patience, "nothing is queued", func() bool { return f.Stats().Queued == 0 })
		v.order("")
		_, err := await(t, running)
		require.NoError(t, err)
		require.NoError(t, recv(t, down))
		<-ctx.Done()
		f.balance()
	}
}
