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
	o.add(b, out, nil, wire.Value, lapse{math.MaxInt64, math.MaxInt64}, cost, false)
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
