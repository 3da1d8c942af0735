package codec

import (
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

type (
	tagged struct {
		A int    `msgpack:"a"`
		B int    `msgpack:"-"`
		C string `msgpack:",omitempty"`
		D *int   `msgpack:"d,omitempty"`
		E []int  `msgpack:"e,omitempty"`
		F any    `msgpack:",omitempty"`
		G Inner  `msgpack:",omitempty"`
		H int    `msgpack:"h,alias:oldH"`
		i int
		J time.Time `msgpack:",omitempty"`
		K bool      `msgpack:",omitempty"`
		L [0]int    `msgpack:",omitempty"`
		M float64   `msgpack:"'m',omitempty"`
	}
	allOmit struct {
		_msgpack struct{} `msgpack:",omitempty"` //nolint:unused // read by its tag
		A        int
		B        string
		C        struct {
			_msgpack struct{} `msgpack:",omitempty"`
			D        int
		}
	}
	asArray struct {
		_msgpack struct{} `msgpack:",as_array"` //nolint:unused // read by its tag
		A        int
		B        string
		C        []int
	}
	inlined struct {
		X int
		Inner
		Y int
	}
	shadowed struct { // A of Inner is taken, so Inner is a field
		A int
		Inner
	}
	shadowing struct { // Inner is inlined, then its A is taken over
		Inner
		A int
	}
	forced struct {
		A     int
		Inner `msgpack:",inline"`
	}
	notInlined struct {
		Inner `msgpack:",noinline"`
		Z     int
	}
	hidden   struct{ P, Q int }
	unseen   int
	embedded struct {
		hidden
		unseen
		R int
	}
	embeddedPointer struct {
		*Inner
		S int
	}
	hiddenPointer struct {
		*hidden
		S int
	}
	selfEmbedding struct {
		*selfEmbedding
		N int
	}
	SelfEmbedding struct {
		*SelfEmbedding
		N int
	}
	wide struct {
		A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11, A12, A13, A14, A15, A16, A17 int `msgpack:",omitempty"`
	}
	embeddedTime struct {
		time.Time
		Lost int
	}
)

// sameAsLibrary says that the codec and the library write the same bytes and read
// the same value from them.
func sameAsLibrary[T any](sentence string, v T) row {
	return row{sentence, func(t *testing.T) {
		want := library(t, func(e *msgpack.Encoder) error {
			e.UseCompactInts(true)
			return e.Encode(&v)
		})
		require.Equal(t, want, encoded(t, v))
		var ours, theirs T
		require.NoError(t, For[T]().Decode(want, &ours))
		require.NoError(t, msgpack.Unmarshal(want, &theirs))
		require.Equal(t, theirs, ours)
	}}
}

func TestStructsAreEncodedAsTheLibraryDoes(t *testing.T) {
	n := 0
	run(t, []row{
		sameAsLibrary("tags on empty fields", tagged{}),
		sameAsLibrary("tags on full fields", tagged{1, 2, "c", &n, []int{1}, "f", Inner{A: 1}, 8, 9, time.Unix(1, 0), true, [0]int{}, 2}),
		sameAsLibrary("an interface with an empty value is empty", tagged{F: ""}),
		sameAsLibrary("omitempty for all, empty", allOmit{}),
		sameAsLibrary("omitempty for all, one set", allOmit{B: "b"}),
		sameAsLibrary("as an array", asArray{A: 1, B: "b"}),
		sameAsLibrary("a slice of arrays", []asArray{{A: 1}, {C: []int{}}}),
		sameAsLibrary("inlined", inlined{1, Inner{2, "3"}, 4}),
		sameAsLibrary("a name that is taken keeps the struct together", shadowed{1, Inner{2, "3"}}),
		sameAsLibrary("inlined by force", forced{1, Inner{2, "3"}}),
		sameAsLibrary("not inlined", notInlined{Inner{2, "3"}, 4}),
		sameAsLibrary("an embedded pointer", embeddedPointer{&Inner{1, "2"}, 3}),
		sameAsLibrary("more than 15 fields, most omitted", wide{A3: 1}),
		sameAsLibrary("more than 15 fields", struct{ A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q bool }{}),
		sameAsLibrary("an embedded time hides the rest", embeddedTime{Time: time.Unix(1, 2)}),
		sameAsLibrary("a binary marshaler", []struct{ B *big.Int }{{nil}, {big.NewInt(5)}}),
	})
}

func TestAShadowedFieldDoesNotTravelTwice(t *testing.T) {
	v := shadowing{Inner{A: 1, B: "b"}, 2}
	require.Equal(t, encoded(t, map[string]int{"A": 2})[1:], encoded(t, v)[5:])
	require.Equal(t, shadowing{Inner{B: "b"}, 2}, roundTripped(t, v))
}

func TestFieldsOfUnexportedEmbeddedStructsTravel(t *testing.T) {
	require.Equal(t, embedded{hidden: hidden{1, 2}, R: 4}, roundTripped(t, embedded{hidden{1, 2}, 3, 4}))
}

func TestANilEmbeddedPointerStaysNil(t *testing.T) {
	v := embeddedPointer{S: 1}
	require.Equal(t, encoded(t, map[string]int{"S": 1}), encoded(t, v))
	roundTrip(t, v)
	roundTrip(t, embeddedPointer{Inner: &Inner{}})
	type array struct {
		_msgpack struct{} `msgpack:",as_array"` //nolint:unused // read by its tag
		*Inner
		S int
	}
	roundTrip(t, array{S: 1})
	roundTrip(t, array{Inner: &Inner{}, S: 1})
}

func TestAnEmbeddedPointerThatNobodyCanSetIsAnError(t *testing.T) {
	var v hiddenPointer
	roundTrip(t, hiddenPointer{S: 1})
	b := encoded(t, hiddenPointer{hidden: &hidden{P: 1}})
	require.ErrorContains(t, For[hiddenPointer]().Decode(b, &v), "cannot set embedded pointer to unexported codec.hidden")
}

func TestAStructMayEmbedItself(t *testing.T) {
	roundTrip(t, SelfEmbedding{&SelfEmbedding{nil, 1}, 2})
	require.Equal(t, selfEmbedding{nil, 2}, roundTripped(t, selfEmbedding{&selfEmbedding{nil, 1}, 2}))
}

func TestAliasesAndUnknownFieldsAreRead(t *testing.T) {
	var v tagged
	b := encoded(t, map[string]any{"oldH": 5, "unknown": []any{1, map[string]any{"x": nil}}, "a": 1})
	require.NoError(t, For[tagged]().Decode(b, &v))
	require.Equal(t, tagged{A: 1, H: 5}, v)
	var in inlined
	require.NoError(t, For[inlined]().Decode(encoded(t, map[string]any{"Inner": map[string]any{"A": 1}}), &in))
	require.Equal(t, inlined{Inner: Inner{A: 1}}, in)
}

func TestFieldsMayArriveInAnyOrderAndForm(t *testing.T) {
	var v Inner
	b := []byte{0x84, codeStr8, 1, 'B', 0xa1, 'x', codeBin8, 1, 'A', 5, codeNil, 1, 0xa1, 'A', 6}
	require.NoError(t, For[Inner]().Decode(b, &v))
	require.Equal(t, Inner{6, "x"}, v)
	b = []byte{0x81, 5, 1}
	require.ErrorContains(t, For[Inner]().Decode(b, &v), "name of a field: expected a string, found an integer")
}

func TestTwoFieldsOfOneNameAreAnError(t *testing.T) {
	type twice struct {
		A int
		B int `msgpack:"A"`
	}
	v := twice{1, 2}
	_, err := For[twice]().Append(nil, &v)
	require.EqualError(t, err, `codec: codec.twice: fields A and B are both named "A"`)
	require.Error(t, For[twice]().Decode([]byte{codeNil}, &v))
}

func TestABigIntegerIsNotEmpty(t *testing.T) {
	type S struct {
		B big.Int `msgpack:",omitempty"`
	}
	v := S{*big.NewInt(5)}
	require.Equal(t, int64(5), (&roundTripped(t, []*S{&v})[0].B).Int64())
}

func TestInternedStringsAreWrittenInFull(t *testing.T) {
	type S struct {
		A string `msgpack:",intern"`
		B any    `msgpack:",intern"`
	}
	roundTrip(t, []S{{"long enough", "long enough"}, {"long enough", int64(1)}})
}

func TestASecondNameDoesNotHideAFirstOne(t *testing.T) {
	type A struct {
		B int
		C int `msgpack:"c,alias:B"`
	}
	roundTrip(t, A{1, 2})
	type Same struct{ Same int }
	type D struct {
		Same
		X int
	}
	roundTrip(t, D{Same{1}, 2})
	type E struct {
		Inner
		X int `msgpack:"Inner"`
	}
	roundTrip(t, E{Inner{1, "b"}, 2})
}

func TestARepeatedFieldStartsAnew(t *testing.T) {
	type S struct {
		A [2]int
		B Hash
		C text
		D []int
		E map[string]int
	}
	one := encoded(t, S{[2]int{1, 2}, Hash{1, 2}, text{"1": 1}, []int{1, 2}, map[string]int{"a": 1}})[1:]
	two := encoded(t, map[string]any{"A": []int{3}})[1:]
	two = append(two, encoded(t, map[string]any{"B": []byte{3}})[1:]...)
	two = append(two, encoded(t, map[string]any{"C": "2"})[1:]...)
	two = append(two, encoded(t, map[string]any{"D": []int{3}})[1:]...)
	two = append(two, encoded(t, map[string]any{"E": map[string]int{"b": 2}})[1:]...)
	var v S
	require.NoError(t, For[S]().Decode(append(append([]byte{codeFixMap | 10}, one...), two...), &v))
	require.Equal(t, S{[2]int{3}, Hash{3}, text{"2": 1}, []int{3}, map[string]int{"b": 2}}, v)
}
