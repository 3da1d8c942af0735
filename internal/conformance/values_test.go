//go:build unix

package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/big"
	"net/netip"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

// Values that are easily changed on the way: there and back, they must be
// what they were, in Go's strictest sense of equal.

// A trip is one type's way to a worker and back.
type trip struct {
	name string
	make func(*testing.T, *pool.Pool)
}

// trips are all types that are tried; they are registered as workers start.
var trips []trip

// same is a trip after which each value is what it was.
func same[T any](name string, values ...T) bool {
	return changed(name, func(v T) T { return v }, values...)
}

// changed is a trip after which each value is what want says.
func changed[T any](name string, want func(T) T, values ...T) bool {
	identity := echo[T]("value " + name)
	trips = append(trips, trip{name, func(t *testing.T, p *pool.Pool) {
		for i, v := range values {
			got, err := pool.Call(t.Context(), p, identity, v)
			require.NoError(t, err, "value %d", i)
			require.Equal(t, want(v), got, "value %d", i)
		}
		got, err := pool.Map(t.Context(), p, identity, values)
		require.NoError(t, err)
		for i, v := range values {
			require.Equal(t, want(v), got[i], "value %d of a map", i)
		}
	}})
	return true
}

// becomes is a trip of values under any, after which each is the second of
// its pair.
func becomes(name string, pairs ...[2]any) bool {
	trips = append(trips, trip{name, func(t *testing.T, p *pool.Pool) {
		for _, pair := range pairs {
			got, err := pool.Call(t.Context(), p, echoAny, pair[0])
			require.NoError(t, err, "%T", pair[0])
			require.Equal(t, pair[1], got, "%T(%v)", pair[0], pair[0])
		}
	}})
	return true
}

type (
	scalars struct {
		B   bool
		I   int
		I8  int8
		I16 int16
		I32 int32
		I64 int64
		U   uint
		U8  uint8
		U16 uint16
		U32 uint32
		U64 uint64
		F32 float32
		F64 float64
		S   string
		D   time.Duration
	}
	base struct {
		ID   int
		Tags []string
	}
	embedding struct {
		base
		*Pointed
		Name string
	}
	// Pointed is embedded by a pointer, so it has to be exported.
	Pointed struct{ Deep map[string][]int }
	private struct {
		Public  int
		private int
	}
	tagged struct {
		Renamed int    `msgpack:"r"`
		Empty   string `msgpack:",omitempty"`
		Skipped int    `msgpack:"-"`
	}
	linked struct {
		N    int
		Next *linked
	}
	pointers struct {
		I *int
		S *string
		P **int
		L []*int
		M map[string]*int
	}
	named   int16
	key     struct{ A, B int8 }
	nested4 struct {
		M map[string]map[int][]map[string]any
		A [2][3]uint8
		S [][][]string
	}
	tree    map[string]tree
	forest  []forest
	textKey struct{ n int } // travels as its text
	inlined struct {
		M map[string]int `msgpack:",inline"`
	}
	anys struct {
		V  any
		Vs []any
		M  map[string]any
	}
)

func (k textKey) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(k.n), 10), nil }

func (k *textKey) UnmarshalText(b []byte) (err error) {
	k.n, err = strconv.Atoi(string(b))
	return err
}

//go:fix inline
var minusZero = math.Copysign(0, -1)

