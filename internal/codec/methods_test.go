package codec

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

type (
	// custom is encoded by a method on the value, decoded by one on the pointer.
	custom struct{ a, b int }
	// byPointer has both on the pointer.
	byPointer struct{ s string }
	// byBytes writes whole values itself.
	byBytes struct{ n int }
	// text is a text marshaler of a kind that can be nil.
	text map[string]int
	// writes is what its method does.
	writes struct{ do func(*msgpack.Encoder) error }
	// reads is what its method does, for any bytes.
	reads struct{}
	// linked descends through the library.
	linked struct{ next *linked }
	// onlyOut has no method for decoding.
	onlyOut struct{ N int }
	// extension is registered with the library.
	extension struct{ b byte }
)

var (
	errEncode = errors.New("no encoding today")
	errDecode = errors.New("no decoding today")
	readsDo   func(*msgpack.Decoder) error
)

func (c custom) EncodeMsgpack(e *msgpack.Encoder) error { return e.Encode([]int{c.a, c.b}) }
func (c *custom) DecodeMsgpack(d *msgpack.Decoder) error {
	var s []int
	if err := d.Decode(&s); err != nil {
		return err
	}
	if len(s) != 2 {
		return errDecode
	}
	c.a, c.b = s[0], s[1]
	return nil
}

func (p *byPointer) EncodeMsgpack(e *msgpack.Encoder) error { return e.EncodeString(p.s) }
func (p *byPointer) DecodeMsgpack(d *msgpack.Decoder) (err error) {
	p.s, err = d.DecodeString()
	return err
}

func (b byBytes) MarshalMsgpack() ([]byte, error) { return AppendInt(nil, int64(b.n)), nil }
func (b *byBytes) UnmarshalMsgpack(src []byte) error {
	return For[int]().Decode(src, &b.n)
}

func (x text) MarshalText() ([]byte, error) { return fmt.Append(nil, len(x)), nil }
func (x *text) UnmarshalText(b []byte) error {
	*x = text{string(b): 1}
	return nil
}

func (w writes) EncodeMsgpack(e *msgpack.Encoder) error { return w.do(e) }
func (r *reads) DecodeMsgpack(d *msgpack.Decoder) error { return readsDo(d) }

func (l *linked) EncodeMsgpack(e *msgpack.Encoder) error {
	if err := e.EncodeArrayLen(1); err != nil {
		return err
	}
	return e.Encode(l.next)
}

func (o onlyOut) MarshalText() ([]byte, error) { return []byte("text"), nil }

func (x *extension) MarshalMsgpack() ([]byte, error) { return []byte{x.b}, nil }
func (x *extension) UnmarshalMsgpack(b []byte) error { x.b = b[0]; return nil }

func TestMethodsOfTheValueAreUsed(t *testing.T) {
	run(t, []row{
		keeps("a custom encoder", custom{1, 2}),
		keeps("pointers to it, nil too", []*custom{{1, 2}, nil}),
		keeps("as a map key", map[custom]custom{{1, 2}: {3, 4}}),
		keeps("a custom encoder on the pointer", byPointer{"s"}),
		keeps("in a map, where it has no address", map[string]byPointer{"a": {"s"}}),
		keeps("a marshaler", byBytes{5}),
		keeps("a nil text marshaler", text(nil)),
		keeps("a raw message", msgpack.RawMessage{0x92, 1, 2}),
		keeps("in an array in an interface", struct{ X any }{[]any{int64(1)}}),
	})
	require.Equal(t, text{"3": 1}, roundTripped(t, text{"a": 1, "b": 1, "c": 1}))
	require.Equal(t, encoded(t, "s"), encoded[any](t, byPointer{"s"}))
	require.Equal(t, encoded(t, []byte("text")), encoded(t, onlyOut{}))
}

