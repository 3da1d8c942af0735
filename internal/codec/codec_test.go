package codec

import (
	"errors"
	"math"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// row is one row of a table: a sentence and what must hold.
type row struct {
	sentence string
	check    func(t *testing.T)
}

func run(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.sentence, r.check)
	}
}

// keeps says that a value comes back equal, as the whole value, as a field, behind
// a pointer, in a slice and in a map.
func keeps[T any](sentence string, v T) row {
	return row{sentence, func(t *testing.T) {
		roundTrip(t, v)
		type holder struct {
			First int
			V     T
			P     *T
		}
		h := roundTripped(t, holder{V: v})
		require.Equal(t, v, h.V)
		require.Nil(t, h.P)
		s := roundTripped(t, []T{v, v})
		require.Equal(t, v, s[1])
		m := roundTripped(t, map[int]T{1: v})
		require.Equal(t, v, m[1])
	}}
}

func roundTrip[T any](t *testing.T, v T) {
	t.Helper()
	require.Equal(t, v, roundTripped(t, v))
}

// roundTripped returns what v becomes, which is the same in both forms.
func roundTripped[T any](t *testing.T, v T) (out T) {
	t.Helper()
	b := encoded(t, v)
	require.NoError(t, CheckOne(b))
	require.NoError(t, For[T]().Decode(b, &out))
	var second, byPosition T
	require.NoError(t, For[T]().Decode(b, &second))
	b = positional(t, v)
	require.NoError(t, CheckOne(b))
	require.NoError(t, For[T]().Decode(b, &byPosition))
	if reflect.DeepEqual(out, second) { // no NaN is in it
		require.Equal(t, out, byPosition, "by position")
	}
	return out
}

func positional[T any](t testing.TB, v T) []byte {
	t.Helper()
	b, err := For[T]().Positional().Append(nil, &v)
	require.NoError(t, err)
	return b
}

func encoded[T any](t testing.TB, v T) []byte {
	t.Helper()
	b, err := For[T]().Append(nil, &v)
	require.NoError(t, err)
	return b
}

type (
	Color  uint8
	Celsus float32
	Name   string
	Flags  []byte
	Hash   [4]byte
)

type Tree struct {
	Value       int
	Left, Right *Tree
	Children    []Tree
	ByName      map[string]*Tree
}

type Inner struct {
	A int8
	B string
}

type Outer struct {
	Inner
	*Tree
	C   []Inner
	D   map[Inner]Inner
	E   [2]Inner
	F   ***int
	G   struct{ H, I uint16 }
	any int //nolint:unused // unexported fields stay behind
}

func TestEveryKindOfValueComesBackEqual(t *testing.T) {
	n := 5
	pn := &n
	ppn := &pn
	run(t, []row{
		keeps("true is true", true),
		keeps("the smallest int8", int8(math.MinInt8)),
		keeps("the largest int16", int16(math.MaxInt16)),
		keeps("the smallest int32", int32(math.MinInt32)),
		keeps("the smallest int64", int64(math.MinInt64)),
		keeps("the largest int", math.MaxInt),
		keeps("the largest uint8", uint8(math.MaxUint8)),
		keeps("the largest uint64", uint64(math.MaxUint64)),
		keeps("the largest uint", uint(math.MaxUint)),
		keeps("a uintptr", uintptr(math.MaxUint32)),
		keeps("the smallest float32", float32(math.SmallestNonzeroFloat32)),
		keeps("the largest float64", math.MaxFloat64),
		keeps("negative infinity", math.Inf(-1)),
		keeps("infinity in a float32", float32(math.Inf(1))),
		keeps("an empty string", ""),
		keeps("a string that is not UTF-8", "\xff\x00\xc1"),
		keeps("a string of 70000 bytes", strings.Repeat("x", 70000)),
		keeps("nil bytes", []byte(nil)),
		keeps("empty bytes", []byte{}),
		keeps("300 bytes", make([]byte, 300)),
		keeps("a duration", time.Hour),
		keeps("a named integer", Color(200)),
		keeps("a named float", Celsus(36.6)),
		keeps("a named string", Name("n")),
		keeps("named bytes", Flags{1, 2}),
		keeps("nil named bytes", Flags(nil)),
		keeps("an array of bytes", Hash{1, 2, 3, 4}),
		keeps("an array", [3]int{1, 2, 3}),
		keeps("an empty array", [0]int{}),
		keeps("an empty struct", struct{}{}),
		keeps("a nil slice", []int(nil)),
		keeps("an empty slice", []int{}),
		keeps("a slice of narrow integers", []int8{-128, 127}),
		keeps("a slice of every common element", []uint32{1, math.MaxUint32}),
		keeps("a slice of float32", []float32{1.5, -2}),
		keeps("a slice of bools", []bool{true, false}),
		keeps("a nil slice of strings", []string(nil)),
		keeps("an empty slice of strings", []string{}),
		keeps("a slice of slices, nil and empty", [][]int{nil, {}, {1}}),
		keeps("a nil map", map[string]int(nil)),
		keeps("an empty map", map[string]int{}),
		keeps("a nil map of pointers", map[int]*int(nil)),
		keeps("a map by struct", map[Inner]int{{A: 1, B: "x"}: 1}),
		keeps("a map by array", map[[2]string]bool{{"a", "b"}: true}),
		keeps("a map by float", map[float64]string{1.5: "x"}),
		keeps("a map by bool", map[bool]int{true: 1, false: 0}),
		keeps("a map by named string", map[Name]Name{"a": "b"}),
		keeps("a map by interface", map[any]int{"a": 1, int64(2): 2, 1.5: 3, nil: 4, true: 5}),
		keeps("a map of maps", map[string]map[string]int{"a": nil, "b": {}, "c": {"d": 1}}),
		keeps("a nil pointer", (*int)(nil)),
		keeps("a pointer", &n),
		keeps("a pointer to a pointer", &ppn),
		keeps("an error", errors.New("x")),
		keeps("a tree", Tree{Value: 1, Left: &Tree{Value: 2}, Children: []Tree{{}}, ByName: map[string]*Tree{"x": nil, "y": {Value: 3}}}),
		keeps("a struct of all of it", Outer{
			Inner: Inner{A: -1, B: "b"}, Tree: &Tree{Value: 9}, C: []Inner{{A: 1}},
			D: map[Inner]Inner{{}: {B: "x"}}, E: [2]Inner{{A: 2}}, F: &ppn,
		}),
		keeps("a text marshaler", netip.MustParseAddr("::1")),
		keeps("a binary marshaler", url.URL{Scheme: "https", Host: "example.org"}),
		keeps("a pointer to a big integer", big.NewInt(1).Lsh(big.NewInt(1), 200)),
		keeps("the zero time", time.Time{}),
	})
}