var _ = []bool{
	same("bool", false, true),
	same("int", 0, 1, -1, 127, 128, -128, -129, 1<<31-1, 1<<31, -1<<31, -1<<31-1, math.MaxInt, math.MinInt),
	same[int8]("int8", math.MinInt8, -33, -32, -1, 0, math.MaxInt8),
	same[int16]("int16", math.MinInt16, 0, math.MaxInt16),
	same[int32]("int32", math.MinInt32, 0, math.MaxInt32),
	same[int64]("int64", math.MinInt64, 0, math.MaxInt64, 1<<53+1),
	same[uint]("uint", 0, math.MaxUint),
	same[uint8]("uint8", 0, 127, 128, math.MaxUint8),
	same[uint16]("uint16", 0, math.MaxUint16),
	same[uint32]("uint32", 0, math.MaxUint32),
	same[uint64]("uint64", 0, math.MaxInt64, math.MaxInt64+1, math.MaxUint64),
	same("float64", 0, 1.5, -1.5, math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64, 1<<53),
	same[float32]("float32", 0, 1.5, float32(math.Inf(1)), math.MaxFloat32, math.SmallestNonzeroFloat32),
	same("string", "", "a", "ünïcödé", "\x00", "\xff\xfe not UTF-8", string(make([]byte, 31)), string(make([]byte, 32)), string(make([]byte, 256)), string(make([]byte, 65536))),
	same("named", named(7), named(-7)),
	same("duration", 0, time.Nanosecond, -time.Hour, time.Duration(math.MaxInt64)),
	same("empty struct", struct{}{}),
	same("scalars", scalars{}, scalars{true, -1, -2, -3, -4, -5, 1, 2, 3, 4, math.MaxUint64, 0.1, 0.1, "s", time.Second}),

	same[[]int]("slice", nil, []int{}, []int{1}, make([]int, 15), make([]int, 16), make([]int, 65536)),
	same[[]string]("strings", nil, []string{}, []string{""}, []string{"a", "", "b"}),
	same[[][]int]("slices of slices", nil, [][]int{}, [][]int{nil, {}, {1}}),
	same[map[string]int]("map", nil, map[string]int{}, map[string]int{"": 0, "a": 1}),
	same[map[string]string]("map of strings", nil, map[string]string{}, map[string]string{"k": "v", "": ""}),
	same[map[int]string]("map by int", nil, map[int]string{}, map[int]string{math.MinInt: "min", 0: ""}),
	same[map[key]bool]("map by struct", nil, map[key]bool{}, map[key]bool{{1, -1}: true, {}: false}),
	same[map[string][]int]("map of slices", map[string][]int{"nil": nil, "empty": {}, "one": {1}}),
	same[[3]int]("array", [3]int{}, [3]int{1, -2, 3}),
	same[[0]int]("empty array", [0]int{}),
	same[[4]byte]("byte array", [4]byte{}, [4]byte{0, 1, 254, 255}),
	same[[2]key]("array of structs", [2]key{{1, 2}, {3, 4}}),
	same[*int]("pointer", nil, new(0), new(7)),
	same[**int]("pointer to a pointer", nil, new(new(7))),
	same("pointers", pointers{}, pointers{new(0), new(""), new(new(1)), []*int{nil, new(2)}, map[string]*int{"nil": nil, "3": new(3)}}),
	same[*linked]("linked", nil, &linked{}, &linked{1, &linked{2, &linked{3, nil}}}),
	same("nested", nested4{}, nested4{
		M: map[string]map[int][]map[string]any{"a": {1: {nil, {}, {"x": nil, "y": int64(1)}}}, "b": nil, "c": {}},
		A: [2][3]uint8{{1, 2, 3}, {4, 5, 6}},
		S: [][][]string{nil, {}, {nil, {}, {"x"}}},
	}),

	same("embedded", embedding{}, embedding{base{1, []string{"t"}}, &Pointed{map[string][]int{"d": {1}}}, "n"}),
	changed("unexported fields stay behind", func(v private) private { v.private = 0; return v }, private{1, 2}),
	changed("tags are obeyed", func(v tagged) tagged { v.Skipped = 0; return v }, tagged{}, tagged{1, "e", 2}),
	same("types that know how they travel", netip.Addr{}, netip.MustParseAddr("::1"), netip.MustParseAddr("192.0.2.1")),
	same("big integers", big.NewInt(0), big.NewInt(-7), new(big.Int).Lsh(big.NewInt(1), 1000), nil),
	same("text", textKey{}, textKey{-3}),
	same[map[textKey]int]("map by text", nil, map[textKey]int{{1}: 2, {-1}: 0}),
	same[tree]("recursive map", nil, tree{}, tree{"a": {"b": nil, "c": {}}}),
	same[forest]("recursive slice", nil, forest{}, forest{nil, {}, {{}}}),
	same("inlined", inlined{map[string]int{"a": 1}}),
	same[error]("error", nil, errors.New("by its text")),
	same("runes", []rune("ünï")),
	same("durations", map[time.Duration]time.Month{time.Second: time.May}),
	same("fields of type any", anys{}, anys{V: int64(1), Vs: []any{}, M: map[string]any{}},
		anys{V: "s", Vs: []any{nil, int64(1), 1.5, "s", []byte{1}, []any{}, map[string]any{}}, M: map[string]any{"k": nil}}),

	becomes("integers under any",
		[2]any{0, int64(0)}, [2]any{-1, int64(-1)}, [2]any{int8(-8), int64(-8)}, [2]any{uint8(8), int64(8)},
		[2]any{math.MaxInt, int64(math.MaxInt64)}, [2]any{math.MinInt, int64(math.MinInt64)},
		[2]any{uint64(math.MaxInt64), int64(math.MaxInt64)},
		[2]any{uint64(math.MaxInt64 + 1), uint64(math.MaxInt64 + 1)},
		[2]any{uint64(math.MaxUint64), uint64(math.MaxUint64)},
		[2]any{named(7), int64(7)}, [2]any{time.Second, int64(time.Second)}),
	becomes("other scalars under any",
		[2]any{nil, nil}, [2]any{true, true}, [2]any{"", ""}, [2]any{"s", "s"}, [2]any{[]byte{}, []byte{}}, [2]any{[]byte{1}, []byte{1}},
		[2]any{1.5, 1.5}, [2]any{float32(1.5), 1.5}, [2]any{math.Inf(-1), math.Inf(-1)}, [2]any{(*int)(nil), nil}, [2]any{new(7), int64(7)}),
	becomes("collections under any",
		[2]any{[]any{}, []any{}}, [2]any{[]any(nil), nil}, [2]any{[]int{1, 2}, []any{int64(1), int64(2)}},
		[2]any{[2]string{"a", "b"}, []any{"a", "b"}},
		[2]any{map[string]int(nil), nil}, [2]any{map[string]int{}, map[string]any{}}, [2]any{map[string]int{"a": 1}, map[string]any{"a": int64(1)}},
		[2]any{map[int]string{1: "a"}, map[any]any{int64(1): "a"}},
		[2]any{map[any]any{"a": 1, 2: true}, map[any]any{"a": int64(1), int64(2): true}},
		[2]any{key{1, 2}, map[string]any{"A": int64(1), "B": int64(2)}},
		[2]any{[]any{[]any{map[string]any{"a": []any{}}}}, []any{[]any{map[string]any{"a": []any{}}}}}),
}

