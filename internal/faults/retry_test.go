//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// ordersOf returns n orders that write into l; the poisoned ones kill every worker that runs them.
func ordersOf(n int, l ledger, poison ...int) []order {
	orders := make([]order, n)
	for i := range orders {
		orders[i] = order{Index: i, Ledger: l}
		if slices.Contains(poison, i) {
			orders[i].Do = "signal 9"
		}
	}
	return orders
}

// tried verifies how often each of n tasks was started and that all but the poisoned ones ended once.
func (l ledger) tried(t testing.TB, n, attempts int, poison ...int) {
	t.Helper()
	h := l.read(t)
	for i := range n {
		if slices.Contains(poison, i) {
			assert.Equal(t, attempts, h.started[i], "starts of the poisoned task %d", i)
			assert.Zero(t, h.ended[i], "ends of the poisoned task %d", i)
			continue
		}
		assert.Equal(t, 1, h.started[i], "starts of task %d", i)
		assert.Equal(t, 1, h.ended[i], "ends of task %d", i)
	}
}

// poisoned verifies the error of a task that was tried so often and killed its worker each time.
func poisoned(t testing.TB, err error, attempts int) {
	t.Helper()
	fate{signal: syscall.SIGKILL, reason: pool.ReasonSignal}.check(t, err)
	assert.Equal(t, attempts, taskError(t, err).Attempt)
	assert.Contains(t, err.Error(), fmt.Sprintf("attempt %d)", attempts))
}

func TestRow042APoisonTaskFailsByItselfAfterItsAttempts(t *testing.T) {
	const n, poison = 20, 7
	f := start(t, 2)
	l := newLedger(t)
	var futures []*pool.Future[answer]
	for _, o := range ordersOf(n, l, poison) {
		futures = append(futures, submit(f, obey, o, pool.Retries(2)))
	}
	for i, future := range futures {
		a, err := await(t, future)
		if i == poison {
			poisoned(t, err, 3)
			continue
		}
		require.NoError(t, err, "task %d", i)
		assert.Equal(t, 1, a.Attempt)
	}
	l.tried(t, n, 3, poison)
	s := f.Stats()
	assert.EqualValues(t, 2, s.Retried)
	assert.EqualValues(t, 1, s.Failed)
	assert.EqualValues(t, n-1, s.Completed)
}

// More deaths under tasks than the restart limit allows failed starts do not break a slot.
func TestRow042APoisonTaskDoesNotTripTheBreaker(t *testing.T) {
	f := start(t, 1)
	_, err := call(f, obey, order{Do: "signal 9"}, pool.Retries(12))
	poisoned(t, err, 13)
	f.works()
	assert.NotContains(t, f.log.String(), "broken")
}

func TestRow043And044APoisonTaskInsideABatchCostsItselfAlone(t *testing.T) {
	const n = 100
	for _, poison := range []int{0, 50, n - 1} {
		for _, retries := range []int{0, 2} {
			t.Run(fmt.Sprintf("item %d, retries %d", poison, retries), func(t *testing.T) {
				f := start(t, 2)
				l := newLedger(t)
				next := 0
				for a, err := range pool.Stream(t.Context(), f.Pool, obey, slices.Values(ordersOf(n, l, poison)), pool.Chunk(n), pool.Retries(retries)) {
					if next == poison {
						poisoned(t, err, retries+1)
						require.Equal(t, next, taskError(t, err).Index)
					} else {
						require.NoError(t, err, "item %d", next)
						require.Equal(t, next, a.Index, "the order")
					}
					next++
				}
				require.Equal(t, n, next)
				l.tried(t, n, retries+1, poison)
			})
		}
	}
}

