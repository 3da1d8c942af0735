//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

// hard is the hard time limit of the tasks under test.
const hard = 100 * time.Millisecond * raceFactor

// timedOut verifies that a task was ended at its hard limit and what is known of its end.
func timedOut(t testing.TB, err error, stack string) *pool.TimeoutError {
	t.Helper()
	var timeout *pool.TimeoutError
	require.ErrorAs(t, err, &timeout)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	taskError(t, err)
	assert.True(t, timeout.Hard)
	assert.Contains(t, err.Error(), timeout.Limit.String())
	var exit *pool.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, pool.ReasonTimeout, exit.Reason)
	assert.NotContains(t, string(exit.Stderr), "SIGQUIT", "the dump is the stack, not what the task wrote")
	if stack == "" {
		assert.Empty(t, timeout.Stack)
	} else {
		assert.Contains(t, timeout.Stack, stack)
	}
	assert.LessOrEqual(t, len(timeout.Stack), 64<<10)
	return timeout
}

func TestRow032ATaskOverItsHardLimitIsKilledWithItsStackWhateverItDoes(t *testing.T) {
	for verb, stack := range map[string]string{
		"spin":        "faults.spin",
		"pause":       "SIGQUIT: quit", // the runtime does not know that this thread is in the kernel, and cannot see its stack
		"deadlock":    "select (no cases)",
		"wait":        "faults.perform", // the hard limit does not end the context
		"ignore-quit": "",
		"stop-self":   "faults.", // SIGCONT makes it see SIGQUIT
	} {
		t.Run(verb, func(t *testing.T) {
			f := start(t, 2)
			begin := time.Now()
			future := submit(f, obey, order{Do: verb}, pool.Timeout(hard))
			_, err := await(t, future)
			assert.GreaterOrEqual(t, time.Since(begin), hard)
			assert.Less(t, time.Since(begin), hard+killing)
			timeout := timedOut(t, err, stack)
			assert.Equal(t, hard, timeout.Limit)
			e := f.exit()
			assert.Equal(t, pool.ReasonTimeout, e.Reason)
			f.replaced(e.PID)
			assert.EqualValues(t, 1, f.Stats().TimedOut)
			assert.NotContains(t, f.stderr.String(), "SIGQUIT", "the dump is not the user's output")
		})
	}
}

func TestRow034AWorkerThatIgnoresSIGTERMAndSIGQUITIsKilledAtTheLimit(t *testing.T) {
	f := start(t, 1, pool.WithTaskTimeout(hard))
	_, err := call(f, obey, order{Do: "ignore-all"})
	timedOut(t, err, "")
}

func TestRow028AStoppedWorkerIsKilledAtTheHardLimit(t *testing.T) {
	f := start(t, 2, pool.WithTaskTimeout(time.Second*raceFactor))
	g := newGate(t)
	future := submit(f, obey, order{Gate: g.addr})
	v := g.next(t)
	stop(t, v.pid)
	_, err := await(t, future)
	timedOut(t, err, "faults.knock")
	f.replaced(v.pid)
}

// The clock starts with the task, not with its submission or with its batch.
func TestRow092ALimitCountsFromTheStartOfEachTaskOfABatch(t *testing.T) {
	const n, slow = 30, 11
	f := start(t, 1, pool.WithTaskTimeout(3*hard))
	l := newLedger(t)
	orders := make([]order, n)
	for i := range orders {
		orders[i] = order{Index: i, Ledger: l, Do: fmt.Sprintf("sleep %d", hard/4)} // all together take longer than the limit
	}
	orders[slow].Do = "spin"
	answers, err := pool.Map(t.Context(), f.Pool, obey, orders, pool.Chunk(n))
	var errs pool.Errors
	require.ErrorAs(t, err, &errs)
	require.Len(t, errs, 1, "%v", err)
	assert.Equal(t, slow, errs[0].Index)
	timedOut(t, errs[0], "faults.spin")
	for i, a := range answers {
		if i != slow {
			assert.Equal(t, i, a.Index)
			assert.NotZero(t, a.PID, "task %d", i)
		}
	}
	l.check(t, n, slow)
}

func TestRow092TheLimitOfACallReplacesThatOfThePool(t *testing.T) {
	f := start(t, 2, pool.WithTaskTimeout(hard))
	for _, c := range []struct {
		limit time.Duration
		fails bool
	}{{0, false}, {time.Hour, false}, {hard / 2, true}} {
		_, err := call(f, obey, order{Do: fmt.Sprintf("sleep %d", 3*hard)}, pool.Timeout(c.limit))
		if !c.fails {
			require.NoError(t, err)
			continue
		}
		require.Equal(t, c.limit, timedOut(t, err, "time.Sleep").Limit)
	}
}

