package codec

import (
	"bytes"
	"encoding"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/vmihailenco/msgpack/v5"
)

// Types with methods of their own are left to msgpack/v5, one value at a time: it
// finds the method, and what is registered for the type. Around the call stands
// what the library does not do: a panic is caught, the output is checked while it
// is written, the input before it is read.

// capability is an interface with one method.
type capability struct {
	typ    reflect.Type
	method string
}

// In the order in which msgpack/v5 looks for them.
var (
	encodings = []capability{
		{reflect.TypeFor[msgpack.CustomEncoder](), "EncodeMsgpack"},
		{reflect.TypeFor[msgpack.Marshaler](), "MarshalMsgpack"},
		{reflect.TypeFor[encoding.BinaryMarshaler](), "MarshalBinary"},
		{reflect.TypeFor[encoding.TextMarshaler](), "MarshalText"},
	}
	decodings = []capability{
		{reflect.TypeFor[msgpack.CustomDecoder](), "DecodeMsgpack"},
		{reflect.TypeFor[msgpack.Unmarshaler](), "UnmarshalMsgpack"},
		{reflect.TypeFor[encoding.BinaryUnmarshaler](), "UnmarshalBinary"},
		{reflect.TypeFor[encoding.TextUnmarshaler](), "UnmarshalText"},
	}
)

// methodOf names the method by which values of type t are encoded or decoded, or
// "" if there is none. It looks at t, then at its pointer. A pointer itself has
// none: what it points to is asked. Nor has an interface, whose dynamic type is.
func methodOf(t reflect.Type, capabilities []capability) (method string, onPointer bool) {
	if k := t.Kind(); k == reflect.Pointer || k == reflect.Interface {
		return "", false
	}
	for _, receiver := range []reflect.Type{t, reflect.PointerTo(t)} {
		for _, c := range capabilities {
			if receiver.Implements(c.typ) {
				return c.method, receiver != t
			}
		}
	}
	return "", false
}

// encodeMethods is what an encoder needs for methods, made when it is needed.
type encodeMethods struct {
	enc  *msgpack.Encoder
	sink sink
}

func encodeByMethod(n *node, e *encoder, dst []byte, p unsafe.Pointer) ([]byte, error) {
	v := n.value(p)
	if nilable(v.Kind()) && v.IsNil() {
		return AppendNil(dst), nil
	}
	m := &e.methods
	if m.enc == nil {
		m.enc = msgpack.NewEncoder(nil)
	}
	m.sink.reset(dst, MaxDepth-e.depth, e.carrier)
	m.enc.Reset(&m.sink)
	m.enc.UseCompactInts(true)
	err := m.call(n, v)
	if err == nil {
		err = m.sink.end()
	}
	dst = m.sink.buf
	m.sink.buf, m.sink.carrier = nil, nil
	if err != nil {
		return dst, failure(n.typ, err)
	}
	return dst, nil
}

func (m *encodeMethods) call(n *node, v reflect.Value) (err error) {
	defer func() {
		if r := recover(); r != nil {
			m.enc = nil // its state is anybody's guess
			err = newPanicError(n.encMethod, r)
		}
	}()
	return m.enc.EncodeValue(v)
}

// keepBuffer is the largest value after which the library's decoder, and with it
// its buffer, is kept for the next one.
const keepBuffer = 64 << 10

// decodeMethods is what a decoder needs for methods, made when it is needed.
type decodeMethods struct {
	dec *msgpack.Decoder
	src source
}

// source is the bytes of one value, and the Carrier that goes with them.
type source struct {
	bytes.Reader
	carrier Carrier
}

func decodeByMethod(n *node, d *decoder, p unsafe.Pointer) error {
	v := n.value(p)
	if d.null() {
		v.SetZero() // as msgpack/v5 does, where it does not panic
		return nil
	}
	b, err := d.whole()
	if err != nil {
		return failure(n.typ, err)
	}
	d.pos += len(b)
	v.SetZero()
	if !n.decPointer && v.Kind() == reflect.Map {
		v.Set(reflect.MakeMap(n.typ)) // the method will fill it; the library would panic
	}
	if err := d.methods.decode(n, b, v, d.carrier); err != nil {
		return failure(n.typ, err)
	}
	return nil
}

func (m *decodeMethods) decode(n *node, b []byte, v reflect.Value, by Carrier) error {
	if m.dec == nil {
		m.dec = msgpack.NewDecoder(nil)
	}
	m.src.Reset(b)
	m.src.carrier = by
	m.dec.Reset(&m.src)
	err := m.call(n, v)
	if left := m.src.Len(); err == nil && left > 0 {
		err = fmt.Errorf("%s left %d of %d bytes", n.decMethod, left, len(b))
	}
	m.src.Reset(nil)
	m.src.carrier = nil
	if err != nil || len(b) > keepBuffer {
		m.dec = nil // it may be recording what it reads, which Reset does not end
	}
	return err
}

func (m *decodeMethods) call(n *node, v reflect.Value) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = newPanicError(n.decMethod, r)
		}
	}()
	return m.dec.DecodeValue(v)
}
