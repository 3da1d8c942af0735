package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unsafe"
)

var errTooLong = errors.New("longer than MessagePack can declare, 2^32-1")

// bitsOf returns the size of E in bits.
func bitsOf[E any]() int {
	var e E
	return int(unsafe.Sizeof(e)) * 8
}

func mismatch(want string, c byte) error {
	return fmt.Errorf("expected %s, found %s", want, kindOf[c])
}

func misfit(v any) error { return fmt.Errorf("%v does not fit", v) }

// number is one numeric item.
type number struct {
	bits uint64  // of an integer; two's complement
	neg  bool    // the integer is below zero
	real bool    // it is a float, in f
	f    float64 // for a float32 exact, NaN's payload aside
}

func (x number) String() string {
	switch {
	case x.real:
		return fmt.Sprint(x.f)
	case x.neg:
		return fmt.Sprint(int64(x.bits))
	}
	return fmt.Sprint(x.bits)
}

// number reads a numeric item; want is for the error.
func (d *decoder) number(want string) (x number, err error) {
	c, err := d.peek()
	if err != nil {
		return x, err
	}
	if c < codeFixMap || c >= codeNegFix {
		d.pos++
		return number{bits: uint64(int8(c)), neg: c >= codeNegFix}, nil
	}
	if c == codeNil {
		d.pos++
		return x, nil
	}
	if c < codeFloat32 || c > codeInt64 {
		return x, mismatch(want, c)
	}
	b, err := d.take(int(forms[c].size))
	if err != nil {
		return x, err
	}
	return longNumber(c, b[1:]), nil
}

func longNumber(c byte, b []byte) number {
	switch c {
	case codeFloat32:
		return number{real: true, f: float64(math.Float32frombits(binary.BigEndian.Uint32(b)))}
	case codeFloat64:
		return number{real: true, f: math.Float64frombits(binary.BigEndian.Uint64(b))}
	case codeUint8:
		return number{bits: uint64(b[0])}
	case codeUint16:
		return number{bits: uint64(binary.BigEndian.Uint16(b))}
	case codeUint32:
		return number{bits: uint64(binary.BigEndian.Uint32(b))}
	case codeUint64:
		return number{bits: binary.BigEndian.Uint64(b)}
	case codeInt8:
		return negatable(int64(int8(b[0])))
	case codeInt16:
		return negatable(int64(int16(binary.BigEndian.Uint16(b))))
	case codeInt32:
		return negatable(int64(int32(binary.BigEndian.Uint32(b))))
	}
	return negatable(int64(binary.BigEndian.Uint64(b)))
}

func negatable(i int64) number { return number{bits: uint64(i), neg: i < 0} }

// whole turns a float without fraction into the integer that it is.
func (x number) whole() (number, bool) {
	switch {
	case !x.real:
		return x, true
	case x.f != math.Trunc(x.f): // NaN too
		return x, false
	case x.f >= -1<<63 && x.f < 1<<63:
		return negatable(int64(x.f)), true
	case x.f >= 0 && x.f < 1<<64:
		return number{bits: uint64(x.f)}, true
	}
	return x, false
}

// common reads an integer in one of the forms that small integers are written in,
// for speed; size is 0 for any other item.
func common(b []byte) (i int64, size int) {
	if len(b) == 0 {
		return 0, 0
	}
	switch c := b[0]; {
	case c < codeFixMap || c >= codeNegFix:
		return int64(int8(c)), 1
	case c == codeUint8 && len(b) >= 2:
		return int64(b[1]), 2
	case c == codeUint16 && len(b) >= 3:
		return int64(binary.BigEndian.Uint16(b[1:])), 3
	case c == codeUint32 && len(b) >= 5:
		return int64(binary.BigEndian.Uint32(b[1:])), 5
	}
	return 0, 0
}

