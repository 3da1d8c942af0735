package codec

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

// borders are the values around which the shortest form changes.
var borders = []int64{
	0, 1, 127, 128, 255, 256, 65535, 65536, math.MaxUint32, math.MaxUint32 + 1, math.MaxInt64,
	-1, -32, -33, -128, -129, -32768, -32769, math.MinInt32, math.MinInt32 - 1, math.MinInt64,
}

func TestIntegersTakeTheirShortestForm(t *testing.T) {
	for _, i := range borders {
		want := library(t, func(e *msgpack.Encoder) error { return e.EncodeInt(i) })
		require.Equal(t, want, AppendInt(nil, i), "%d", i)
		require.Equal(t, want, encoded(t, any(i)))
		require.Equal(t, i, roundTripped(t, i))
		want = library(t, func(e *msgpack.Encoder) error { return e.EncodeUint(uint64(i)) })
		require.Equal(t, want, AppendUint(nil, uint64(i)))
	}
}

func TestHeadersAreThoseOfTheLibrary(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536} {
		s, b := string(make([]byte, n)), make([]byte, n)
		require.Equal(t, library(t, func(e *msgpack.Encoder) error { return e.EncodeString(s) }), AppendString(nil, s))
		require.Equal(t, library(t, func(e *msgpack.Encoder) error { return e.EncodeBytes(b) }), AppendBytes(nil, b))
		require.Equal(t, library(t, func(e *msgpack.Encoder) error { return e.EncodeArrayLen(n) }), AppendArrayHeader(nil, n))
		require.Equal(t, library(t, func(e *msgpack.Encoder) error { return e.EncodeMapLen(n) }), AppendMapHeader(nil, n))
	}
	require.Equal(t, []byte{codeNil}, AppendBytes(nil, nil))
}

func library(t testing.TB, encode func(*msgpack.Encoder) error) []byte {
	t.Helper()
	var buf bytes.Buffer
	require.NoError(t, encode(msgpack.NewEncoder(&buf)))
	return buf.Bytes()
}

func TestBasicTypesAreAppendedWithoutAllocating(t *testing.T) {
	allocatesNothing(t, int64(1)<<40)
	allocatesNothing(t, uint8(200))
	allocatesNothing(t, true)
	allocatesNothing(t, 1.5)
	allocatesNothing(t, "string")
	allocatesNothing(t, []byte("bytes"))
	allocatesNothing(t, struct{}{})
}

func TestRecordsAreAppendedWithoutAllocating(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector sync.Pool drops objects at random")
	}
	allocatesNothing(t, newRecord())
	allocatesNothing(t, []Record{newRecord(), newRecord()})
	allocatesNothing(t, map[string]int{"a": 1})
	allocatesNothing(t, []any{1, "a", 2.5, nil})
}

func allocatesNothing[T any](t *testing.T, v T) {
	t.Helper()
	c, buf := For[T](), make([]byte, 0, 4096)
	n := testing.AllocsPerRun(100, func() { buf, _ = c.Append(buf[:0], &v) })
	require.Zero(t, n, c.TypeName())
}
