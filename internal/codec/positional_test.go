package codec

import (
	"reflect"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/stretchr/testify/require"
)

// everything is a struct of all that has a rule of its own.
type everything struct {
	A       int `msgpack:"a"`
	B       string
	c       int      //nolint:unused // stays behind
	D       []string `msgpack:",omitempty"`
	E       map[string]int
	F       *Inner
	G       Inner
	H       []Inner
	I       map[Inner]Inner
	J       [2]Inner
	K       custom
	L       byPointer
	M       text
	N       time.Time
	O       []byte
	P       *time.Duration `msgpack:"p,omitempty"`
	Q       asArray
	R       float32
	S       uint8     `msgpack:"-"`
	T       time.Time `msgpack:",omitempty"`
	U       Inner     `msgpack:",omitempty"`
	V       map[int]*Tree
	W       []*int
	X       error
	Y       any
	inlined // its fields are everything's own
}

func TestBothFormsMeanTheSame(t *testing.T) {
	one, second := 1, time.Second
	run(t, []row{
		keeps("a record", newRecord()),
		keeps("records", records(3)),
		keeps("everything, empty", everything{}),
		keeps("everything", everything{
			A: 1, B: "b", D: []string{"d"}, E: map[string]int{"e": 1}, F: &Inner{A: 1}, G: Inner{B: "g"}, H: []Inner{{A: 2}, {}}, I: map[Inner]Inner{{A: 1}: {B: "i"}},
			J: [2]Inner{{A: 1}}, K: custom{1, 2}, L: byPointer{"l"}, M: text{"1": 1}, N: time.Unix(1, 2), O: []byte{}, P: &second,
			Q: asArray{A: 1}, R: 1.5, T: time.Unix(3, 0), U: Inner{A: 1}, V: map[int]*Tree{1: {Value: 1, Children: []Tree{{Value: 2}}}, 2: nil}, W: []*int{&one, nil},
			Y: map[string]any{"y": []any{int64(1)}}, inlined: inlined{X: 1, Inner: Inner{A: 2}, Y: 3},
		}),
		keeps("a tree", Tree{Value: 1, Left: &Tree{Value: 2}, ByName: map[string]*Tree{"a": {Value: 3}}}),
		keeps("an empty struct", struct{}{}),
		keeps("an empty struct in one", struct{ A struct{} }{}),
		keeps("more than 15 fields, most omitted", wide{A3: 1}),
		keeps("tags on empty fields", tagged{}),
		keeps("omitempty for all", allOmit{B: "b"}),
		keeps("inlined by force", forced{1, Inner{B: "3"}}),
		keeps("not inlined", notInlined{Inner{2, "3"}, 4}),
		keeps("a name that is taken", shadowed{1, Inner{2, "3"}}),
		keeps("an embedded pointer", embeddedPointer{&Inner{}, 3}),
		keeps("an embedded pointer that is nil", embeddedPointer{S: 3}),
		keeps("an embedded pointer to nothing but nil", struct {
			*hiddenNil
			HiddenNil
		}{HiddenNil: HiddenNil{}}),
	})
}

type (
	omits struct {
		A int
		B string `msgpack:",omitempty"`
		C int
	}
	hiddenNil struct{ P *int }
	// HiddenNil is embedded and may hold nothing.
	HiddenNil struct{ Q *int }
)

func TestBothFormsOfRandomValuesMeanTheSame(t *testing.T) {
	type all struct {
		A int8
		B []struct {
			C string `msgpack:"c,omitempty"`
			D []uint16
			E map[string]struct{ F, G float32 }
		}
		H *struct {
			I bool
			J [3]*struct{ K uint64 }
		} `msgpack:",omitempty"`
		L map[int]Inner
		M [][]Inner
		Inner
		N time.Duration `msgpack:",omitempty"`
	}
	same := func(v all) bool {
		var byName, byPosition all
		long, short := encoded(t, v), positional(t, v)
		require.NoError(t, For[all]().Decode(long, &byName))
		require.NoError(t, For[all]().Decode(short, &byPosition))
		return len(short) < len(long) && reflect.DeepEqual(byName, byPosition)
	}
	require.NoError(t, quick.Check(same, &quick.Config{MaxCount: 300}))
}

