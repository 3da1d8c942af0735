package codec

import "reflect"

// A value may refer to what does not travel inside of its encoding: memory that both sides can see. It then holds a
// Ref, an extension of 16 bytes, and a Carrier on each side knows what the Ref means. Without a Carrier there are no
// references: neither side can be made to look for something by the bytes alone.

// The MessagePack extension types of references.
const (
	ExtObject = 112 // a value of a type with methods of its own, which ask CarrierOf
	ExtBytes  = 113 // a byte slice that a Carrier has taken
)

// RefSize is the size of a Ref.
const RefSize = 16

// Ref is a reference. Its meaning is the Carrier's affair.
type Ref [RefSize]byte

// MinCarried is the size from which on byte slices are offered to a Carrier.
const MinCarried = 4096

// Carrier takes along what one value refers to. It is used by one goroutine at a time.
type Carrier interface {
	// Put takes a byte slice of at least MinCarried bytes. ok is false where it is to be encoded as any other.
	Put(b []byte) (ref Ref, ok bool, err error)
	// Take returns the bytes that Put has taken on the other side, in memory that is the caller's.
	Take(ref Ref) ([]byte, error)
	// Object returns what a reference of type ExtObject becomes under an empty interface.
	Object(ref Ref) (any, error)
}

// CarrierOf returns the Carrier of the value that is being encoded to a msgpack.Encoder's Writer, or decoded from a
// msgpack.Decoder's Buffered; nil where there is none.
func CarrierOf(stream any) Carrier {
	if s, ok := stream.(interface{ carrierOf() Carrier }); ok {
		return s.carrierOf()
	}
	return nil
}

func (s *sink) carrierOf() Carrier   { return s.carrier }
func (s *source) carrierOf() Carrier { return s.carrier }

// Carries reports whether values of type T can hold references. Where they cannot, a Carrier makes no difference.
func (c *Codec[T]) Carries() bool { return c.appendBy != nil }

// AppendBy is Append with a Carrier, which may be nil.
func (c *Codec[T]) AppendBy(dst []byte, v *T, by Carrier) ([]byte, error) {
	if by == nil || c.appendBy == nil {
		return c.append(dst, v)
	}
	return c.appendBy(dst, v, by)
}

// DecodeBy is Decode with a Carrier, which may be nil.
func (c *Codec[T]) DecodeBy(src []byte, v *T, by Carrier) error {
	if by == nil || c.decodeBy == nil {
		return c.decode(src, v)
	}
	return c.decodeBy(src, v, by)
}

// mayRefer reports whether a value of type t can hold a reference: a byte slice, or whatever a method or an interface hides.
func mayRefer(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] || t == timeType {
		return false
	}
	seen[t] = true
	if method, _ := methodOf(t, encodings); method != "" {
		return true
	}
	if method, _ := methodOf(t, decodings); method != "" {
		return true
	}
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Slice:
		return t.Elem().Kind() == reflect.Uint8 || mayRefer(t.Elem(), seen)
	case reflect.Pointer, reflect.Array:
		return mayRefer(t.Elem(), seen)
	case reflect.Map:
		return mayRefer(t.Key(), seen) || mayRefer(t.Elem(), seen)
	case reflect.Struct:
		for field := range t.Fields() {
			if mayRefer(field.Type, seen) {
				return true
			}
		}
	}
	return false
}

// AppendRef appends a reference.
func AppendRef(dst []byte, ext byte, ref Ref) []byte {
	return append(append(dst, codeFixExt16, ext), ref[:]...)
}

// putBytes encodes a long byte slice as a reference if the carrier takes it.
func (e *encoder) putBytes(dst, b []byte) (out []byte, done bool, err error) {
	if e.carrier == nil || len(b) < MinCarried {
		return dst, false, nil
	}
	ref, ok, err := e.carrier.Put(b)
	if ok && err == nil {
		dst = AppendRef(dst, ExtBytes, ref)
	}
	return dst, ok, err
}

// takeBytes decodes a byte slice that is a reference; done is false where it is none.
func (d *decoder) takeBytes() (b []byte, done bool, err error) {
	if d.carrier == nil || len(d.src)-d.pos < 2 || d.src[d.pos] != codeFixExt16 || d.src[d.pos+1] != ExtBytes {
		return nil, false, nil
	}
	ref, err := d.ref()
	if err == nil {
		b, err = d.carrier.Take(ref)
	}
	return b, true, err
}

// ref reads an extension that is known to be a reference.
func (d *decoder) ref() (ref Ref, err error) {
	b, err := d.take(2 + RefSize)
	if err == nil {
		copy(ref[:], b[2:])
	}
	return ref, err
}

// appendBytesBy and parseBytesBy are what a value that is one byte slice and no more gets by on, without reflection.
func appendBytesBy(dst []byte, v *[]byte, by Carrier) ([]byte, error) {
	if len(*v) >= MinCarried {
		ref, ok, err := by.Put(*v)
		switch {
		case err != nil:
			return dst, located(err, reflect.TypeFor[[]byte]())
		case ok:
			return AppendRef(dst, ExtBytes, ref), nil
		}
	}
	return appendBytes(dst, v)
}

func parseBytesBy(src []byte, v *[]byte, by Carrier) (err error) {
	d := decoder{src: src, carrier: by}
	b, done, err := d.takeBytes()
	if !done {
		return parseBytes(src, v)
	}
	*v = b
	return finish(&d, err, v)
}
