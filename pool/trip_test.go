package pool

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/wire"
)

// What a worker says of times is as hostile as all that it says.
func TestTimesThatCannotBeAreCutToWhatCan(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	wild := func() int64 {
		switch random.IntN(4) {
		case 0:
			return 0
		case 1:
			return random.Int64N(math.MaxInt64)
		case 2:
			return int64(now()) + random.Int64N(2e6) - 1e6
		}
		return random.Int64N(1e6)
	}
	for range 20_000 {
		given := now() - 1000
		b := &batch{travel: &travel{trip: trip{given: given}}}
		b.travel.written.Store(int64(given) + random.Int64N(2000))
		b.endTrip(&wire.ResultsHead{Arrived: wild(), Sent: wild()}, true)
		took := wire.Cost{
			Exec: time.Duration(wild()), CPU: time.Duration(wild()), Waiting: time.Duration(wild()),
			Decode: time.Duration(wild()), Encode: time.Duration(wild()),
		}
		item, _, ok := wire.CutResult(append(wire.AppendResultHead(nil, wire.Value, &took, 1), 0xc0))
		require.True(t, ok)
		got := b.travel.trip.timing(stamp{given - 20, given - 10}, &item, 1)
		b.travel.trip.taken(&got, b.travel.trip.received+5, b.travel.trip.received+7)
		require.Equal(t, (b.travel.trip.received + 7).since(given-20), got.Total(), "%+v", got)
		require.LessOrEqual(t, got.Exec, b.travel.trip.received.since(given))
		require.LessOrEqual(t, got.CPU, b.travel.trip.received.since(given)*time.Duration(runtime.NumCPU()))
		for _, d := range []time.Duration{got.Write, got.Pipe, got.Waiting, got.DecodeArg, got.Run, got.EncodeResult, got.Held, got.Return} {
			require.GreaterOrEqual(t, d, time.Duration(0), "%+v", got)
		}
	}
}

func TestABatchThatNobodyAsksAboutIsNotTimed(t *testing.T) {
	b := &batch{}
	o := newOutbox(newNarrow(), nil)
	b.beginTrip(o, 10)
	b.endTrip(&wire.ResultsHead{Arrived: 1, Sent: 2}, true)
	require.Nil(t, b.tripNow())
	require.Empty(t, o.marks)
}

func TestAnOutboxNotesWhenAFrameHasLeftWhole(t *testing.T) {
	pipe := newNarrow()
	pipe.room = 8
	o := newOutbox(pipe, nil)
	first, second := &batch{travel: &travel{}}, &batch{travel: &travel{}}
	first.beginTrip(o, 5)
	o.add([]byte("first"), nil, nil, nil)
	o.add([]byte("untimed"), nil, nil, nil)
	second.beginTrip(o, 6)
	o.add([]byte("second"), nil, nil, nil)
	o.flush()
	require.Positive(t, first.travel.written.Load())
	require.Zero(t, second.travel.written.Load(), "ten bytes of it are still here")
	done := make(chan struct{})
	go func() { o.run(); close(done) }()
	require.Eventually(t, func() bool { pipe.empty(100); return second.travel.written.Load() > 0 }, 20*time.Second, time.Microsecond)
	require.GreaterOrEqual(t, second.travel.written.Load(), first.travel.written.Load())
	_ = pipe.Close()
	o.end()
	<-done
}
