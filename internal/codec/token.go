package codec

import "encoding/binary"

// The first byte of every MessagePack item.
const (
	codeFixMap   = 0x80
	codeFixArray = 0x90
	codeFixStr   = 0xa0
	codeNil      = 0xc0
	codeNever    = 0xc1
	codeFalse    = 0xc2
	codeTrue     = 0xc3
	codeBin8     = 0xc4
	codeBin16    = 0xc5
	codeBin32    = 0xc6
	codeExt8     = 0xc7
	codeExt16    = 0xc8
	codeExt32    = 0xc9
	codeFloat32  = 0xca
	codeFloat64  = 0xcb
	codeUint8    = 0xcc
	codeUint16   = 0xcd
	codeUint32   = 0xce
	codeUint64   = 0xcf
	codeInt8     = 0xd0
	codeInt16    = 0xd1
	codeInt32    = 0xd2
	codeInt64    = 0xd3
	codeFixExt1  = 0xd4
	codeFixExt16 = 0xd8
	codeStr8     = 0xd9
	codeStr16    = 0xda
	codeStr32    = 0xdb
	codeArray16  = 0xdc
	codeArray32  = 0xdd
	codeMap16    = 0xde
	codeMap32    = 0xdf
	codeNegFix   = 0xe0
)

// class groups first bytes by how the rest of the item is found.
type class uint8

const (
	classFixed   class = iota // size bytes in all, nothing nested
	classBytes                // a length, then so many bytes (and extra ones)
	classArray                // a count, then so many values
	classMap                  // a count, then so many pairs
	classInvalid              // 0xc1
)

// form is what a first byte says.
type form struct {
	class class
	size  uint8 // header and fixed payload, in bytes
	extra uint8 // classBytes: bytes beyond the length (an extension's type)
}

var forms = makeForms()

func makeForms() (t [256]form) {
	for c := range t {
		t[c] = formOf(byte(c))
	}
	return t
}

// fixedSizes is the size of an item of classFixed by its first byte, 0 for others.
// The loop that visits every item needs no more in most cases.
var fixedSizes = makeFixedSizes()

func makeFixedSizes() (t [256]uint8) {
	for c := range t {
		if f := formOf(byte(c)); f.class == classFixed {
			t[c] = f.size
		}
	}
	return t
}

func formOf(c byte) form {
	switch {
	case c < codeFixMap || c >= codeNegFix:
		return form{size: 1}
	case c < codeFixArray:
		return form{class: classMap, size: 1}
	case c < codeFixStr:
		return form{class: classArray, size: 1}
	case c < codeNil:
		return form{size: 1 + c&0x1f}
	}
	return longForms[c-codeNil]
}

// longForms are the forms of 0xc0 to 0xdf, in order.
var longForms = [...]form{
	{size: 1}, {class: classInvalid}, {size: 1}, {size: 1}, // nil, never, false, true
	{class: classBytes, size: 2}, {class: classBytes, size: 3}, {class: classBytes, size: 5}, // bin
	{class: classBytes, size: 2, extra: 1}, {class: classBytes, size: 3, extra: 1}, {class: classBytes, size: 5, extra: 1}, // ext
	{size: 5}, {size: 9}, // floats
	{size: 2}, {size: 3}, {size: 5}, {size: 9}, // uints
	{size: 2}, {size: 3}, {size: 5}, {size: 9}, // ints
	{size: 3}, {size: 4}, {size: 6}, {size: 10}, {size: 18}, // fixext: code, type, 1 to 16 bytes
	{class: classBytes, size: 2}, {class: classBytes, size: 3}, {class: classBytes, size: 5}, // str
	{class: classArray, size: 3}, {class: classArray, size: 5},
	{class: classMap, size: 3}, {class: classMap, size: 5},
}

// count reads the length that a header of the given size carries. The caller
// has checked that src holds the header.
func count(src []byte, size uint8) uint64 {
	switch size {
	case 1:
		return uint64(src[0] & 0x0f)
	case 2:
		return uint64(src[1])
	case 3:
		return uint64(binary.BigEndian.Uint16(src[1:]))
	}
	return uint64(binary.BigEndian.Uint32(src[1:]))
}

// kind is what an item is to people and to untyped decoding.
type kind uint8

const (
	kindInt kind = iota
	kindMap
	kindArray
	kindString
	kindNil
	kindNever
	kindBool
	kindBytes
	kindExt
	kindFloat
)

var kindNames = [...]string{
	"an integer", "a map", "an array", "a string", "nil", "the invalid byte 0xc1", "a bool", "bytes", "an extension", "a float",
}

func (k kind) String() string { return kindNames[k] }

// kindOf is indexed by the first byte of an item.
var kindOf = makeKinds()

func makeKinds() (t [256]kind) {
	for c := range t {
		t[c] = kindOfCode(byte(c))
	}
	return t
}

func kindOfCode(c byte) kind {
	switch {
	case c < codeFixMap || c >= codeNegFix:
		return kindInt
	case c < codeFixArray:
		return kindMap
	case c < codeFixStr:
		return kindArray
	case c < codeNil:
		return kindString
	}
	return longKinds[c-codeNil]
}

// longKinds are the kinds of 0xc0 to 0xdf, in order.
var longKinds = [...]kind{
	kindNil, kindNever, kindBool, kindBool, kindBytes, kindBytes, kindBytes, kindExt,
	kindExt, kindExt, kindFloat, kindFloat, kindInt, kindInt, kindInt, kindInt,
	kindInt, kindInt, kindInt, kindInt, kindExt, kindExt, kindExt, kindExt,
	kindExt, kindString, kindString, kindString, kindArray, kindArray, kindMap, kindMap,
}
