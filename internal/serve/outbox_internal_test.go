package serve

import (
	"bytes"
	"math"
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
