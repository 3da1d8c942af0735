package monitor

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
)

// next is the next snapshot that a watcher gets.
func next(t *testing.T, w *watcher) *Snapshot {
	t.Helper()
	data, ok := <-w.news
	require.True(t, ok, "the last one was told")
	s := &Snapshot{}
	require.NoError(t, json.Unmarshal(data, s))
	return s
}

// isAtRest checks that a collector does nothing soon after nobody watches any more.
func isAtRest(t *testing.T, c *collector) {
	t.Helper()
	time.Sleep(linger + 2*tick)
	synctest.Wait()
	require.False(t, c.running)
}

func TestAPoolIsLookedAtOnceASecondHoweverManyWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		c := newCollector(f, true)
		time.Sleep(time.Minute)
		require.Zero(t, f.looks(), "nobody watches")
		var all []*watcher
		for range 50 {
			w, _ := c.watch()
			next(t, w)
			all = append(all, w)
		}
		require.Equal(t, 1, f.looks())
		for range 10 {
			for _, w := range all {
				next(t, w)
			}
		}
		require.Equal(t, 11, f.looks())
		require.Equal(t, 1, f.observers, "tasks are sampled meanwhile")
		for _, w := range all {
			c.leave(w)
		}
		time.Sleep(time.Minute)
		require.LessOrEqual(t, f.looks(), 12)
		require.Zero(t, f.observers)
		isAtRest(t, c)
	})
}

func TestWhoIsSlowMissesSomeAndHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		c := newCollector(f, true)
		slow, _ := c.watch()
		quick, _ := c.watch()
		next(t, quick)
		var last *Snapshot
		for range 30 {
			last = next(t, quick)
		}
		require.Equal(t, last.Taken, next(t, slow).Taken, "it gets the latest")
		c.leave(slow)
		c.leave(quick)
		isAtRest(t, c)
	})
}

func TestAPageThatIsOpenedLaterShowsThePastThatSomebodySaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		c := newCollector(f, true)
		first, past := c.watch()
		require.Empty(t, past.Points)
		for range 400 {
			next(t, first)
		}
		second, past := c.watch()
		require.Len(t, past.Points, maxPoints)
		require.WithinDuration(t, past.Points[maxPoints-1].Time, next(t, second).Now.Time, 0)
		for i, p := range past.Points[1:] {
			require.Equal(t, tick, p.Time.Sub(past.Points[i].Time))
			require.InDelta(t, 1500, p.Completed, 100)
			require.InDelta(t, 0.006, p.P50, 0.001)
			require.InDelta(t, 2.4, p.CPU, 0.1)
			require.Positive(t, p.RSS)
		}
		c.leave(first)
		c.leave(second)

		time.Sleep(time.Minute)
		third, past := c.watch()
		latest := past.Points[len(past.Points)-1].Time
		next(t, third)
		next(t, third)
		s := next(t, third)
		require.Greater(t, s.Now.Time.Sub(latest), time.Minute, "nothing is told of the time when nobody looked")
		require.InDelta(t, 2, s.Rates.Over, 0.01, "nor are rates taken over it")
		c.leave(third)
		isAtRest(t, c)
	})
}

func TestWhoAsksAgainAndAgainSeesRatesAndCostsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		c := newCollector(f, false)
		s := c.snapshot()
		require.InDelta(t, 90, s.Rates.Over, 1, "at first they are those since the pool began")
		require.False(t, s.ReadOnly)
		require.Nil(t, s.Workers[0].CPUShare, "it takes two looks to know")
		require.NotContains(t, string(encode(s)), "cpu_share")
		for range 1000 {
			time.Sleep(10 * time.Millisecond)
			s = c.snapshot()
		}
		require.InDelta(t, lookBack, s.Rates.Over, 1)
		require.InDelta(t, 1500, s.Rates.Completed, 100)
		require.InDelta(t, 0.9, *s.Workers[0].CPUShare, 0.1)
		require.LessOrEqual(t, f.looks(), 125, "ten a second, and the ticks")
		isAtRest(t, c)
	})
}

func TestTheEndOfAPoolIsTheLastThatIsTold(t *testing.T) {
	for name, end := range map[string]func(*fake){"closed": (*fake).end, "dropped": (*fake).drop} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				c := newCollector(f, true)
				w, _ := c.watch()
				require.False(t, next(t, w).Ended)
				end(f)
				s := next(t, w)
				require.True(t, s.Ended)
				require.Positive(t, s.Totals.Completed, "what it did is known still")
				require.Len(t, s.Workers, 4)
				for slot, one := range s.Workers {
					require.Equal(t, slot, one.Slot)
					require.Equal(t, "ended", one.State)
					require.Empty(t, one.Func, "no task runs any more")
					require.Positive(t, one.RSS, "it is as it was seen last")
					require.Positive(t, one.Time.Working)
					require.NotEmpty(t, one.Spans)
				}
				_, more := <-w.news
				require.False(t, more)
				synctest.Wait()
				require.False(t, c.running)
				require.Zero(t, f.observers)

				late, past := c.watch()
				require.Equal(t, s, next(t, late))
				_, more = <-late.news
				require.False(t, more)
				require.NotNil(t, past.Points)
				require.True(t, c.snapshot().Ended)
				c.leave(late)
			})
		})
	}
}