func TestValuesComeBackAsTheyWere(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 2)
		for _, trip := range trips {
			t.Run(trip.name, func(t *testing.T) { trip.make(t, p) })
		}
	})
}

var (
	echoFloat   = echo[float64]("float64")
	echoFloat32 = echo[float32]("float32")
	echoTime    = echo[time.Time]("time")
	echoTimes   = echo[map[string][]time.Time]("times")
)

func TestFloatsKeepEveryBit(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 1)
		for _, bits := range []uint64{math.Float64bits(math.NaN()), 0x7ff8_0000_0000_0001, 0xfff8_0000_dead_beef, math.Float64bits(minusZero), 1} {
			got, err := pool.Call(t.Context(), p, echoFloat, math.Float64frombits(bits))
			require.NoError(t, err)
			require.Equal(t, bits, math.Float64bits(got))
			under, err := pool.Call(t.Context(), p, echoAny, any(math.Float64frombits(bits)))
			require.NoError(t, err)
			require.Equal(t, bits, math.Float64bits(under.(float64)))
		}
		for _, bits := range []uint32{math.Float32bits(float32(math.NaN())), 0x7fc0_beef, 0x8000_0000, 1} {
			got, err := pool.Call(t.Context(), p, echoFloat32, math.Float32frombits(bits))
			require.NoError(t, err)
			require.Equal(t, bits, math.Float32bits(got))
		}
	})
}

func TestATimeKeepsItsInstant(t *testing.T) {
	instants := []time.Time{
		{},
		time.Unix(0, 0),
		time.Unix(-1, 999_999_999),
		time.Unix(1<<33, 1),
		time.Unix(1<<34, 999_999_999),
		time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(2024, 2, 29, 12, 0, 0, 123_456_789, time.FixedZone("somewhere", -9*3600-1800)),
		time.Now(), // with a monotonic reading
	}
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 1)
		for _, want := range instants {
			got, err := pool.Call(t.Context(), p, echoTime, want)
			require.NoError(t, err)
			require.True(t, want.Equal(got), "%v came back as %v", want, got)
			require.Equal(t, want.IsZero(), got.IsZero())
			under, err := pool.Call(t.Context(), p, echoAny, any(want))
			require.NoError(t, err)
			require.IsType(t, want, under)
			require.True(t, want.Equal(under.(time.Time)), "%v came back as %v", want, under)
		}
		got, err := pool.Call(t.Context(), p, echoTimes, map[string][]time.Time{"all": instants, "none": {}})
		require.NoError(t, err)
		require.Len(t, got["all"], len(instants))
		for i, want := range instants {
			require.True(t, want.Equal(got["all"][i]))
		}
		require.Equal(t, []time.Time{}, got["none"])
	})
}

var countBytes = worker.Register("countBytes", func(_ context.Context, b []byte) ([2]int, error) {
	return [2]int{len(b), bytes.Count(b, []byte{7})}, nil
})

