package codec

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestUntypedValuesBecomeTheDocumentedTypes(t *testing.T) {
	now := time.Unix(1_700_000_000, 5)
	for sentence, c := range map[string]struct{ in, out any }{
		"nil":                              {nil, nil},
		"a typed nil":                      {(*int)(nil), nil},
		"a bool":                           {true, true},
		"an int":                           {5, int64(5)},
		"an int8":                          {int8(-5), int64(-5)},
		"a uint8":                          {uint8(255), int64(255)},
		"MaxInt64 as a uint64":             {uint64(math.MaxInt64), int64(math.MaxInt64)},
		"more than MaxInt64":               {uint64(math.MaxInt64 + 1), uint64(math.MaxInt64 + 1)},
		"MinInt64":                         {int64(math.MinInt64), int64(math.MinInt64)},
		"a named integer":                  {Color(5), int64(5)},
		"a float32":                        {float32(1.5), 1.5},
		"a float64":                        {1.5, 1.5},
		"a string":                         {"s", "s"},
		"bytes":                            {[]byte("b"), []byte("b")},
		"empty bytes":                      {[]byte{}, []byte{}},
		"nil bytes":                        {[]byte(nil), nil},
		"an array of bytes":                {Hash{1}, []byte{1, 0, 0, 0}},
		"a slice":                          {[]int{1, 2}, []any{int64(1), int64(2)}},
		"an empty slice":                   {[]int{}, []any{}},
		"a slice of any":                   {[]any{1, "a", nil}, []any{int64(1), "a", nil}},
		"a map by string":                  {map[string]int{"a": 1}, map[string]any{"a": int64(1)}},
		"an empty map":                     {map[int]int{}, map[string]any{}},
		"a map by integer":                 {map[int]string{1: "a"}, map[any]any{int64(1): "a"}},
		"a map by nil":                     {map[any]any{nil: 1}, map[any]any{nil: int64(1)}},
		"a map by any, all keys strings":   {map[any]any{"a": 1}, map[string]any{"a": int64(1)}},
		"a map by any, mixed":              {map[any]any{"a": 1, 2: "b", 1.5: true}, map[any]any{"a": int64(1), int64(2): "b", 1.5: true}},
		"a struct":                         {Inner{1, "b"}, map[string]any{"A": int64(1), "B": "b"}},
		"a pointer":                        {&Inner{1, "b"}, map[string]any{"A": int64(1), "B": "b"}},
		"a time":                           {now, now},
		"a map by time":                    {map[time.Time]int{now: 1}, map[any]any{now: int64(1)}},
		"a duration":                       {time.Second, int64(time.Second)},
		"nested slices and maps":           {[]any{map[string]any{"a": []any{[]byte("b")}}}, []any{map[string]any{"a": []any{[]byte("b")}}}},
		"a map of any in a map of strings": {map[string]any{"a": map[int]int{1: 2}}, map[string]any{"a": map[any]any{int64(1): int64(2)}}},
	} {
		t.Run(sentence, func(t *testing.T) {
			require.Equal(t, c.out, roundTripped(t, c.in))
			type holder struct {
				A any
				B []any
				C map[string]any
				D map[int]any
				E *any
			}
			out := roundTripped(t, holder{c.in, []any{c.in}, map[string]any{"k": c.in}, map[int]any{1: c.in}, &c.in})
			require.Equal(t, c.out, out.A)
			require.Equal(t, c.out, out.B[0])
			require.Equal(t, c.out, out.C["k"])
			require.Equal(t, c.out, out.D[1])
			if c.out != nil {
				require.Equal(t, c.out, *out.E)
			}
		})
	}
}

func TestAKeyThatIsNotHashableIsAnError(t *testing.T) {
	for _, key := range [][]byte{{0x90}, {0x91, 1}, {0x80}, {codeBin8, 0}, {0x81, 1, 1}} {
		b := append(append([]byte{0x82, 1, 1}, key...), 1)
		unhashable(t, b, new(any))
		unhashable(t, b, new(map[any]any))
		unhashable(t, b, new(map[[1]any]any))
	}
	require.ErrorIs(t, DecodeInto([]byte{0x81, 0x91, 0x90, 1}, new(map[[1]any]int)), errUnhashable)
	require.ErrorIs(t, DecodeInto([]byte{0x81, 0x81, 0xa1, 'X', 0x90, 1}, new(map[struct{ X any }]int)), errUnhashable)
}

func unhashable(t *testing.T, b []byte, v any) {
	t.Helper()
	require.NotPanics(t, func() { require.Error(t, DecodeInto(b, v)) })
}

func TestOnlyTextBecomesAnError(t *testing.T) {
	var v struct{ E error }
	require.NoError(t, DecodeInto(encoded(t, map[string]any{"E": "text"}), &v))
	require.EqualError(t, v.E, "text")
	for _, bad := range []any{1, []byte("text"), map[string]any{}, time.Now()} {
		require.ErrorContains(t, DecodeInto(encoded(t, map[string]any{"E": bad}), &v), "codec: error at .E: ")
	}
}

func TestAnInterfaceWithMethodsTakesWhatImplementsIt(t *testing.T) {
	var v interface{ Unix() int64 }
	now := time.Unix(1_700_000_000, 0)
	require.NoError(t, DecodeInto(encoded(t, now), &v))
	require.Equal(t, now.Unix(), v.Unix())
	require.ErrorContains(t, DecodeInto(encoded(t, "x"), &v), "string does not implement it")
}