// The result may be there at the very moment in which the limit is.
func TestRow093ADeadlineAndAResultAtTheSameMomentGiveOneOutcome(t *testing.T) {
	const n = 60
	f := start(t, 2)
	limit := 20 * time.Millisecond * raceFactor
	timeouts := 0
	for i := range n {
		before := limit - time.Duration(i%6)*limit/20
		a, err := call(f, obey, order{Index: i, Do: fmt.Sprintf("sleep %d", before)}, pool.Timeout(limit))
		if err == nil {
			assert.Equal(t, i, a.Index)
			continue
		}
		var timeout *pool.TimeoutError
		require.ErrorAs(t, err, &timeout)
		timeouts++
	}
	t.Logf("%d of %d over the limit", timeouts, n)
}

// soft fails or returns after the end of its context, as it is told.
var soft = worker.Register("faults.soft", func(ctx context.Context, how string) (string, error) {
	if how == "" {
		return "in time", nil
	}
	<-ctx.Done()
	switch how {
	case "value":
		return "late", nil
	case "context":
		return "", ctx.Err()
	case "panic":
		panic("late")
	default:
		return "", errors.New(how)
	}
})

func TestRow092AtTheSoftLimitTheContextEndsAndAnErrorIsATimeout(t *testing.T) {
	for _, inline := range []bool{false, true} {
		t.Run(fmt.Sprint("inline ", inline), func(t *testing.T) {
			opts := []pool.Option{pool.WithSoftTimeout(hard)}
			if inline {
				opts = append(opts, pool.WithInline())
			}
			f := start(t, 2, opts...)
			f.spent = inline // there are no processes to meet
			text, err := call(f, soft, "value")
			require.NoError(t, err)
			require.Equal(t, "late", text)
			text, err = call(f, soft, "")
			require.NoError(t, err)
			require.Equal(t, "in time", text)
			for _, how := range []string{"context", "gave up"} {
				_, err = call(f, soft, how)
				var timeout *pool.TimeoutError
				require.ErrorAs(t, err, &timeout)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.False(t, timeout.Hard)
				require.Equal(t, hard, timeout.Limit)
				var remote *pool.RemoteError
				require.ErrorAs(t, err, &remote)
			}
			_, err = call(f, soft, "panic")
			fails[*pool.PanicError]("late")(t, err)
			results, err := pool.Map(t.Context(), f.Pool, soft, []string{"", "context", "value"})
			require.Equal(t, []string{"in time", "", "late"}, results)
			var timeout *pool.TimeoutError
			require.ErrorAs(t, err, &timeout)
			assert.Zero(t, f.Stats().Restarts)
			assert.EqualValues(t, 3, f.Stats().TimedOut)
		})
	}
}

// limited tells what a task knows of its limits.
var limited = worker.Register("faults.limited", func(ctx context.Context, _ struct{}) ([2]time.Duration, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now()
	}
	info := worker.Info(ctx).Deadline
	if info.IsZero() {
		info = time.Now()
	}
	return [2]time.Duration{time.Until(info).Round(time.Hour), time.Until(deadline).Round(time.Hour)}, nil
})

func TestRow092ATaskKnowsItsLimits(t *testing.T) {
	f := start(t, 1)
	const h = time.Hour
	for _, c := range []struct {
		soft, hard, caller time.Duration
		info, ctx          time.Duration
	}{
		{0, 0, 0, 0, 0},
		{5 * h, 0, 0, 5 * h, 5 * h},
		{0, 6 * h, 0, 6 * h, 0}, // the context does not end at the hard limit
		{5 * h, 6 * h, 0, 5 * h, 5 * h},
		{5 * h, 6 * h, 2 * h, 5 * h, 2 * h},
		{0, 6 * h, 2 * h, 6 * h, 2 * h},
		{0, 0, 2 * h, 2 * h, 2 * h},
	} {
		ctx := t.Context()
		if c.caller > 0 {
			bounded, cancel := context.WithTimeout(ctx, c.caller)
			defer cancel()
			ctx = bounded
		}
		got, err := pool.Call(ctx, f.Pool, limited, struct{}{}, pool.SoftTimeout(c.soft), pool.Timeout(c.hard))
		require.NoError(t, err)
		require.Equal(t, [2]time.Duration{c.info, c.ctx}, got, "%+v", c)
	}
}

