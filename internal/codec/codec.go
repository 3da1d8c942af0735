package codec

import (
	"fmt"
	"reflect"
	"sync"
	"unsafe"
)

// Codec encodes and decodes values of type T. It is safe for concurrent use.
type Codec[T any] struct {
	name   string
	append func(dst []byte, v *T) ([]byte, error)
	decode func(src []byte, v *T) error
	bulk   bulk[T]
	each   each[T]

	// nil where no value of T can hold a reference
	appendBy func(dst []byte, v *T, by Carrier) ([]byte, error)
	decodeBy func(src []byte, v *T, by Carrier) error

	positional *Codec[T]
}

// codecs caches one *Codec[T] per reflect.Type of T.
var codecs sync.Map

// For returns the codec of T. The first call for a type compiles its plan, later
// ones cost a map lookup: keep the result where that matters. A type that cannot
// be encoded has a codec, too; Append says what is wrong with it.
func For[T any]() *Codec[T] {
	t := reflect.TypeFor[T]()
	if c, ok := codecs.Load(t); ok {
		return c.(*Codec[T])
	}
	c, _ := codecs.LoadOrStore(t, newCodec[T](t))
	return c.(*Codec[T])
}

func newCodec[T any](t reflect.Type) *Codec[T] {
	c := &Codec[T]{name: t.String()}
	c.positional = c
	if c.append, c.decode = basicFuncs[T](); c.append != nil {
		c.bulk, c.each = bulkOf[T](), eachOf[T]()
		c.appendBy, c.decodeBy = carriedFuncs[T]()
		return c
	}
	if err := hollow(t); err != nil {
		c.append = func(dst []byte, _ *T) ([]byte, error) { return dst, err }
		c.decode = func([]byte, *T) error { return err }
		return c
	}
	n := nodeOf(t)
	c.append = func(dst []byte, v *T) ([]byte, error) {
		return appendValue(dst, n, unsafe.Pointer(v), nil, false)
	}
	c.decode = func(src []byte, v *T) error {
		var zero T
		*v = zero
		return decodeValue(src, n, unsafe.Pointer(v), nil)
	}
	if mayRefer(t, map[reflect.Type]bool{}) {
		c.appendBy = func(dst []byte, v *T, by Carrier) ([]byte, error) {
			return appendValue(dst, n, unsafe.Pointer(v), by, false)
		}
		c.decodeBy = func(src []byte, v *T, by Carrier) error {
			var zero T
			*v = zero
			return decodeValue(src, n, unsafe.Pointer(v), by)
		}
	} else {
		c.each = planned[T](n, false)
	}
	if n.positional {
		c.positional = byPosition(*c, n)
	}
	return c
}

// byPosition turns a codec into the one that Positional returns.
func byPosition[T any](c Codec[T], n *node) *Codec[T] {
	c.append = func(dst []byte, v *T) ([]byte, error) {
		return appendValue(dst, n, unsafe.Pointer(v), nil, true)
	}
	if c.appendBy != nil {
		c.appendBy = func(dst []byte, v *T, by Carrier) ([]byte, error) {
			return appendValue(dst, n, unsafe.Pointer(v), by, true)
		}
	} else {
		c.each = planned[T](n, true)
	}
	c.positional = &c
	return &c
}

// Positional returns the codec that writes structs as arrays of their fields where that says the same: shorter and faster,
// for whoever decodes them as values of the very same T. Both codecs decode both forms. It is c itself if there is no
// struct in a T.
func (c *Codec[T]) Positional() *Codec[T] { return c.positional }

// Append appends v to dst as exactly one value. With an error dst comes back with
// its length unchanged. The bytes beyond that length may have been overwritten.
func (c *Codec[T]) Append(dst []byte, v *T) ([]byte, error) { return c.append(dst, v) }

// Decode sets v to the one value that src holds; nothing of what v held before is
// kept, and v must not be used after an error. src is not retained.
func (c *Codec[T]) Decode(src []byte, v *T) error { return c.decode(src, v) }

// TypeName returns T as Go writes it, with the package's name.
func (c *Codec[T]) TypeName() string { return c.name }

// AppendFrom is Append for a type that is known at run time only: v is a pointer to the value. It takes structs of which nothing travels, as DecodeInto does.
func AppendFrom(dst []byte, v any) ([]byte, error) {
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return dst, fmt.Errorf(errorPrefix+"cannot encode %T, want a pointer that is not nil", v)
	}
	return appendValue(dst, nodeOf(p.Type().Elem()), p.UnsafePointer(), nil, false)
}

// DecodeInto is Decode for a type that is known at run time only: v is a pointer
// to the value to be set.
func DecodeInto(src []byte, v any) error {
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return fmt.Errorf(errorPrefix+"cannot decode into %T, want a pointer that is not nil", v)
	}
	p.Elem().SetZero()
	return decodeValue(src, nodeOf(p.Type().Elem()), p.UnsafePointer(), nil)
}
