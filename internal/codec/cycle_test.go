package codec

import (
	"math"
	"reflect"
	"strconv"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

type (
	pointerToItself *pointerToItself
	sliceOfItself   []sliceOfItself
	mapOfItself     map[string]mapOfItself
	list            struct {
		V    int
		Next *list
	}
)

func TestCyclesAreErrors(t *testing.T) {
	l := &list{}
	l.Next = &list{Next: l}
	slice := sliceOfItself{nil}
	slice[0] = slice
	m := mapOfItself{}
	m["m"] = m
	untypedSlice := []any{1, nil}
	untypedSlice[1] = untypedSlice
	untypedMap := map[string]any{}
	untypedMap["m"] = []any{untypedMap}
	mixed := map[any]any{}
	mixed[1] = &mixed
	var p pointerToItself
	p = &p
	var x any
	x = &x
	tree := &Tree{}
	tree.ByName = map[string]*Tree{"t": {Children: []Tree{{Left: tree}}}}
	run(t, []row{
		cyclic("a list", l), cyclic("a slice", slice), cyclic("a map", m), cyclic("a pointer", p),
		cyclic("an untyped slice", untypedSlice), cyclic("an untyped map", untypedMap), cyclic("a mixed map", mixed),
		cyclic("a pointer to an interface", x), cyclic("a tree", tree), cyclic("an interface", any(l)),
	})
}

func cyclic[T any](sentence string, v T) row {
	return row{sentence, func(t *testing.T) {
		_, err := For[T]().Append(nil, &v)
		require.ErrorIs(t, err, ErrCycle)
		require.Less(t, len(err.Error()), 1000)
		_, err = For[struct{ V any }]().Append(nil, &struct{ V any }{v})
		require.ErrorIs(t, err, ErrCycle)
	}}
}

func TestDeepDataIsEncodedUpToTheLimit(t *testing.T) {
	for depth, want := range map[int]error{10: nil, 300: nil, 1000: nil, 1001: ErrTooDeep, 10_000: ErrTooDeep, 1_000_000: ErrTooDeep} {
		var l *list
		for i := range depth {
			l = &list{V: i, Next: l}
		}
		b, err := For[*list]().Append(nil, &l)
		require.ErrorIs(t, err, want, "%d", depth)
		if want == nil {
			var out *list
			require.NoError(t, For[*list]().Decode(b, &out))
			require.Equal(t, l, out)
		}
	}
}

func TestDeepDataIsDecodedUpToTheLimit(t *testing.T) {
	for depth, ok := range map[int]bool{1000: true, 1001: false, 10_000: false, 1_000_000: false} {
		for _, v := range []any{new(sliceOfItself), new(any), new([]any), new(custom)} {
			err := DecodeInto(nested("\x91", depth), v)
			if !ok {
				require.ErrorIs(t, err, ErrTooDeep)
			}
		}
		unknown := append([]byte{0x81, 0xa1, 'x'}, nested("\x91", depth-1)...)
		require.Equal(t, ok, DecodeInto(unknown, new(Inner)) == nil)
	}
}

func TestTheSameReferenceMayOccurTwice(t *testing.T) {
	// Below the level from which references are remembered, siblings that share
	// one are no cycle.
	shared := &list{V: 1}
	v := any([]any{shared, shared, map[string]any{"a": shared}})
	for range 400 {
		v = []any{v}
	}
	_, err := For[any]().Append(nil, &v)
	require.NoError(t, err)
	twice := any([]*list{shared, shared})
	for range 400 {
		twice = &[]any{twice}
	}
	_, err = For[any]().Append(nil, &twice)
	require.NoError(t, err)
}

func TestAPointerThatLeadsToNothingButPointersEnds(t *testing.T) {
	var p pointerToItself
	require.NoError(t, DecodeInto([]byte{codeNil}, &p))
	require.Nil(t, p)
	require.ErrorIs(t, DecodeInto([]byte{1}, &p), ErrTooDeep)
}

func TestAVeryLongChainOfPointersIsTooDeep(t *testing.T) {
	chain := func(n int) (p pointerToItself) {
		for range n {
			q := p
			p = &q
		}
		return p
	}
	for n, want := range map[int]error{5: nil, maxHops: nil, 3 * maxHops: ErrTooDeep} {
		p := chain(n)
		_, err := For[pointerToItself]().Append(nil, &p)
		require.ErrorIs(t, err, want)
	}
}

func TestSharedPartsThatUnfoldWithoutEndAreStopped(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("memory ends before the limit")
	}
	limit := uint64(math.MaxUint32)
	e := &encoder{base: -int(limit) - 1} // as if 4 GiB had been written
	v := []Inner{{}}
	_, err := encodeSlice(nodeOf(reflect.TypeFor[[]Inner]()), e, nil, unsafe.Pointer(&v))
	require.ErrorIs(t, err, errTooLong)
}