func TestNaNComesBackWithItsBits(t *testing.T) {
	bits := uint64(0x7ff8000000000abc)
	require.Equal(t, bits, math.Float64bits(roundTripped(t, math.Float64frombits(bits))))
	require.Equal(t, bits, math.Float64bits(roundTripped(t, []float64{math.Float64frombits(bits)})[0]))
	require.Equal(t, uint32(0x7fc00abc), math.Float32bits(roundTripped(t, math.Float32frombits(0x7fc00abc))))
	require.Len(t, roundTripped(t, map[float64]int{math.NaN(): 1}), 1)
}

func TestTheWireIsAsDocumented(t *testing.T) {
	require.Equal(t, []byte{codeNil}, encoded(t, struct{}{}))
	require.Equal(t, []byte{0x82, 0xa1, 'A', 0x01, 0xa1, 'B', 0xa1, 'x'}, encoded(t, Inner{A: 1, B: "x"}))
	require.Equal(t, []byte{codeBin8, 1, 9}, encoded(t, []byte{9}))
	require.Equal(t, []byte{0x92, 0x01, 0xff}, encoded(t, []int64{1, -1}))
}

func TestAnEmptyStructIsDecodedFromNilAndFromAnyMap(t *testing.T) {
	var v struct{}
	for _, b := range [][]byte{{codeNil}, {codeFixMap}, {codeFixMap | 1, 0xa1, 'x', 1}} {
		require.NoError(t, For[struct{}]().Decode(b, &v))
	}
	require.ErrorContains(t, For[struct{}]().Decode([]byte{1}, &v), "expected nil, found an integer")
}

func TestAppendAddsToWhatIsThere(t *testing.T) {
	dst := []byte("head")
	v := Inner{A: 1}
	dst, err := For[Inner]().Append(dst, &v)
	require.NoError(t, err)
	require.Equal(t, "head", string(dst[:4]))
	require.NoError(t, CheckOne(dst[4:]))
}

func TestAppendLeavesTheLengthOfDstAfterAnError(t *testing.T) {
	v := struct {
		A string
		F func()
	}{A: "written before the error"}
	dst := append(make([]byte, 0, 256), "head"...)
	out, err := For[struct {
		A string
		F func()
	}]().Append(dst, &v)
	require.ErrorContains(t, err, "func()")
	require.Equal(t, "head", string(out))
}

func TestDecodeStartsFromTheZeroValue(t *testing.T) {
	type S struct {
		A int
		B []int
		C map[string]int
		P *int
	}
	n := 1
	v := S{1, []int{1, 2, 3}, map[string]int{"old": 1}, &n}
	require.NoError(t, For[S]().Decode(encoded(t, map[string]any{"C": map[string]int{"new": 2}}), &v))
	require.Equal(t, S{C: map[string]int{"new": 2}}, v)
	require.Equal(t, 1, n, "what a pointer led to is not written to")
}

