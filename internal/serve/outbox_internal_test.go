package serve

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/shm"
	"github.com/procpool/procpool/wire"
)

func TestALongResultHasRoomForTheLargestTimes(t *testing.T) {
	var sent bytes.Buffer
	o := newOutbox(&sent, shm.NewLocal())
	defer o.timer.Stop()
	value := make([]byte, 2*shm.MaxRingItem)
	out := append(o.takeScratch(), value...)
	cost := &wire.Cost{Exec: math.MaxInt64, CPU: math.MaxInt64, Waiting: math.MaxInt64, Decode: math.MaxInt64, Encode: math.MaxInt64}
	b := &batch{id: 1, shown: math.MaxInt64}
	o.add(b, 0, out, nil, wire.Value, lapse{math.MaxInt64, math.MaxInt64}, cost, false)
	in := wire.NewReader(&sent, 1<<20, wire.Kind.FromWorker)
	f, err := in.Next()
	require.NoError(t, err)
	head, items, err := wire.ParseResultsHead(f.Payload)
	require.NoError(t, err)
	require.Equal(t, time.Duration(math.MaxInt64), head.CPU)
	r, _, ok := wire.CutResult(items)
	require.True(t, ok)
	require.Equal(t, value, r.Value)
	got, ok := r.Cost()
	require.True(t, ok)
	require.Equal(t, *cost, got)
}

// newTestOutbox has a result that was published at a time.
func newTestOutbox(sent *bytes.Buffer, at time.Duration) *outbox {
	o := newOutbox(sent, shm.NewLocal())
	out := append(o.takeScratch(), 1)
	o.add(&batch{id: 1}, at, out, nil, wire.Value, lapse{}, nil, false)
	return o
}

func TestTheTimerLeavesYoungResultsToWhoRunsTheTasks(t *testing.T) {
	var sent bytes.Buffer
	o := newTestOutbox(&sent, monotonic()+time.Hour) // of a worker so fast that no test can be slower
	defer o.timer.Stop()
	o.onTimer()
	require.Zero(t, sent.Len())
	require.True(t, o.armed.Load(), "it looks again")

	o.since.Store(int64(monotonic() - flushAfter))
	o.onTimer()
	require.NotZero(t, sent.Len())
	require.False(t, o.armed.Load())
	o.expectTask()
	require.False(t, o.armed.Load(), "nothing waits")
}

func TestTheAgeIsThatOfTheOldestResult(t *testing.T) {
	var sent bytes.Buffer
	o := newTestOutbox(&sent, time.Second)
	defer o.timer.Stop()
	o.add(&batch{id: 1, offset: 1}, 2*time.Second, append(o.takeScratch(), 1), nil, wire.Value, lapse{}, nil, false)
	require.Equal(t, 4*time.Second, o.age(5*time.Second))
	o.flush()
	require.Zero(t, o.age(5*time.Second))
}

// Results of all lengths follow each other, some with what they cost, some with bytes that are lent, some given up when they are half encoded, many times around the ring.
func TestWhateverFollowsWhateverTheResultsAreThoseThatWereAdded(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		var sent bytes.Buffer
		o := newOutbox(&sent, shm.NewLocal())
		defer o.timer.Stop()
		type result struct {
			value []byte
			cost  *wire.Cost
		}
		var want []result
		b := &batch{id: 1, count: math.MaxInt32}
		longest := []int{20, 127, 128, 200, 1000, shm.MaxRingItem + 10}[seed%6]
		for i := range 20_000 {
			if longest > 200 && i > 2_000 {
				break
			}
			value := make([]byte, random.IntN(longest+1))
			for k := range value {
				value[k] = byte(random.Uint32())
			}
			var cost *wire.Cost
			if random.IntN(50) == 0 {
				cost = &wire.Cost{Exec: time.Duration(i)}
			}
			lent := 0
			if longest > shm.MaxRingItem && random.IntN(50) == 0 { // what is lent is never short
				value = bytes.Repeat([]byte{byte(i)}, shm.MaxRingItem+len(value)+4)
				lent = len(value) - random.IntN(4)
			}
			if random.IntN(20) == 0 {
				_ = append(o.takeScratch(), "it failed when it was half encoded"...)
			}
			out := append(o.takeScratch(), value[:len(value)-lent]...)
			b.offset = i
			o.add(b, 0, out, value[len(value)-lent:], wire.Value, lapse{}, cost, random.IntN(100) == 0)
			want = append(want, result{value, cost})
		}
		o.flush()
		require.NoError(t, o.err)

		in := wire.NewReader(&sent, 1<<20, wire.Kind.FromWorker)
		n := 0
		for n < len(want) {
			f, err := in.Next()
			require.NoError(t, err)
			require.EqualValues(t, n, f.Arg)
			_, items, err := wire.ParseResultsHead(f.Payload)
			require.NoError(t, err)
			for range f.Count {
				var r wire.Result
				var ok bool
				r, items, ok = wire.CutResult(items)
				require.True(t, ok)
				if !bytes.Equal(want[n].value, r.Value) {
					t.Fatalf("seed %d: result %d of %d bytes is another", seed, n, len(want[n].value))
				}
				cost, timed := r.Cost()
				require.Equal(t, want[n].cost != nil, timed)
				if timed {
					require.Equal(t, *want[n].cost, cost)
				}
				n++
			}
			require.Empty(t, items)
		}
		require.Zero(t, sent.Len())
	}
}
