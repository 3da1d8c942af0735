package remote

import (
	"encoding/binary"

	"github.com/procpool/procpool/internal/codec"
)

// A reader takes msgpack values off the front of rest. Each method returns false
// and takes nothing if the next value is of another type or cut off.
type reader struct {
	rest []byte
}

// The first bytes of the types that are read here.
const (
	fixMap, fixArray, fixStr = 0x80, 0x90, 0xa0
	bin8, bin16, bin32       = 0xc4, 0xc5, 0xc6
	uint8Code, int8Code      = 0xcc, 0xd0 // 16, 32 and 64 bits follow
	str8, str16, str32       = 0xd9, 0xda, 0xdb
	array16, array32         = 0xdc, 0xdd
	map16, map32             = 0xde, 0xdf
)

func (r *reader) mapHeader() (int, bool)   { return r.length(fixMap, 0x0f, 0, map16, map32) }
func (r *reader) arrayHeader() (int, bool) { return r.length(fixArray, 0x0f, 0, array16, array32) }

func (r *reader) text() ([]byte, bool) {
	start := r.rest
	n, ok := r.length(fixStr, 0x1f, str8, str16, str32)
	return r.take(start, n, ok)
}

// bytes reads a bin, or a str: older encoders have no bin.
func (r *reader) bytes() ([]byte, bool) {
	start := r.rest
	n, ok := r.length(bin8, 0, bin8, bin16, bin32)
	if !ok {
		return r.text()
	}
	return r.take(start, n, ok)
}

// take returns the n bytes of a string, or puts back what was read of it.
func (r *reader) take(start []byte, n int, ok bool) ([]byte, bool) {
	if !ok || n > len(r.rest) {
		r.rest = start
		return nil, false
	}
	v := r.rest[:n:n]
	r.rest = r.rest[n:]
	return v, true
}

// length reads the head of a value that has a length: the short form with the
// length in the low bits that mask selects, or one of the long forms. A code of
// 0 says that there is no such form.
func (r *reader) length(short, mask, c8, c16, c32 byte) (int, bool) {
	if len(r.rest) == 0 {
		return 0, false
	}
	switch c := r.rest[0]; {
	case mask != 0 && c&^mask == short:
		r.rest = r.rest[1:]
		return int(c & mask), true
	case c == c8 && c8 != 0:
		return r.fixed(1)
	case c == c16:
		return r.fixed(2)
	case c == c32:
		return r.fixed(4)
	}
	return 0, false
}

// fixed reads a code and the size bytes of a number behind it.
func (r *reader) fixed(size int) (int, bool) {
	n, ok := r.number(size)
	return int(n), ok && n <= 1<<31-1
}

func (r *reader) number(size int) (uint64, bool) {
	if len(r.rest) < 1+size {
		return 0, false
	}
	var b [8]byte
	copy(b[8-size:], r.rest[1:1+size])
	r.rest = r.rest[1+size:]
	return binary.BigEndian.Uint64(b[:]), true
}

// uint reads an integer that is not negative, also from an encoder that has signed
// ones alone.
func (r *reader) uint() (uint64, bool) {
	if len(r.rest) == 0 {
		return 0, false
	}
	switch c := r.rest[0]; {
	case c < fixMap:
		r.rest = r.rest[1:]
		return uint64(c), true
	case c >= uint8Code && c < uint8Code+4:
		return r.number(1 << (c - uint8Code))
	case c >= int8Code && c < int8Code+4:
		size := 1 << (c - int8Code)
		n, ok := r.number(size)
		return n, ok && n>>(8*size-1) == 0
	}
	return 0, false
}

// skip takes the next value, whatever it is and however deep; what cannot be
// skipped ends the reading.
func (r *reader) skip() {
	n, err := codec.Check(r.rest)
	if err != nil || n <= 0 || n > len(r.rest) {
		r.rest = nil
		return
	}
	r.rest = r.rest[n:]
}