func TestByPositionAStructIsAnArrayOfItsFields(t *testing.T) {
	run(t, []row{
		becomesArray("a struct", Inner{1, "b"}, []any{1, "b"}),
		becomesArray("in a slice", []Inner{{1, "b"}}, []any{[]any{1, "b"}}),
		becomesArray("in a map, as key and element", map[Inner]*Inner{{1, "b"}: {}}, map[any]any{[2]any{1, "b"}: []any{0, ""}}),
		becomesArray("what is omitted is nil", omits{A: 1, C: 2}, []any{1, nil, 2}),
		becomesArray("an embedded struct", inlined{1, Inner{2, "c"}, 3}, []any{1, 2, "c", 3}),
		becomesArray("in a struct with methods of its own, not", []any{byBytes{1}}, []any{1}),
		becomesArray("a struct without fields", struct{}{}, nil),
	})
}

func becomesArray[T any](sentence string, v T, want any) row {
	return row{sentence, func(t *testing.T) { require.Equal(t, encoded(t, want), positional(t, v)) }}
}

func TestByPositionWhatIsNotKnownToTheDecoderStaysAMap(t *testing.T) {
	run(t, []row{
		staysMap("under an interface", any(Inner{1, "b"})),
		staysMap("in a slice of interfaces", []any{Inner{1, "b"}, []Inner{{}}}),
		staysMap("in a map of interfaces", map[string]any{"a": &Inner{1, "b"}}),
		staysMap("with an embedded pointer", embeddedPointer{&Inner{1, "b"}, 3}),
		staysMap("where one field hides another", shadowing{Inner{A: 1}, 2}),
		staysMap("where most fields can be left out", wide{A2: 1}),
	})
	v := struct {
		A any
		B Inner
	}{Inner{1, "b"}, Inner{2, "c"}}
	b := positional(t, v)
	require.Equal(t, encoded(t, []any{Inner{1, "b"}, []any{2, "c"}}), b, "after an interface it goes on")
	require.Same(t, For[int](), For[int]().Positional())
	require.Same(t, For[[]any](), For[[]any]().Positional())
	require.Same(t, For[embeddedPointer](), For[embeddedPointer]().Positional().Positional())
	require.Same(t, For[Inner]().Positional(), For[Inner]().Positional().Positional())
}

func staysMap[T any](sentence string, v T) row {
	return row{sentence, func(t *testing.T) { require.Equal(t, encoded(t, v), positional(t, v)) }}
}

func TestAnArrayOfAnotherLengthIsNoStruct(t *testing.T) {
	var v struct{ In Inner }
	for _, wrong := range [][]any{{1}, {1, "b", 3}} {
		err := For[struct{ In Inner }]().Decode(encoded(t, map[string]any{"In": wrong}), &v)
		require.ErrorContains(t, err, "codec.Inner at .In: ")
		require.ErrorContains(t, err, "elements for 2 fields")
	}
	err := For[struct{ In Inner }]().Decode(encoded(t, []any{[]any{1, 2}}), &v)
	require.EqualError(t, err, "codec: string at .In.B: expected a string, found an integer")
	err = For[struct{ In Inner }]().Decode(encoded(t, []any{[]any{300, "b"}}), &v)
	require.EqualError(t, err, "codec: int8 at .In.A: 300 does not fit")
}

func TestErrorsByPositionNameTypeAndPath(t *testing.T) {
	type S struct {
		In   Inner
		Next struct{ F []func() }
	}
	v := S{}
	v.Next.F = make([]func(), 1)
	_, err := For[S]().Positional().Append(nil, &v)
	require.EqualError(t, err, "codec: func() at .Next.F[0]: values of this type do not travel")

	cycle := &Tree{}
	cycle.Left = cycle
	_, err = For[*Tree]().Positional().Append(nil, &cycle)
	require.ErrorIs(t, err, ErrCycle)
	var deep *Tree
	for range MaxDepth + 1 {
		deep = &Tree{Left: deep}
	}
	_, err = For[*Tree]().Positional().Append(nil, &deep)
	require.ErrorIs(t, err, ErrTooDeep)
}

func TestAHostileArrayIsNoStruct(t *testing.T) {
	for _, b := range [][]byte{
		header32(codeArray32, 0xffffffff), []byte(strings.Repeat("\x94", 4000)), {0x92, 1}, {0x92, 1, codeNever}, {0x92}, {0xdc, 0},
	} {
		for _, v := range []any{new(Inner), new(Tree), new([]Inner), new(everything)} {
			n := allocated(func() { require.Error(t, DecodeInto(b, v), "%T", v) })
			require.Less(t, n, uint64(1<<20))
		}
	}
}
