package codec

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

func TestTimeKeepsTheInstant(t *testing.T) {
	zone := time.FixedZone("elsewhere", 5*3600+1800)
	for _, v := range []time.Time{
		{}, time.Now(), time.Unix(0, 0), time.Unix(-1, 999_999_999), time.Unix(1<<32, 0), time.Unix(1<<32-1, 0),
		time.Unix(1<<34-1, 999_999_999), time.Unix(1<<34, 0), time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC),
		time.Date(-5000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 5, zone),
		time.Date(2107, 1, 1, 0, 0, 0, 0, zone), time.Date(99999, 1, 1, 0, 0, 0, 7, time.UTC),
		time.Unix(math.MaxInt64, 0), time.Unix(math.MinInt64, 5),
	} {
		want := library(t, func(e *msgpack.Encoder) error { return e.EncodeTime(v) })
		require.Equal(t, want, AppendTime(nil, v))
		got := roundTripped(t, v)
		require.True(t, v.Equal(got), "%v, got %v", v, got)
		require.Equal(t, v.IsZero(), got == time.Time{})
		require.True(t, v.Equal(roundTripped(t, any(v)).(time.Time)))
		require.True(t, v.Equal(*roundTripped(t, &v)))
		require.True(t, v.Equal(roundTripped(t, map[time.Time]time.Time{v: v})[got]))
	}
}

func TestATimestampThatIsNoneIsRefused(t *testing.T) {
	run(t, []row{
		isRefused[time.Time]("too many nanoseconds", raw("\xc7\x0c\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00"), "nanoseconds"),
		isRefused[time.Time]("too many nanoseconds in 30 bits", raw("\xd7\xff\xff\xff\xff\xff\x00\x00\x00\x00"), "nanoseconds"),
		isRefused[time.Time]("three bytes", raw("\xc7\x03\xff\x00\x00\x00"), "timestamp of 3 bytes"),
		isRefused[time.Time]("another extension", raw("\xd4\x05\x00"), "extension type 5"),
		isRefused[any]("too many nanoseconds under any", raw("\xd7\xff\xff\xff\xff\xff\x00\x00\x00\x00"), "nanoseconds"),
		isRefused[any]("another extension under any", raw("\xd4\x05\x00"), "extension type 5"),
	})
}

// raw is sent as it is.
func raw(s string) any { return msgpack.RawMessage(s) }