func TestBytesOfAnySizeComeBack(t *testing.T) {
	sizes := []int{0, 1, 255, 256, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1 << 20, 64 << 20}
	if testing.Short() || raceEnabled {
		sizes = sizes[:len(sizes)-1]
	}
	pattern := make([]byte, 1021) // a prime, so that no boundary falls on its end
	for i := range pattern {
		pattern[i] = byte(i * 31 >> 2)
	}
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 1)
		got, err := pool.Call(t.Context(), p, echoBytes, nil)
		require.NoError(t, err)
		require.Nil(t, got)
		for _, size := range sizes {
			want := bytes.Repeat(pattern, size/len(pattern)+1)[:size]
			got, err := pool.Call(t.Context(), p, echoBytes, want)
			require.NoError(t, err)
			require.NotNil(t, got, "%d bytes came back as nil", size)
			require.True(t, bytes.Equal(want, got), "%d bytes came back changed", size)
			counts, err := pool.Call(t.Context(), p, countBytes, want)
			require.NoError(t, err)
			require.Equal(t, [2]int{size, bytes.Count(want, []byte{7})}, counts)
		}
	})
}

// Impossible values: each must be an EncodeError, and neither a crash nor a
// silent change.

type (
	hasChan   struct{ C chan int }
	hasAny    struct{ V any }
	ambiguous struct {
		A int `msgpack:"x"`
		B int `msgpack:"x"`
	}
)

func cycle() *linked {
	a := &linked{N: 1}
	a.Next = &linked{N: 2, Next: a}
	return a
}

func cyclicSlice() []any {
	s := make([]any, 1)
	s[0] = s
	return s
}

func cyclicMap() map[string]any {
	m := map[string]any{}
	m["self"] = m
	return m
}

func deepSlice(depth int) any {
	var v any
	for range depth {
		v = []any{v}
	}
	return v
}

func deepList(depth int) (l *linked) {
	for range depth {
		l = &linked{Next: l}
	}
	return l
}

const abyss = 1_000_000

var impossible = map[string]func() any{
	"channel":                  func() any { return make(chan int) },
	"function":                 func() any { return func() {} },
	"channel in a struct":      func() any { return hasChan{make(chan int)} },
	"function in a slice":      func() any { return []any{1, func() {}} },
	"function in a map":        func() any { return map[string]any{"f": func() {}} },
	"channel under a field":    func() any { return &hasAny{make(chan int)} },
	"complex number":           func() any { return 1 + 2i },
	"unsafe pointer":           func() any { return unsafe.Pointer(new(int)) },
	"two fields of one name":   func() any { return ambiguous{1, 2} },
	"cycle of pointers":        func() any { return cycle() },
	"cycle of slices":          func() any { return cyclicSlice() },
	"cycle of maps":            func() any { return cyclicMap() },
	"a million nested slices":  func() any { return deepSlice(abyss) },
	"a million nested structs": func() any { return deepList(abyss) },
}

// impossibleResult returns what cannot be returned.
var impossibleResult = worker.Register("impossibleResult", func(_ context.Context, name string) (any, error) {
	return impossible[name](), nil
})

var echoLinked = echo[*linked]("linked, typed")

// unencoded checks that err is an EncodeError of one side, of a task.
func unencoded(t *testing.T, side string, err error) {
	t.Helper()
	var task *pool.TaskError
	require.ErrorAs(t, err, &task)
	var encodeError *pool.EncodeError
	require.ErrorAs(t, err, &encodeError)
	require.Equal(t, side, encodeError.Side)
	require.NotEmpty(t, encodeError.Type)
	require.Error(t, encodeError.Err)
}

func TestAnImpossibleArgumentIsAnEncodeErrorOfTheParent(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 1)
		for name, value := range impossible {
			t.Run(name, func(t *testing.T) {
				_, err := pool.Call(t.Context(), p, echoAny, value())
				unencoded(t, "parent", err)
			})
		}
		for _, value := range []*linked{cycle(), deepList(abyss)} {
			_, err := pool.Call(t.Context(), p, echoLinked, value)
			unencoded(t, "parent", err)
		}
		require.Zero(t, p.Stats().Restarts)
	})
}

func TestAnImpossibleResultIsAnEncodeErrorOfTheWorkerWhichLives(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 1)
		before, err := pool.Call(t.Context(), p, pid, struct{}{})
		require.NoError(t, err)
		for name := range impossible {
			t.Run(name, func(t *testing.T) {
				_, err := pool.Call(t.Context(), p, impossibleResult, name)
				unencoded(t, "worker", err)
				now, err := pool.Call(t.Context(), p, pid, struct{}{})
				require.NoError(t, err)
				require.Equal(t, before, now)
			})
		}
	})
}