func TestRow045ManyPoisonTasksAreAllAnswered(t *testing.T) {
	const n = 40
	f := start(t, 2, pool.WithRetries(1))
	l := newLedger(t)
	var poison []int
	for i := 0; i < n; i += 2 {
		poison = append(poison, i)
	}
	answers, err := pool.Map(t.Context(), f.Pool, obey, ordersOf(n, l, poison...))
	onlyLost(t, err, poison...)
	var errs pool.Errors
	require.ErrorAs(t, err, &errs)
	for _, e := range errs {
		assert.Equal(t, 2, e.Attempt)
	}
	for i := 1; i < n; i += 2 {
		assert.Equal(t, i, answers[i].Index)
	}
	l.tried(t, n, 2, poison...)
	assert.EqualValues(t, len(poison), f.Stats().Retried)
}

func TestRow042TheNextAttemptIsMadeByAnotherProcessAtTheHeadOfTheQueue(t *testing.T) {
	f := start(t, 1)
	g := newGate(t)
	first := submit(f, obey, order{Index: 1, Gate: g.addr}, pool.Retries(1))
	dead := g.next(t)
	for i := 2; i < 5; i++ {
		submit(f, obey, order{Index: i, Gate: g.addr})
	}
	dead.order("signal 9")
	v := g.next(t)
	assert.Equal(t, 1, v.index, "before those that wait")
	assert.NotEqual(t, dead.pid, v.pid)
	v.order("")
	a, err := await(t, first)
	require.NoError(t, err)
	assert.Equal(t, 2, a.Attempt)
	for range 3 {
		g.next(t).order("")
	}
}

func TestRow042AHardTimeLimitCountsForEachAttempt(t *testing.T) {
	f := start(t, 1)
	g := newGate(t)
	future := submit(f, obey, order{Gate: g.addr}, pool.Retries(1), pool.Timeout(20*hard))
	g.next(t).order("spin")
	g.next(t).order("")
	a, err := await(t, future)
	require.NoError(t, err)
	assert.Equal(t, 2, a.Attempt)
	_, err = call(f, obey, order{Do: "spin"}, pool.Retries(2), pool.Timeout(hard))
	timedOut(t, err, "faults.spin")
	assert.Equal(t, 3, taskError(t, err).Attempt)
	assert.EqualValues(t, 4, f.Stats().TimedOut)
}

var errMoody = errors.New("not in the mood")

func init() { worker.RegisterError("faults.moody", errMoody) }

// moody fails until its so-many-th attempt.
var moody = worker.Register("faults.moody", func(ctx context.Context, until int) (answer, error) {
	info := worker.Info(ctx)
	if info.Attempt < until {
		return answer{}, fmt.Errorf("attempt %d: %w", info.Attempt, errMoody)
	}
	return answer{Index: until, PID: info.PID, Attempt: info.Attempt}, nil
})

func TestRow042RetryIfSaysWhichErrorsAreTriedAgain(t *testing.T) {
	f := start(t, 2)
	var asked atomic.Int64
	moods := pool.RetryIf(func(err error) bool {
		asked.Add(1)
		var task *pool.TaskError
		return errors.As(err, &task) && errors.Is(err, errMoody)
	})
	a, err := call(f, moody, 3, pool.Retries(4), moods)
	require.NoError(t, err)
	require.Equal(t, 3, a.Attempt)
	require.EqualValues(t, 2, asked.Load())

	_, err = call(f, moody, 9, pool.Retries(1), moods)
	require.ErrorIs(t, err, errMoody)
	require.Equal(t, 2, taskError(t, err).Attempt)
	require.EqualValues(t, 3, asked.Load(), "not asked after the last attempt")

	_, err = call(f, obey, order{Do: "fail for good"}, pool.Retries(3), moods)
	fails[*pool.RemoteError]("for good")(t, err)
	require.Equal(t, 1, taskError(t, err).Attempt)

	_, err = call(f, moody, 9, pool.Retries(3), pool.RetryIf(func(error) bool { panic("confused") }))
	require.ErrorIs(t, err, errMoody)
	require.Equal(t, 1, taskError(t, err).Attempt, "a panic is a no")
	require.Contains(t, f.log.String(), "confused")

	_, err = call(f, moody, 2, moods)
	require.ErrorIs(t, err, errMoody, "without Retries there is nothing to ask")
}