func TestAPoolThatIsGoneBeforeAnybodyLooked(t *testing.T) {
	f := newFake()
	f.drop()
	c := newCollector(f, true)
	require.True(t, c.snapshot().Ended)
	w, _ := c.watch()
	require.True(t, next(t, w).Ended)
}

func TestPercentilesAreThoseOfTheTimeBetween(t *testing.T) {
	slow := pool.Distribution{Count: 1000, Mean: time.Second, Buckets: []pool.Bucket{{Below: time.Second, Count: 1000}}}
	both := pool.Distribution{Count: 1100, Mean: 910 * time.Millisecond, Buckets: []pool.Bucket{{Below: time.Millisecond, Count: 95}, {Below: 2 * time.Millisecond, Count: 5}, {Below: time.Second, Count: 1000}}}
	before, after := latencyOf([]pool.FuncInsights{{Total: slow}}), latencyOf([]pool.FuncInsights{{Total: both}})
	got := after.since(before)
	require.EqualValues(t, 100, got.Count)
	require.InDelta(t, 0.01, got.Mean, 0.001)
	require.InDelta(t, 0.001, got.P50, 0.0001)
	require.InDelta(t, 0.001, got.P90, 0.0001)
	require.InDelta(t, 0.002, got.P99, 0.0002)
	require.InDelta(t, 0.002, got.Max, 0.0002)
	require.Equal(t, Spread{}, after.since(after))
}

func TestTheMaximumIsTheTrueOneWhereItIsKnownAndNoPercentileExceedsIt(t *testing.T) {
	const end = 5368709120 * time.Nanosecond // of the bucket that has 5 s
	of := func(longest time.Duration, buckets ...pool.Bucket) latency {
		d := pool.Distribution{Mean: time.Second, Max: longest, Buckets: buckets}
		for _, b := range buckets {
			d.Count += b.Count
		}
		return latencyOf([]pool.FuncInsights{{Total: d}, {Total: pool.Distribution{}}})
	}
	low := of(5*time.Second, pool.Bucket{Below: end, Count: 3})
	got := low.since(latency{})
	require.Equal(t, 5.0, got.Max)
	require.Equal(t, []float64{5, 5, 5}, []float64{got.P50, got.P90, got.P99}, "the middle of the bucket is more")

	high := of(5300*time.Millisecond, pool.Bucket{Below: end, Count: 4})
	got = high.since(low)
	require.Equal(t, 5.3, got.Max, "it is in the upper part of its bucket")
	require.LessOrEqual(t, got.P99, got.Max)

	later := of(5300*time.Millisecond, pool.Bucket{Below: time.Second, Count: 2}, pool.Bucket{Below: end, Count: 4})
	got = later.since(high)
	require.Equal(t, 1.0, got.Max, "the longest of all was earlier: the end of the bucket is all that is known")
	require.Less(t, got.P99, got.Max)

	endless := of(100*time.Hour, pool.Bucket{Below: 1 << 43, Count: 1})
	require.Equal(t, 360_000.0, endless.since(latency{}).Max, "longer than the last bucket")
}

func TestASnapshotIsBoundedHoweverMuchThereIs(t *testing.T) {
	long := make([]byte, 64<<10)
	for i := range long {
		long[i] = 'x'
	}
	var failures []pool.TaskRecord
	for range 50 {
		failures = append(failures, pool.TaskRecord{Arg: string(long), Err: &pool.TaskError{Err: &pool.TimeoutError{
			Hard: true, Stack: string(long), Err: &pool.ExitError{Stderr: long, Reason: pool.ExitReason(long)},
		}}})
	}
	in := pool.Insights{Failures: failures, Slowest: failures}
	var workers []pool.WorkerInfo
	for i := range 1000 {
		workers = append(workers, pool.WorkerInfo{Slot: i, PID: i + 1})
		in.Workers = append(in.Workers, pool.WorkerInsights{Slot: i, Spans: make([]pool.Span, 64)})
	}
	r := &reading{at: time.Now(), insights: in, workers: workers}
	require.Less(t, len(encode(r.snapshot(r.beginning()))), 1<<20+1000*500)
	got := records(failures)
	require.Len(t, got[0].Stack, maxStack)
	require.Len(t, got[0].Stderr, maxStderr)
	require.Equal(t, cutMark, got[49].Stack)
}

func TestRecordsTellHowATaskFailed(t *testing.T) {
	got := records(newFake().failures())
	var kinds []string
	for _, r := range got {
		kinds = append(kinds, r.Kind)
		require.NotContains(t, r.Error, "\n")
		require.NotContains(t, r.Error, "procpool:", "who and where is told beside it")
	}
	require.Equal(t, []string{"exit", "panic", "timeout", "returned", "unregistered"}, kinds)
	require.Contains(t, got[0].Stderr, "goroutine 1 [running]:\nmain.main()")
	require.NotContains(t, got[0].Stderr, "\x1b", "it may be shown in a terminal")
	require.Contains(t, got[1].Stack, "parse.go:17")
	require.Contains(t, got[2].Stack, "main.loop()")
	require.Equal(t, "still here\n", got[2].Stderr)
}