func TestAnImpossibleItemCostsItsNeighboursNothing(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 2)
		args := []any{int64(0), func() {}, int64(2), make(chan int), int64(4)}
		got, err := pool.Map(t.Context(), p, echoAny, args)
		require.Equal(t, []any{int64(0), nil, int64(2), nil, int64(4)}, got)
		var failed pool.Errors
		require.ErrorAs(t, err, &failed)
		require.Len(t, failed, 2)
		for i, e := range failed {
			require.Equal(t, 2*i+1, e.Index)
			unencoded(t, "parent", e)
		}
	})
}

var echoSmall = echo[int8]("int8")
var echoUnsigned = echo[uint64]("uint64")

// undecoded checks that err is a DecodeError of one side, of a task.
func undecoded(t *testing.T, side string, err error) {
	t.Helper()
	var task *pool.TaskError
	require.ErrorAs(t, err, &task)
	var decodeError *pool.DecodeError
	require.ErrorAs(t, err, &decodeError)
	require.Equal(t, side, decodeError.Side)
	require.Error(t, decodeError.Err)
}

func TestAnIntegerThatDoesNotFitIsADecodeError(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 1)
		result := worker.Named[int, int8](echoInt.Name())
		argument := worker.Named[int, int](echoSmall.Name())
		for _, fits := range []int{-128, 127} {
			small, err := pool.Call(t.Context(), p, result, fits)
			require.NoError(t, err)
			require.EqualValues(t, fits, small)
			same, err := pool.Call(t.Context(), p, argument, fits)
			require.NoError(t, err)
			require.Equal(t, fits, same)
		}
		for _, large := range []int{-129, 128, 1 << 40, math.MinInt} {
			_, err := pool.Call(t.Context(), p, result, large)
			undecoded(t, "parent", err)
			_, err = pool.Call(t.Context(), p, argument, large)
			undecoded(t, "worker", err)
		}
		_, err := pool.Call(t.Context(), p, worker.Named[uint64, int64](echoUnsigned.Name()), math.MaxUint64)
		undecoded(t, "parent", err)
		_, err = pool.Call(t.Context(), p, worker.Named[int, uint64](echoUnsigned.Name()), -1)
		undecoded(t, "worker", err)
		_, err = pool.Call(t.Context(), p, worker.Named[int, uint](echoInt.Name()), -1)
		undecoded(t, "parent", err)
	})
}

func TestAResultOfAnotherKindIsADecodeError(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 1)
		_, err := pool.Call(t.Context(), p, worker.Named[int, string](echoInt.Name()), 1)
		undecoded(t, "parent", err)
		_, err = pool.Call(t.Context(), p, worker.Named[string, int](echoInt.Name()), "1")
		undecoded(t, "worker", err)
		_, err = pool.Call(t.Context(), p, worker.Named[int, []int](echoInt.Name()), 1)
		undecoded(t, "parent", err)
	})
}

func TestAStreamGoesOnAfterAResultThatCannotBeDecoded(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 2)
		input := func(yield func(int) bool) { _ = yield(1) && yield(1000) && yield(3) }
		got := pairs(pool.Stream(t.Context(), p, worker.Named[int, int8](echoInt.Name()), input))
		require.Len(t, got, 3)
		require.NoError(t, got[0].err)
		undecoded(t, "parent", got[1].err)
		require.NoError(t, got[2].err)
		require.Equal(t, []int8{1, 0, 3}, []int8{got[0].value, got[1].value, got[2].value})
	})
}

var inflate = worker.Register("inflate", func(_ context.Context, n int) ([]byte, error) { return make([]byte, n), nil })

func TestAValueOverTheLimitIsAnEncodeErrorOnEitherSide(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 1, pool.WithMaxPayload(64<<10))
		fits, err := pool.Call(t.Context(), p, echoBytes, make([]byte, 60<<10))
		require.NoError(t, err)
		require.Len(t, fits, 60<<10)
		_, err = pool.Call(t.Context(), p, echoBytes, make([]byte, 65<<10))
		unencoded(t, "parent", err)
		require.ErrorIs(t, err, wire.ErrTooLarge)
		_, err = pool.Call(t.Context(), p, inflate, 65<<10)
		unencoded(t, "worker", err)
		require.ErrorIs(t, err, wire.ErrTooLarge)
		fits, err = pool.Call(t.Context(), p, inflate, 60<<10)
		require.NoError(t, err)
		require.Len(t, fits, 60<<10)
	})
}