func TestIntegersThatMethodsWriteAreShortToo(t *testing.T) {
	w := writes{func(e *msgpack.Encoder) error { return e.Encode(int64(5)) }}
	require.Equal(t, []byte{5}, encoded(t, w))
}

func TestAnExtensionThatIsRegisteredIsUsed(t *testing.T) {
	msgpack.RegisterExt(77, (*extension)(nil))
	defer msgpack.UnregisterExt(77)
	v := []*extension{{1}, nil}
	require.Equal(t, []byte{0x92, codeFixExt1, 77, 1, codeNil}, encoded(t, v))
	roundTrip(t, v)
}

func TestAMethodThatWritesAnythingButOneValueIsCaught(t *testing.T) {
	write := func(sentence string, want error, do func(*msgpack.Encoder) error) row {
		return row{sentence, func(t *testing.T) {
			for _, v := range []any{writes{do}, []writes{{do}}, map[string]any{"k": &writes{do}}} {
				dst := []byte("head")
				out, err := For[any]().Append(dst, &v)
				require.ErrorIs(t, err, want)
				require.ErrorContains(t, err, "codec.writes")
				require.Equal(t, "head", string(out))
			}
			roundTrip(t, custom{1, 2}) // what is pooled is in order
		}}
	}
	run(t, []row{
		write("nothing", errNoValue, func(*msgpack.Encoder) error { return nil }),
		write("an empty raw message", errNoValue, func(e *msgpack.Encoder) error { return e.Encode(msgpack.RawMessage{}) }),
		write("two values", errTwoValues, func(e *msgpack.Encoder) error { return e.EncodeMulti(1, 2) }),
		write("two values at once", errTwoValues, func(e *msgpack.Encoder) error { return e.Encode(msgpack.RawMessage{1, 2}) }),
		write("two values, the error ignored", errTwoValues, func(e *msgpack.Encoder) error { _ = e.EncodeMulti(1, 2, 3); return nil }),
		write("a header without elements", errHalfValue, func(e *msgpack.Encoder) error { return e.EncodeArrayLen(2) }),
		write("a half string", errHalfValue, func(e *msgpack.Encoder) error { return e.EncodeBytesLen(2) }),
		write("a map that lacks a value", errHalfValue, func(e *msgpack.Encoder) error { _ = e.EncodeMapLen(1); return e.EncodeInt(1) }),
		write("0xc1", ErrInvalid, func(e *msgpack.Encoder) error { return e.Encode(msgpack.RawMessage{codeNever}) }),
		write("1001 arrays", ErrTooDeep, func(e *msgpack.Encoder) error { return e.Encode(msgpack.RawMessage(nested("\x91", 1001))) }),
		write("an error", errEncode, func(*msgpack.Encoder) error { return errEncode }),
	})
}

func TestAMethodMayWriteItsValueInPieces(t *testing.T) {
	w := writes{func(e *msgpack.Encoder) error {
		for _, b := range []byte{0x82, 0xa1, 'a', 0x90, codeBin8, 2, 'x', 'y', codeUint16, 1, 0} {
			if _, err := e.Writer().Write([]byte{b}); err != nil {
				return err
			}
		}
		return nil
	}}
	require.NoError(t, CheckOne(encoded(t, []writes{w, w})))
}

func TestAMethodThatDescendsIntoACycleIsStopped(t *testing.T) {
	l := &linked{}
	l.next = l
	_, err := For[*linked]().Append(nil, &l)
	require.ErrorIs(t, err, ErrTooDeep)
}