func TestRow042RetryIfHoldsForTheItemsOfABatch(t *testing.T) {
	const n = 60
	for name, opts := range map[string][]pool.CallOption{"at once": nil, "delayed": {pool.RetryDelay(time.Millisecond)}} {
		t.Run(name, func(t *testing.T) {
			f := start(t, 2)
			args := make([]int, n)
			for i := range args {
				args[i] = i%5 + 1 // 4 and 5 are more than three attempts
			}
			opts := append([]pool.CallOption{pool.Retries(2), pool.Chunk(20), pool.RetryIf(func(err error) bool { return errors.Is(err, errMoody) })}, opts...)
			answers, err := pool.Map(t.Context(), f.Pool, moody, args, opts...)
			var errs pool.Errors
			require.ErrorAs(t, err, &errs)
			require.Len(t, errs, 2*n/5)
			for i, a := range answers {
				if args[i] <= 3 {
					require.Equal(t, args[i], a.Attempt, "item %d", i)
				}
			}
			for _, e := range errs {
				require.Equal(t, 3, e.Attempt)
				require.Greater(t, args[e.Index], 3)
			}
			s := f.Stats()
			require.EqualValues(t, 3*n/5, s.Completed)
			require.EqualValues(t, 2*n/5, s.Failed)
			require.EqualValues(t, n/5*(0+1+2+2+2), s.Retried)
			var results int
			for r := range pool.Results(t.Context(), f.Pool, moody, slices.Values(args), opts...) {
				results++
				require.NotZero(t, r.Attempt)
				require.Equal(t, min(args[r.Index], 3), r.Attempt)
			}
			require.Equal(t, n, results)
		})
	}
}

// An idle worker that has not seen the task is preferred to the one that failed.
func TestRow042AFailedTaskIsTriedByAnotherIdleWorker(t *testing.T) {
	f := start(t, 2)
	seen := map[int]bool{}
	_, err := call(f, moody, 9, pool.Retries(3), pool.RetryIf(func(err error) bool {
		pid := taskError(t, err).PID
		assert.True(t, len(seen) == 0 || !seen[pid] || len(seen) == 2)
		clearExcept(seen, pid)
		return true
	}))
	require.ErrorIs(t, err, errMoody)
}

func clearExcept(seen map[int]bool, pid int) {
	clear(seen)
	seen[pid] = true
}

func TestRow098ARetryThatWaitsIsEndedByCloseCancelAndDropQueued(t *testing.T) {
	for name, end := range map[string]func(f *fixture, cancel context.CancelFunc){
		"close":  func(f *fixture, _ context.CancelFunc) { assert.NoError(f.t, f.Close()) },
		"cancel": func(_ *fixture, cancel context.CancelFunc) { cancel() },
		"drop": func(f *fixture, _ context.CancelFunc) {
			assert.NoError(f.t, f.Shutdown(context.Background(), pool.DropQueued()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, 1)
			f.spent = name != "cancel"
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			call := pool.Go(ctx, f.Pool, obey, order{Do: "signal 9"}, pool.Retries(1), pool.RetryDelay(time.Hour))
			follow(f, call)
			job := pool.GoMap(ctx, f.Pool, obey, []order{{Do: "signal 9"}}, pool.Retries(1), pool.RetryDelay(time.Hour))
			follow(f, job)
			eventually(t, patience, "both wait", func() bool { return f.Stats().Retried == 2 && f.Stats().Queued == 2 })
			end(f, cancel)
			want := map[string]error{"cancel": context.Canceled}[name]
			if want == nil {
				want = pool.ErrClosed
			}
			_, err := await(t, call)
			require.ErrorIs(t, err, want)
			_, err = await(t, job)
			require.ErrorIs(t, err, want)
		})
	}
}

