package codec

import (
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