func TestAPanicInAMethodIsAnError(t *testing.T) {
	var none *custom
	panics := func(sentence, want string, do func()) row {
		return row{sentence, func(t *testing.T) {
			v := struct{ W []writes }{[]writes{{func(*msgpack.Encoder) error { do(); return nil }}}}
			_, err := For[struct{ W []writes }]().Append(nil, &v)
			require.EqualError(t, err, "codec: codec.writes at .W[0]: EncodeMsgpack panicked: "+want)
			var p *PanicError
			require.ErrorAs(t, err, &p)
			require.Contains(t, string(p.Stack), "methods_test.go")

			readsDo = func(*msgpack.Decoder) error { do(); return nil }
			var out struct{ R *reads }
			err = DecodeInto(encoded(t, map[string]int{"R": 1}), &out)
			require.EqualError(t, err, "codec: codec.reads at .R: DecodeMsgpack panicked: "+want)
			roundTrip(t, custom{1, 2})
		}}
	}
	run(t, []row{
		panics("with a text", "boom", func() { panic("boom") }),
		panics("with an error", "no encoding today", func() { panic(errEncode) }),
		panics("of the runtime", "runtime error: invalid memory address or nil pointer dereference", func() { none.a = 1 }),
	})
	readsDo = func(*msgpack.Decoder) error { panic(errDecode) }
	var r reads
	require.ErrorIs(t, For[reads]().Decode([]byte{1}, &r), errDecode)
}

func TestPanicsElsewhereAreErrorsToo(t *testing.T) {
	v := struct{ E error }{panicking{}}
	_, err := For[struct{ E error }]().Append(nil, &v)
	require.ErrorContains(t, err, "panic: Error")
	z := struct {
		Z panicking `msgpack:",omitempty"`
	}{}
	_, err = For[struct {
		Z panicking `msgpack:",omitempty"`
	}]().Append(nil, &z)
	require.ErrorContains(t, err, "panic: IsZero")
}

type panicking struct{}

func (panicking) Error() string { panic("Error") }
func (panicking) IsZero() bool  { panic("IsZero") }

func TestAMethodReadsItsOwnValueOnly(t *testing.T) {
	decode := func(sentence, want string, do func(*msgpack.Decoder) error) row {
		return row{sentence, func(t *testing.T) {
			readsDo = do
			var v struct {
				R reads
				N int
			}
			err := DecodeInto(encoded(t, map[string]any{"R": []int{1, 2}}), &v)
			if want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, want)
			roundTrip(t, []custom{{1, 2}})
		}}
	}
	run(t, []row{
		decode("all of it", "", func(d *msgpack.Decoder) error { return d.Skip() }),
		decode("nothing", "DecodeMsgpack left 3 of 3 bytes", func(*msgpack.Decoder) error { return nil }),
		decode("half of it", "left 1 of 3 bytes", func(d *msgpack.Decoder) error { _, err := d.DecodeArrayLen(); _ = d.Skip(); return err }),
		decode("more than it", "EOF", func(d *msgpack.Decoder) error { _ = d.Skip(); return d.Skip() }),
		decode("an error", errDecode.Error(), func(*msgpack.Decoder) error { return errDecode }),
	})
}

func TestADecodingMethodSeesOnlyBytesThatWereChecked(t *testing.T) {
	readsDo = func(*msgpack.Decoder) error { t.Error("called"); return nil }
	var r reads
	for _, b := range [][]byte{header32(codeArray32, 1<<32-1), nested("\x91", 1001), {0x92, 1, codeNever}, {}} {
		require.Error(t, For[reads]().Decode(b, &r))
	}
	require.NoError(t, For[reads]().Decode([]byte{codeNil}, &r), "nil is the zero value, no method is asked")
}

// filled is a map whose method fills it, so it is not on the pointer.
type filled map[string]int

func (f filled) EncodeMsgpack(e *msgpack.Encoder) error { return e.EncodeInt(int64(len(f))) }
func (f filled) DecodeMsgpack(d *msgpack.Decoder) error {
	n, err := d.DecodeInt()
	f["n"] = n
	return err
}

func TestAMapMayBeFilledByItsMethod(t *testing.T) {
	require.Equal(t, filled{"n": 2}, roundTripped(t, filled{"a": 1, "b": 2}))
	require.Nil(t, roundTripped(t, filled(nil)))
}