func TestRow098ShutdownWaitsForARetryThatWaits(t *testing.T) {
	f := start(t, 1)
	f.spent = true
	g := newGate(t)
	future := submit(f, obey, order{Gate: g.addr}, pool.Retries(1), pool.RetryDelay(50*time.Millisecond))
	v := g.next(t)
	down := make(chan error, 1)
	go func() { down <- f.Shutdown(context.Background()) }()
	v.order("signal 9")
	g.next(t).order("")
	a, err := await(t, future)
	require.NoError(t, err)
	require.Equal(t, 2, a.Attempt)
	require.NoError(t, <-down)
}

// FailFast looks at what is final.
func TestRow042FailFastIsForTheLastAttempt(t *testing.T) {
	f := start(t, 1)
	answers, err := pool.Map(t.Context(), f.Pool, moody, []int{1, 2, 3}, pool.FailFast(), pool.Retries(2), pool.RetryIf(func(error) bool { return true }))
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, 3}, []int{answers[0].Attempt, answers[1].Attempt, answers[2].Attempt})
}

func TestRow042ATaskWithAKeyIsTriedAgainInItsSlot(t *testing.T) {
	f := start(t, 3)
	g := newGate(t)
	future := submit(f, obey, order{Gate: g.addr}, pool.Retries(1), pool.Key("k"))
	first := g.next(t)
	slot := slices.IndexFunc(f.Workers(), func(w pool.WorkerInfo) bool { return w.PID == first.pid })
	first.order("signal 9")
	g.next(t).order("")
	a, err := await(t, future)
	require.NoError(t, err)
	require.Equal(t, slot, a.Slot)
	require.Equal(t, 2, a.Attempt)
}

// Another attempt at a task with a key wakes its slot, in which the process that died of it still is: it must get nothing more.
func TestRow106ARetryWithAKeyGivesNothingToTheDead(t *testing.T) {
	f := start(t, 1)
	_, err := pool.Map(t.Context(), f.Pool, obey, make([]order, 500)) // workers get tasks in advance once it is known how short they are
	require.NoError(t, err)
	submitted := f.Stats().Submitted
	g, l := newGate(t), newLedger(t)
	o := order{Index: 0, Ledger: l, Gate: g.addr}
	poison := submit(f, obey, o, pool.Key("k"), pool.Retries(1))
	first := g.next(t)
	args := make([]order, 30)
	for i := range args {
		args[i] = order{Index: i + 1, Ledger: l}
	}
	behind := pool.GoMap(t.Context(), f.Pool, obey, args, pool.Chunk(10))
	keyed := pool.GoMap(t.Context(), f.Pool, obey, []order{{Index: 31, Ledger: l}, {Index: 32, Ledger: l}}, pool.Key("k"))
	eventually(t, patience, "all are submitted", func() bool { return f.Stats().Submitted == submitted+33 })
	first.order("signal 9")
	g.next(t).order("")

	a, err := await(t, poison)
	require.NoError(t, err)
	assert.Equal(t, 2, a.Attempt)
	_, err = await(t, behind)
	require.NoError(t, err)
	_, err = await(t, keyed)
	require.NoError(t, err)
	h := l.read(t)
	for i := range 33 {
		assert.Equal(t, 1, h.ended[i], "task %d", i)
	}
}

// What a worker that is being renewed had taken along under a key and not begun when it died goes to its replacement, which is there already
// and has nothing to do.
func TestRow106WhatARenewedWorkerLeavesUnderAKeyWakesItsReplacement(t *testing.T) {
	f := start(t, 1, pool.WithMaxTasksPerWorker(10), pool.WithRecycleJitter(0))
	g, l := newGate(t), newLedger(t)
	args := make([]order, 10)
	for i := range args {
		args[i] = order{Index: i, Ledger: l}
	}
	args[0].Gate = g.addr
	job := pool.GoMap(t.Context(), f.Pool, obey, args, pool.Key("k"), pool.Chunk(len(args)))
	first := g.next(t)
	eventually(t, patience, "the replacement is there", func() bool { return f.Stats().Recycles == 1 })
	first.order("exit 7")

	_, err := await(t, job)
	var lost pool.Errors
	require.ErrorAs(t, err, &lost)
	require.Len(t, lost, 1)
	fate{code: 7}.check(t, lost[0])
	l.check(t, len(args), 0)
}

