package codec

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// maxInteger is how many bytes an integer takes at most, with its length.
const maxInteger = 10

// each is how many values of a type are encoded and decoded together: without a call for every one of them, of which tiny values would
// consist otherwise. It is zero for types that can hold a reference, and for the other basic types.
type each[T any] struct {
	append func(dst []byte, vs []T, b Bounds) (out []byte, n int, over bool)
	decode func(src []byte, vs []T) (n, size int)
}

// eachOf returns the functions of the integer types.
func eachOf[T any]() each[T] {
	switch any((*T)(nil)).(type) {
	case *int:
		return any(each[int]{appendIntegers[int], decodeIntegers[int]}).(each[T])
	case *int32:
		return any(each[int32]{appendIntegers[int32], decodeIntegers[int32]}).(each[T])
	case *int64:
		return any(each[int64]{appendIntegers[int64], decodeIntegers[int64]}).(each[T])
	case *uint:
		return any(each[uint]{appendIntegers[uint], decodeIntegers[uint]}).(each[T])
	case *uint32:
		return any(each[uint32]{appendIntegers[uint32], decodeIntegers[uint32]}).(each[T])
	case *uint64:
		return any(each[uint64]{appendIntegers[uint64], decodeIntegers[uint64]}).(each[T])
	}
	return each[T]{}
}

// Bounds is how far AppendEach goes.
type Bounds struct {
	Room int // bytes; the last value may go beyond
	Long int // a value of more bytes stands alone: it is appended to nothing, and nothing to it
	Most int // bytes that one value may take

	// Prefix puts the length of dst[from:] before it. It is for values of more than 127 bytes: they have one byte of room there, too little.
	Prefix func(dst []byte, from int) []byte
}

// AppendEach appends the first of vs, each as Append would, with its length before it: in one byte up to 127, else by b.Prefix. It stops, without a
// word, where there is no room left, and before the first value that takes more than it may or has no encoding: Append says why. It returns how
// many it has appended, none of types that are to be appended one by one, and whether a long value has ended it.
func (c *Codec[T]) AppendEach(dst []byte, vs []T, b Bounds) (out []byte, n int, over bool) {
	if c.each.append == nil {
		return dst, 0, false
	}
	return c.each.append(dst, vs, b)
}

// DecodeEach sets the first of vs to the values at the front of src, before each of which stand a zero byte and its length in one byte. It stops, without
// a word, at the first of which that is not true, that does not decode, or that is an integer in a form longer than it need be, and returns how many it has set, and how
// many bytes they took. Decode says what is wrong with the next, if anything is.
func (c *Codec[T]) DecodeEach(src []byte, vs []T) (n, size int) {
	if c.each.decode == nil {
		return 0, 0
	}
	return c.each.decode(src, vs)
}

// integer is what can be encoded together.
type integer interface{ signed | unsigned }

// The loops below stand in one function each: a call for every value would take as long as what it does.

func appendIntegers[E integer](dst []byte, vs []E, b Bounds) (out []byte, n int, over bool) {
	if min(b.Most, b.Long) < maxInteger {
		return dst, 0, false
	}
	vs = vs[:min(len(vs), b.Room/maxInteger)]
	for _, v := range vs {
		switch u := uint64(v); {
		case v < 0:
			at := len(dst)
			dst = appendNegative(append(dst, 0), int64(v))
			dst[at] = byte(len(dst) - at - 1)
		case u <= math.MaxInt8:
			dst = append(dst, 1, byte(u))
		case u <= math.MaxUint8:
			dst = append(dst, 2, codeUint8, byte(u))
		case u <= math.MaxUint16:
			dst = append(dst, 3, codeUint16, byte(u>>8), byte(u))
		case u <= math.MaxUint32:
			dst = append(dst, 5, codeUint32, byte(u>>24), byte(u>>16), byte(u>>8), byte(u))
		default:
			dst = append64(append(dst, 9), codeUint64, u)
		}
	}
	return dst, len(vs), false
}

func decodeIntegers[E integer](src []byte, vs []E) (n, size int) {
	b := src
	for n < len(vs) && len(b) >= 3 && b[0] == 0 {
		var i int64
		switch took, c := b[1], b[2]; {
		case took == 1 && (c < codeFixMap || c >= codeNegFix):
			i, b = int64(int8(c)), b[3:]
		case took == 2 && c == codeUint8 && len(b) >= 4:
			i, b = int64(b[3]), b[4:]
		case took == 3 && c == codeUint16 && len(b) >= 5:
			i, b = int64(binary.BigEndian.Uint16(b[3:])), b[5:]
		case took == 5 && c == codeUint32 && len(b) >= 7:
			i, b = int64(binary.BigEndian.Uint32(b[3:])), b[7:]
		default:
			return n, size
		}
		v := E(i)
		if int64(v) != i || (v < 0) != (i < 0) {
			return n, size
		}
		vs[n] = v
		n++
		size = len(src) - len(b)
	}
	return n, size
}

// planned is each for types that have a plan: one encoder or decoder, and one guard against panics, for all values.
func planned[T any](n *node, positional bool) each[T] {
	return each[T]{
		append: func(dst []byte, vs []T, b Bounds) (out []byte, count int, over bool) {
			e := encoders.Get().(*encoder)
			e.positional = positional
			out, count, over = appendPlanned(e, n, dst, vs, b)
			e.seen = nil
			encoders.Put(e)
			return out, count, over
		},
		decode: func(src []byte, vs []T) (count, size int) {
			d := decoders.Get().(*decoder)
			count, size = decodePlanned(d, n, src, vs)
			d.src = nil
			decoders.Put(d)
			return count, size
		},
	}
}

func appendPlanned[T any](e *encoder, n *node, dst []byte, vs []T, b Bounds) (out []byte, count int, over bool) {
	out, end := dst, len(dst)+b.Room
	defer func() {
		_ = recover() // alone, the value says what its panic was
	}()
	for count < len(vs) && len(out) < end {
		from := len(out) + 1
		e.begin(from)
		longer, err := n.enc(n, e, append(out, 0), unsafe.Pointer(&vs[count]))
		size := len(longer) - from
		if err != nil || size > b.Most {
			break
		}
		if over = size > b.Long; over && len(out) > 0 {
			break
		}
		if longer[from-1] = byte(size); size > math.MaxInt8 {
			longer = b.Prefix(longer, from)
		}
		out = longer
		count++
		if over {
			break
		}
	}
	return out, count, over
}

func decodePlanned[T any](d *decoder, n *node, src []byte, vs []T) (count, size int) {
	defer func() {
		_ = recover() // as above
	}()
	for count < len(vs) && len(src)-size >= 2 && src[size] == 0 && src[size+1] <= math.MaxInt8 {
		from := size + 2
		end := from + int(src[size+1])
		if end > len(src) {
			break
		}
		d.begin(src[from:end])
		v := &vs[count]
		var zero T
		*v = zero
		if n.dec(n, d, unsafe.Pointer(v)) != nil || d.pos < len(d.src) {
			break
		}
		count++
		size = end
	}
	return count, size
}