func TestRow092LimitsThatMakeNoSenseAreRefused(t *testing.T) {
	f := start(t, 1)
	for want, opts := range map[string][]pool.CallOption{
		"Timeout(-1s)":     {pool.Timeout(-time.Second)},
		"SoftTimeout(-1s)": {pool.SoftTimeout(-time.Second)},
		"SoftTimeout(2s): want less than Timeout(1s)": {pool.SoftTimeout(2 * time.Second), pool.Timeout(time.Second)},
		"Retries(-1)":     {pool.Retries(-1)},
		"RetryDelay(-1s)": {pool.RetryDelay(-time.Second)},
	} {
		_, err := pool.Call(t.Context(), f.Pool, double, 1, opts...)
		require.ErrorContains(t, err, want)
	}
	for want, opt := range map[string]pool.Option{
		"WithTaskTimeout(0s)":  pool.WithTaskTimeout(0),
		"WithSoftTimeout(-1s)": pool.WithSoftTimeout(-time.Second),
		"WithRetries(-1)":      pool.WithRetries(-1),
	} {
		_, err := pool.New(t.Context(), opt)
		require.ErrorContains(t, err, want)
	}
	_, err := pool.New(t.Context(), pool.WithSoftTimeout(time.Second), pool.WithTaskTimeout(time.Second))
	require.ErrorContains(t, err, "want less than")
}

func TestRow032TheGroupOfATaskOverItsLimitDiesWithIt(t *testing.T) {
	f := start(t, 1, pool.WithTaskTimeout(time.Second*raceFactor))
	g := newGate(t)
	future := submit(f, obey, order{Do: "grandchild " + g.addr})
	child := watchPID(t, g.next(t).index)
	_, err := await(t, future)
	timedOut(t, err, "faults.")
	child.ended(t, killing)
}

func TestRow032InlineATaskOverItsLimitIsAbandoned(t *testing.T) {
	f := start(t, 1, pool.WithInline(), pool.WithTaskTimeout(hard))
	f.spent = true
	g := newGate(t)
	future := submit(f, obey, order{Gate: g.addr})
	v := g.next(t)
	_, err := await(t, future)
	var timeout *pool.TimeoutError
	require.ErrorAs(t, err, &timeout)
	assert.Contains(t, timeout.Stack, "faults.knock")
	f.works()
	assert.Equal(t, os.Getpid(), v.pid)
	v.order("") // the goroutine ends
}

// A task with a short limit may wait, in the worker, behind one with a long limit. When it begins is not known in advance.
func TestRow092AShortLimitHoldsBehindALongOne(t *testing.T) {
	for name, long := range map[string]time.Duration{"an hour": time.Hour, "none": 0} {
		t.Run(name, func(t *testing.T) {
			f := start(t, 1)
			_, err := pool.Map(t.Context(), f.Pool, obey, make([]order, 500)) // workers get tasks in advance once it is known how short they are
			require.NoError(t, err)
			g := newGate(t)
			first := submit(f, obey, order{Gate: g.addr}, pool.Timeout(long), pool.Key("k"))
			v := g.next(t)
			second := submit(f, obey, order{Do: "spin"}, pool.Timeout(hard), pool.Key("k"))
			time.Sleep(2 * hard) // the watchdog looks, and finds the first; the worker has both, unless the machine was slow
			begin := time.Now()
			v.order("")
			_, err = await(t, first)
			require.NoError(t, err)
			_, err = await(t, second)
			timedOut(t, err, "faults.spin")
			assert.Less(t, time.Since(begin), 2*hard+killing)
		})
	}
}

// A worker that sees no page says when it begins a task. Between two tasks none runs, however long it takes.
func TestRow092ATaskThatIsAnsweredIsNotOverItsLimit(t *testing.T) {
	const limit = 10 * hard // a third of it is what a busy machine may take away
	_, puppetry := puppets(t, func(p *puppet) {
		p.greet()
		if p.nth > 0 {
			p.serve()
			return
		}
		j := p.tasks()
		for i, arg := range j.args {
			p.write(j.started(i))
			time.Sleep(limit * 2 / 3)
			p.write(j.results(i, wire.Value, arg))
			time.Sleep(limit * 2 / 3)
		}
		p.serve()
	})
	f := start(t, 1, puppetry...)
	_, err := pool.Map(t.Context(), f.Pool, echo, [][]byte{{0}, {1}}, pool.Chunk(2), pool.Timeout(limit))
	require.NoError(t, err)
	f.works()
	require.Empty(t, f.exits)
}