// no is an error whose encoded form is as short as an argument.
type no string

func (e no) Error() string { return string(e) }

// atSecond fails at its first attempt and returns its argument at the next.
var atSecond = worker.Register("faults.atSecond", func(ctx context.Context, n int) (int, error) {
	if worker.Info(ctx).Attempt == 1 {
		return 0, no("no")
	}
	return n, nil
})

// The record of a call holds short arguments and, later, short results: a failure that is short must not be written over the argument that
// the next attempt needs.
func TestRow042TheNextAttemptGetsTheSameArgument(t *testing.T) {
	f := start(t, 2)
	yes := pool.RetryIf(func(error) bool { return true })
	n, err := call(f, atSecond, 1<<40, pool.Retries(1), yes)
	require.NoError(t, err)
	require.Equal(t, 1<<40, n)
	all, err := pool.Map(t.Context(), f.Pool, atSecond, []int{1 << 40, 2, 3}, pool.Retries(1), yes)
	require.NoError(t, err)
	require.Equal(t, []int{1 << 40, 2, 3}, all)
}

// A test that fails in RetryIf ends the goroutine that asks.
func TestRow097ARetryIfThatEndsItsGoroutineIsANo(t *testing.T) {
	f := start(t, 2)
	goexit := pool.RetryIf(func(error) bool { runtime.Goexit(); return true })
	_, err := call(f, moody, 9, pool.Retries(3), goexit)
	require.ErrorIs(t, err, errMoody)
	require.Equal(t, 1, taskError(t, err).Attempt)
	_, err = await(t, pool.GoMap(t.Context(), f.Pool, moody, []int{9, 1, 9}, pool.Retries(3), pool.Chunk(3), goexit))
	var errs pool.Errors
	require.ErrorAs(t, err, &errs)
	require.Len(t, errs, 2)
	require.Contains(t, f.log.String(), "Goexit")
}

// What runs when Shutdown drops what waits is not tried again afterwards: no worker has started that.
func TestRow098AShutdownThatDropsWaitsForNoAttemptThatComesLater(t *testing.T) {
	for name, verb := range map[string]string{"it dies": "signal 9", "it fails": "fail for once"} {
		t.Run(name, func(t *testing.T) {
			f := start(t, 2)
			f.spent = true
			g, l := newGate(t), newLedger(t)
			opts := []pool.CallOption{pool.Retries(1), pool.RetryDelay(time.Hour), pool.RetryIf(func(error) bool { return true })}
			future := submit(f, obey, order{Gate: g.addr, Ledger: l}, opts...)
			job := pool.GoMap(t.Context(), f.Pool, obey, []order{{Index: 1, Gate: g.addr, Ledger: l}}, opts...)
			visitors := g.gather(t, 2)
			down := make(chan error, 1)
			go func() { down <- f.Shutdown(context.Background(), pool.DropQueued()) }()
			eventually(t, patience, "it is closed", func() bool {
				_, err := pool.Call(t.Context(), f.Pool, double, 1)
				return errors.Is(err, pool.ErrClosed)
			})
			for _, v := range visitors {
				v.order(verb)
			}
			_, err := await(t, future)
			require.Equal(t, 1, taskError(t, err).Attempt)
			_, err = await(t, job)
			require.Equal(t, 1, taskError(t, err).Attempt)
			require.NoError(t, recv(t, down))
			f.balance()
		})
	}
}
