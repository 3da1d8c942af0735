package codec

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// becomes says what a sent value is when it is decoded as a T, wherever it stands.
func becomes[T any](sentence string, sent any, want T) row {
	return row{sentence, func(t *testing.T) {
		for _, get := range places[T]() {
			got, err := get(t, sent)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	}}
}

// isRefused says that a sent value cannot become a T, wherever it stands.
func isRefused[T any](sentence string, sent any, want string) row {
	return row{sentence, func(t *testing.T) {
		for _, get := range places[T]() {
			_, err := get(t, sent)
			require.ErrorContains(t, err, want)
			require.ErrorContains(t, err, For[T]().TypeName())
		}
	}}
}

func places[T any]() []func(*testing.T, any) (T, error) {
	return []func(*testing.T, any) (T, error){
		func(t *testing.T, sent any) (v T, err error) {
			err = For[T]().Decode(encoded(t, sent), &v)
			return v, err
		},
		func(t *testing.T, sent any) (T, error) {
			var v struct{ A struct{ B []*T } }
			err := DecodeInto(encoded(t, map[string]any{"A": map[string]any{"B": []any{sent}}}), &v)
			if err != nil {
				require.ErrorContains(t, err, " at .A.B[0]:")
				return *new(T), err
			}
			return *v.A.B[0], err
		},
		func(t *testing.T, sent any) (v T, err error) {
			var m map[string]*T
			if err = DecodeInto(encoded(t, map[string]any{"k": sent}), &m); err != nil {
				require.ErrorContains(t, err, ` at ["k"]:`)
				return v, err
			}
			return *m["k"], err
		},
		func(t *testing.T, sent any) (v T, err error) {
			var a [1]*T
			if err = DecodeInto(encoded(t, []any{sent}), &a); err != nil {
				return v, err
			}
			return *a[0], nil
		},
	}
}

func TestNumbersThatFitAreAccepted(t *testing.T) {
	run(t, []row{
		becomes("127 is an int8", 127, int8(127)),
		becomes("-128 is an int8", -128, int8(-128)),
		becomes("255 is a uint8", 255, uint8(255)),
		becomes("65535 is a uint16", 65535, uint16(65535)),
		becomes("MaxInt64 sent as unsigned is an int64", uint64(math.MaxInt64), int64(math.MaxInt64)),
		becomes("MaxUint64 is a uint64", uint64(math.MaxUint64), uint64(math.MaxUint64)),
		becomes("a float without fraction is an integer", 3.0, 3),
		becomes("a negative float without fraction is an int8", -128.0, int8(-128)),
		becomes("2^63 as a float is a uint64", float64(1<<63), uint64(1<<63)),
		becomes("-2^63 as a float is an int64", -float64(1<<63), int64(math.MinInt64)),
		becomes("negative zero is an integer", math.Copysign(0, -1), uint8(0)),
		becomes("an integer is a float64", -5, -5.0),
		becomes("2^53 is a float64", int64(1)<<53, float64(1<<53)),
		becomes("2^24 is a float32", 1<<24, float32(1<<24)),
		becomes("a float32 is a float64", float32(1.5), 1.5),
		becomes("a float64 is rounded to a float32", 0.1, float32(0.1)),
		becomes("infinity is a float32", math.Inf(1), float32(math.Inf(1))),
		becomes("bytes are a string", []byte("x"), "x"),
		becomes("a string is an RFC 3339 time", "2026-01-02T03:04:05.6Z", time.Date(2026, 1, 2, 3, 4, 5, 600e6, time.UTC)),
	})
}

func TestNilIsTheZeroValueOfEveryType(t *testing.T) {
	nilIsZero[int](t)
	nilIsZero[uint8](t)
	nilIsZero[float32](t)
	nilIsZero[float64](t)
	nilIsZero[bool](t)
	nilIsZero[string](t)
	nilIsZero[[]byte](t)
	nilIsZero[[4]byte](t)
	nilIsZero[[4]int](t)
	nilIsZero[[]int](t)
	nilIsZero[[]int8](t)
	nilIsZero[map[string]int](t)
	nilIsZero[map[int]int](t)
	nilIsZero[Outer](t)
	nilIsZero[*int](t)
	nilIsZero[any](t)
	nilIsZero[error](t)
	nilIsZero[time.Time](t)
	nilIsZero[time.Duration](t)
	nilIsZero[struct{}](t)
}

func nilIsZero[T any](t *testing.T) {
	t.Helper()
	var v, zero T
	require.NoError(t, For[T]().Decode([]byte{codeNil}, &v))
	require.Equal(t, zero, v)
	var s struct{ A, B T }
	require.NoError(t, DecodeInto(encoded(t, map[string]any{"A": nil}), &s))
	require.Equal(t, zero, s.A)
}

func TestNumbersThatDoNotFitAreErrors(t *testing.T) {
	run(t, []row{
		isRefused[int8]("2^40 is no int8", int64(1)<<40, "1099511627776 does not fit"),
		isRefused[int8]("128 is no int8", 128, "128 does not fit"),
		isRefused[int8]("-129 is no int8", -129, "-129 does not fit"),
		isRefused[int16]("32768 is no int16", 32768, "does not fit"),
		isRefused[int32]("2^31 is no int32", int64(1)<<31, "does not fit"),
		isRefused[int64]("2^63 is no int64", uint64(1)<<63, "9223372036854775808 does not fit"),
		isRefused[int]("MaxUint64 is no int", uint64(math.MaxUint64), "18446744073709551615 does not fit"),
		isRefused[uint8]("256 is no uint8", 256, "does not fit"),
		isRefused[uint16]("65536 is no uint16", 65536, "does not fit"),
		isRefused[uint32]("2^32 is no uint32", int64(1)<<32, "does not fit"),
		isRefused[uint64]("-1 is no uint64", -1, "-1 does not fit"),
		isRefused[uint]("MinInt64 is no uint", int64(math.MinInt64), "does not fit"),
		isRefused[uint8]("-1 is no uint8", -1, "-1 does not fit"),
		isRefused[Color]("256 is no named uint8", 256, "does not fit"),
		isRefused[int]("1.5 is no integer", 1.5, "1.5 does not fit"),
		isRefused[int]("NaN is no integer", math.NaN(), "NaN does not fit"),
		isRefused[int]("infinity is no integer", math.Inf(-1), "-Inf does not fit"),
		isRefused[int64]("2^63 as a float is no int64", float64(1<<63), "does not fit"),
		isRefused[uint64]("2^64 as a float is no uint64", float64(1<<64), "does not fit"),
		isRefused[uint8]("-1 as a float is no uint8", -1.0, "does not fit"),
		isRefused[int8]("300 as a float is no int8", 300.0, "does not fit"),
		isRefused[float64]("2^53+1 is no float64", int64(1)<<53+1, "9007199254740993 does not fit"),
		isRefused[float64]("MaxUint64 is no float64", uint64(math.MaxUint64), "does not fit"),
		isRefused[float32]("2^24+1 is no float32", 1<<24+1, "16777217 does not fit"),
		isRefused[float32]("1e300 is no float32", 1e300, "1e+300 does not fit"),
		isRefused[time.Duration]("2^63 is no duration", uint64(1)<<63, "does not fit"),
	})
}

func TestAWrongKindIsAnErrorThatNamesBoth(t *testing.T) {
	run(t, []row{
		isRefused[int]("a string is no integer", "5", "expected an integer, found a string"),
		isRefused[uint8]("a bool is no integer", true, "expected an integer, found a bool"),
		isRefused[float64]("bytes are no float", []byte{1}, "expected a float, found bytes"),
		isRefused[bool]("an integer is no bool", 1, "expected a bool, found an integer"),
		isRefused[string]("an integer is no string", 1, "expected a string, found an integer"),
		isRefused[[]byte]("an array is not bytes", []int{1}, "expected bytes, found an array"),
		isRefused[Flags]("a map is not bytes", map[string]int{}, "expected bytes, found a map"),
		isRefused[Hash]("five bytes are not four", []byte("12345"), "5 bytes do not fit"),
		isRefused[[]int]("a map is no slice", map[string]int{}, "expected an array, found a map"),
		isRefused[[]Inner]("a string is no slice", "x", "expected an array, found a string"),
		isRefused[[2]int]("three elements are not two", []int{1, 2, 3}, "3 elements do not fit"),
		isRefused[map[string]int]("an array is no map", []int{1}, "expected a map, found an array"),
		isRefused[map[int]int]("a float is no map", 1.5, "expected a map, found a float"),
		isRefused[Inner]("a time is no struct", time.Unix(0, 0), "expected a map, found an extension"),
		isRefused[Inner]("an array of another length is no struct", []int{1}, "1 elements for 2 fields"),
		isRefused[time.Time]("an integer is no time", 1, "expected a timestamp, found an integer"),
		isRefused[time.Time]("some text is no time", "yesterday", `"yesterday" is not a time as in RFC 3339`),
		isRefused[error]("an integer is no error", 1, "int64 does not implement it"),
		isRefused[chan int]("nothing is a channel", 1, "cannot be decoded"),
	})
}
