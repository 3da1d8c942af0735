package codec

import (
	"reflect"
	"slices"
	"unsafe"
)

// LendAbove is the length from which on a []byte or string need not be copied: see AppendLent.
const LendAbove = 64 << 10

// bulk is how a type that is nothing but bytes is passed on without a copy. It is zero for any other.
type bulk[T any] struct {
	bytes  func(v *T) []byte              // the bytes of v, which are not to be changed
	header func(dst []byte, n int) []byte // what stands before n of them
	alias  func(v *T, b []byte)           // makes v of b
}

// bulkOf returns the functions of []byte and string.
func bulkOf[T any]() bulk[T] {
	switch any((*T)(nil)).(type) {
	case *[]byte:
		return any(bulk[[]byte]{
			bytes:  func(v *[]byte) []byte { return *v },
			header: AppendBytesHeader,
			alias:  func(v *[]byte, b []byte) { *v = b },
		}).(bulk[T])
	case *string:
		return any(bulk[string]{
			bytes:  func(v *string) []byte { return unsafe.Slice(unsafe.StringData(*v), len(*v)) },
			header: AppendStringHeader,
			alias:  func(v *string, b []byte) { *v = unsafe.String(unsafe.SliceData(b), len(b)) },
		}).(bulk[T])
	}
	return bulk[T]{}
}

// Lends reports whether AppendLent is anything but Append.
func (c *Codec[T]) Lends() bool { return c.bulk.bytes != nil }

// AppendLent is Append that does not copy a long []byte or string: it appends what stands before the bytes, and returns them, the memory of v, as lent. Both
// together are the value.
func (c *Codec[T]) AppendLent(dst []byte, v *T) (out, lent []byte, err error) {
	if c.bulk.bytes != nil {
		if b := c.bulk.bytes(v); len(b) > LendAbove && checkLen(len(b)) == nil {
			return c.bulk.header(dst, len(b)), b, nil
		}
	}
	out, err = c.append(dst, v)
	return out, nil, err
}

// DecodeOwned is Decode of memory that nobody else uses: a []byte or string may keep it.
func (c *Codec[T]) DecodeOwned(src []byte, v *T) error {
	if c.bulk.bytes == nil || len(src) <= LendAbove {
		return c.decode(src, v)
	}
	d := decoder{src: src}
	b, err := d.text("bytes")
	if err != nil || d.pos != len(d.src) {
		return c.decode(src, v) // which says what is wrong
	}
	c.bulk.alias(v, slices.Clip(b))
	return nil
}

// AppendLentBy is AppendLent with a Carrier, which may be nil. What the Carrier takes is not lent.
func (c *Codec[T]) AppendLentBy(dst []byte, v *T, by Carrier) (out, lent []byte, err error) {
	if by == nil || c.appendBy == nil {
		return c.AppendLent(dst, v)
	}
	if c.bulk.bytes != nil {
		b := c.bulk.bytes(v)
		if len(b) < MinCarried {
			return c.AppendLent(dst, v)
		}
		ref, ok, err := by.Put(b)
		switch {
		case err != nil:
			return dst, nil, located(err, reflect.TypeFor[T]())
		case !ok:
			return c.AppendLent(dst, v)
		}
		return AppendRef(dst, ExtBytes, ref), nil, nil
	}
	out, err = c.appendBy(dst, v, by)
	return out, nil, err
}

// DecodeOwnedBy is DecodeOwned with a Carrier, which may be nil.
func (c *Codec[T]) DecodeOwnedBy(src []byte, v *T, by Carrier) error {
	if by == nil || c.decodeBy == nil || c.bulk.bytes != nil && len(src) > LendAbove {
		return c.DecodeOwned(src, v)
	}
	return c.decodeBy(src, v, by)
}
