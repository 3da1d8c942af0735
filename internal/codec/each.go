package codec

import (
	"encoding/binary"
	"math"
)

// MaxEach is how many bytes one value takes at most in AppendEach, with its length.
const MaxEach = 10

// each is how many values of a type are encoded and decoded together: without a call for every one of them, of which tiny values would
// consist otherwise. It is zero for types that are not integers.
type each[T any] struct {
	append func(dst []byte, vs []T) []byte
	decode func(src []byte, vs []T) (n, size int)
}

// eachOf returns the functions of the integer types.
func eachOf[T any]() each[T] {
	switch any((*T)(nil)).(type) {
	case *int:
		return any(each[int]{appendEach[int], decodeEach[int]}).(each[T])
	case *int32:
		return any(each[int32]{appendEach[int32], decodeEach[int32]}).(each[T])
	case *int64:
		return any(each[int64]{appendEach[int64], decodeEach[int64]}).(each[T])
	case *uint:
		return any(each[uint]{appendEach[uint], decodeEach[uint]}).(each[T])
	case *uint32:
		return any(each[uint32]{appendEach[uint32], decodeEach[uint32]}).(each[T])
	case *uint64:
		return any(each[uint64]{appendEach[uint64], decodeEach[uint64]}).(each[T])
	}
	return each[T]{}
}

// AppendEach appends vs, each as Append would, with the length of its encoding before it in one byte. It reports false,
// and has done nothing, for types whose values may be longer than that: those are to be appended one by one.
func (c *Codec[T]) AppendEach(dst []byte, vs []T) ([]byte, bool) {
	if c.each.append == nil {
		return dst, false
	}
	return c.each.append(dst, vs), true
}

// DecodeEach sets the first of vs to the values at the front of src, before each of which stand a zero byte and its length in one byte. It stops, without
// a word, at the first that is anything else than the shortest form of an integer that fits, and returns how many it has set, and how
// many bytes they took.
func (c *Codec[T]) DecodeEach(src []byte, vs []T) (n, size int) {
	if c.each.decode == nil {
		return 0, 0
	}
	return c.each.decode(src, vs)
}

// integer is what can be encoded together.
type integer interface{ signed | unsigned }

// The loops below stand in one function each: a call for every value would take as long as what it does.

func appendEach[E integer](dst []byte, vs []E) []byte {
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
	return dst
}

func decodeEach[E integer](src []byte, vs []E) (n, size int) {
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