func TestDecodeRetainsNothingOfTheSource(t *testing.T) {
	type S struct {
		A string
		B []byte
		C any
		D map[string]any
		E error
		F netip.Addr
		G []string
		H map[Name]Flags
		I url.URL
	}
	want := S{"string", []byte("bytes"), []byte("any"), map[string]any{"key": "value"}, errors.New("text"),
		netip.MustParseAddr("10.0.0.1"), []string{"element"}, map[Name]Flags{"k": Flags("v")}, url.URL{Host: "h"}}
	b := encoded(t, want)
	var got S
	require.NoError(t, For[S]().Decode(b, &got))
	for i := range b {
		b[i] = 0xff
	}
	require.Equal(t, want, got)
}

func TestDecodeIntoTakesAPointer(t *testing.T) {
	v := Inner{A: 5}
	require.NoError(t, DecodeInto(encoded(t, map[string]string{"B": "x"}), &v))
	require.Equal(t, Inner{B: "x"}, v)
	for _, bad := range []any{nil, v, (*Inner)(nil)} {
		require.ErrorContains(t, DecodeInto([]byte{codeNil}, bad), "pointer")
	}
}

func TestTypeNameIsHowGoWritesTheType(t *testing.T) {
	require.Equal(t, "map[string][]codec.Inner", For[map[string][]Inner]().TypeName())
	require.Equal(t, "interface {}", For[any]().TypeName())
	require.Same(t, For[Inner](), For[Inner]())
}

func TestManyGoroutinesMayMeetATypeForTheFirstTime(t *testing.T) {
	type A struct{ B []map[string]*Tree }
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			v := A{B: []map[string]*Tree{{"x": {Value: 1}}}}
			b, err := For[A]().Append(nil, &v)
			var out A
			if err == nil {
				err = For[A]().Decode(b, &out)
			}
			if err != nil || out.B[0]["x"].Value != 1 {
				t.Error(out, err)
			}
		})
	}
	wg.Wait()
}

func TestErrorsNameTheTypeAndThePath(t *testing.T) {
	type Row struct{ N int8 }
	type Table struct {
		Rows []Row
		M    map[string]map[int]chan int
		P    *struct{ F func() }
		X    any
		A    [2]complex64
	}
	encode := func(v Table, want string) row {
		return row{want, func(t *testing.T) {
			_, err := For[Table]().Append(nil, &v)
			require.EqualError(t, err, want)
			var e *Error
			require.ErrorAs(t, err, &e)
		}}
	}
	decode := func(v any, want string) row {
		return row{want, func(t *testing.T) {
			var out Table
			require.EqualError(t, For[Table]().Decode(encoded(t, v), &out), want)
		}}
	}
	const unsupported = ": values of this type do not travel"
	run(t, []row{
		encode(Table{}, "codec: complex64 at .A[0]"+unsupported),
		encode(Table{M: map[string]map[int]chan int{"a": {7: nil}}}, `codec: chan int at .M["a"][7]`+unsupported),
		encode(Table{P: &struct{ F func() }{}}, "codec: func() at .P.F"+unsupported),
		encode(Table{X: []any{1, map[string]any{"k": make(chan int)}}}, `codec: chan int at .X[1]["k"]`+unsupported),
		decode(map[string]any{"Rows": []any{nil, map[string]any{"N": int64(1) << 40}}}, "codec: int8 at .Rows[1].N: 1099511627776 does not fit"),
		decode(map[string]any{"Rows": "x"}, "codec: []codec.Row at .Rows: expected an array, found a string"),
		decode(map[string]any{"P": 1.5}, "codec: struct { F func() } at .P: expected a map, found a float"),
		decode(map[string]any{"M": map[string]any{"a": []int{}}}, `codec: map[int]chan int at .M["a"]: expected a map, found an array`),
		decode(map[string]any{"M": map[int]any{1: nil}}, "codec: string at .M[0](key): expected a string, found an integer"),
		decode(map[string]any{"A": make([]bool, 3)}, "codec: [2]complex64 at .A: 3 elements do not fit"),
		decode("x", "codec: codec.Table: expected a map, found a string"),
	})
}

func TestAPathNamesEachKindOfKey(t *testing.T) {
	step := func(m any, want string) {
		t.Helper()
		_, err := For[any]().Append(nil, &m)
		require.ErrorContains(t, err, " at "+want+":")
	}
	c := make(chan int)
	step(map[string]any{"a b": c}, `["a b"]`)
	step(map[int8]any{-5: c}, "[-5]")
	step(map[uint]any{5: c}, "[5]")
	step(map[bool]any{true: c}, "[true]")
	step(map[float64]any{1.5: c}, "[float64]")
	step(map[Inner]any{{}: c}, "[struct]")
	step(map[any]any{"a": c}, `["a"]`)
	step(map[string]any{strings.Repeat("x", 1000): c}, "[string]")
	step(map[any]any{c: 1}, "[chan](key)")
}

func TestAVeryLongPathIsCutInTheMiddle(t *testing.T) {
	v := any(make(chan int))
	for range 500 {
		v = []any{v}
	}
	_, err := For[any]().Append(nil, &v)
	require.ErrorContains(t, err, "…(468 more)…")
	require.Less(t, len(err.Error()), 200)
}