// signed reads an integer of so many bits.
func (d *decoder) signed(bits int) (int64, error) {
	if i, size := common(d.src[d.pos:]); size > 0 && i == i<<(64-bits)>>(64-bits) {
		d.pos += size
		return i, nil
	}
	x, err := d.number("an integer")
	if err != nil {
		return 0, err
	}
	x, ok := x.whole()
	i := int64(x.bits)
	if !ok || (i < 0) != x.neg || i != i<<(64-bits)>>(64-bits) {
		return 0, misfit(x)
	}
	return i, nil
}

// unsigned reads an integer of so many bits that is not negative.
func (d *decoder) unsigned(bits int) (uint64, error) {
	x, err := d.number("an integer")
	if err != nil {
		return 0, err
	}
	x, ok := x.whole()
	if !ok || x.neg || x.bits != x.bits<<(64-bits)>>(64-bits) {
		return 0, misfit(x)
	}
	return x.bits, nil
}

// float64 reads a float, or an integer that a float64 holds exactly.
func (d *decoder) float64() (float64, error) {
	if b := d.src[d.pos:]; len(b) >= 9 && b[0] == codeFloat64 {
		d.pos += 9
		return math.Float64frombits(binary.BigEndian.Uint64(b[1:])), nil
	}
	x, err := d.number("a float")
	if err != nil || x.real {
		return x.f, err
	}
	f := x.float()
	if back, ok := (number{real: true, f: f}).whole(); !ok || back != x {
		return 0, misfit(x)
	}
	return f, nil
}

// float rounds an integer to the nearest float64.
func (x number) float() float64 {
	if x.neg {
		return float64(int64(x.bits))
	}
	return float64(x.bits)
}

// float32 reads a float, rounded if it is a float64, or an integer that a float32
// holds exactly.
func (d *decoder) float32() (float32, error) {
	if b := d.src[d.pos:]; len(b) >= 5 && b[0] == codeFloat32 {
		d.pos += 5
		return math.Float32frombits(binary.BigEndian.Uint32(b[1:])), nil
	}
	x, err := d.number("a float")
	if err != nil {
		return 0, err
	}
	if !x.real {
		return x.float32()
	}
	f := float32(x.f)
	if math.IsInf(float64(f), 0) && !math.IsInf(x.f, 0) {
		return 0, misfit(x)
	}
	return f, nil
}

func (x number) float32() (float32, error) {
	f := float32(x.float())
	if back, ok := (number{real: true, f: float64(f)}).whole(); !ok || back != x {
		return 0, misfit(x)
	}
	return f, nil
}

// bool reads a bool.
func (d *decoder) bool() (bool, error) {
	c, err := d.peek()
	if err != nil {
		return false, err
	}
	if c != codeTrue && c != codeFalse && c != codeNil {
		return false, mismatch("a bool", c)
	}
	d.pos++
	return c == codeTrue, nil
}

// shortText reads a string in the form of most strings; nil for any other item.
func (d *decoder) shortText() []byte {
	if d.pos >= len(d.src) {
		return nil
	}
	size := int(d.src[d.pos] ^ codeFixStr)
	if size > 31 || size >= len(d.src)-d.pos {
		return nil
	}
	b := d.src[d.pos+1 : d.pos+1+size]
	d.pos += 1 + size
	return b
}

// text reads a string or bytes, which it returns as a part of the source; nil is
// nil and nothing else is. want is for the error.
func (d *decoder) text(want string) ([]byte, error) {
	c, err := d.peek()
	if err != nil {
		return nil, err
	}
	switch {
	case c >= codeFixStr && c < codeNil:
		b, err := d.take(1 + int(c&0x1f))
		if err != nil {
			return nil, err
		}
		return b[1:], nil
	case c == codeNil:
		d.pos++
		return nil, nil
	case c >= codeStr8 && c <= codeStr32, c >= codeBin8 && c <= codeBin32:
		return d.longText(forms[c])
	}
	return nil, mismatch(want, c)
}

func (d *decoder) longText(f form) ([]byte, error) {
	n, _, err := open(d.src[d.pos:], f)
	if err != nil {
		return nil, err
	}
	b, err := d.take(n)
	if err != nil {
		return nil, err
	}
	return b[f.size:], nil
}
