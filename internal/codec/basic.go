package codec

import (
	"math"
	"reflect"
	"time"
)

type (
	signed interface {
		~int | ~int8 | ~int16 | ~int32 | ~int64
	}
	unsigned interface {
		~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr
	}
)

type (
	appendFunc[T any] = func([]byte, *T) ([]byte, error)
	parseFunc[T any]  = func([]byte, *T) error
)

// basicFuncs returns the functions of a basic type, which need neither reflection
// nor a pooled encoder, or nil for any other T.
func basicFuncs[T any]() (appendFunc[T], parseFunc[T]) {
	switch any((*T)(nil)).(type) {
	case *int:
		return as[T](appendInt, parseInt)
	case *int8:
		return as[T](appendSigned[int8], parseSigned[int8])
	case *int16:
		return as[T](appendSigned[int16], parseSigned[int16])
	case *int32:
		return as[T](appendSigned[int32], parseSigned[int32])
	case *int64:
		return as[T](appendSigned[int64], parseSigned[int64])
	case *time.Duration:
		return as[T](appendSigned[time.Duration], parseSigned[time.Duration])
	case *uint:
		return as[T](appendUnsigned[uint], parseUnsigned[uint])
	case *uint8:
		return as[T](appendUnsigned[uint8], parseUnsigned[uint8])
	case *uint16:
		return as[T](appendUnsigned[uint16], parseUnsigned[uint16])
	case *uint32:
		return as[T](appendUnsigned[uint32], parseUnsigned[uint32])
	case *uint64:
		return as[T](appendUnsigned[uint64], parseUnsigned[uint64])
	case *uintptr:
		return as[T](appendUnsigned[uintptr], parseUnsigned[uintptr])
	case *bool:
		return as[T](appendBool, parseBool)
	case *float32:
		return as[T](appendFloat32, parseFloat32)
	case *float64:
		return as[T](appendFloat64, parseFloat64)
	case *string:
		return as[T](appendString, parseString)
	case *[]byte:
		return as[T](appendBytes, parseBytes)
	case *struct{}:
		return as[T](appendEmpty, parseEmpty)
	case *time.Time:
		return as[T](appendTimePtr, parseTime)
	}
	return nil, nil
}

// carriedFuncs returns the functions with a Carrier of a basic type that can be a reference, or nil.
func carriedFuncs[T any]() (func([]byte, *T, Carrier) ([]byte, error), func([]byte, *T, Carrier) error) {
	if _, ok := any((*T)(nil)).(*[]byte); !ok {
		return nil, nil
	}
	return any(appendBytesBy).(func([]byte, *T, Carrier) ([]byte, error)), any(parseBytesBy).(func([]byte, *T, Carrier) error)
}

// as proves to the compiler that T is E, which the switch above has just seen.
func as[T, E any](a appendFunc[E], p parseFunc[E]) (appendFunc[T], parseFunc[T]) {
	return any(a).(appendFunc[T]), any(p).(parseFunc[T])
}

func appendSigned[E signed](dst []byte, v *E) ([]byte, error) {
	return AppendInt(dst, int64(*v)), nil
}

func parseSigned[E signed](src []byte, v *E) error {
	d := decoder{src: src}
	i, err := d.signed(bitsOf[E]())
	*v = E(i)
	return finish(&d, err, v)
}

// What there is most of has functions of its own: a generic one is called by way of another.

func appendInt(dst []byte, v *int) ([]byte, error) {
	if *v < 0 {
		return appendNegative(dst, int64(*v)), nil
	}
	return AppendUint(dst, uint64(*v)), nil
}

func parseInt(src []byte, v *int) error {
	if i, size := common(src); size == len(src) && size > 0 && int64(int(i)) == i {
		*v = int(i)
		return nil
	}
	return parseSigned(src, v)
}

func appendUnsigned[E unsigned](dst []byte, v *E) ([]byte, error) {
	return AppendUint(dst, uint64(*v)), nil
}

func parseUnsigned[E unsigned](src []byte, v *E) error {
	d := decoder{src: src}
	u, err := d.unsigned(bitsOf[E]())
	*v = E(u)
	return finish(&d, err, v)
}

func appendBool(dst []byte, v *bool) ([]byte, error) { return AppendBool(dst, *v), nil }

func parseBool(src []byte, v *bool) (err error) {
	d := decoder{src: src}
	*v, err = d.bool()
	return finish(&d, err, v)
}

func appendFloat32(dst []byte, v *float32) ([]byte, error) { return AppendFloat32(dst, *v), nil }

func parseFloat32(src []byte, v *float32) (err error) {
	d := decoder{src: src}
	*v, err = d.float32()
	return finish(&d, err, v)
}

func appendFloat64(dst []byte, v *float64) ([]byte, error) { return AppendFloat64(dst, *v), nil }

func parseFloat64(src []byte, v *float64) (err error) {
	d := decoder{src: src}
	*v, err = d.float64()
	return finish(&d, err, v)
}

func appendString(dst []byte, v *string) ([]byte, error) {
	if err := checkLen(len(*v)); err != nil {
		return dst, located(err, reflect.TypeOf(*v))
	}
	return AppendString(dst, *v), nil
}

func parseString(src []byte, v *string) error {
	d := decoder{src: src}
	b, err := d.text("a string")
	*v = string(b)
	return finish(&d, err, v)
}

func appendBytes(dst []byte, v *[]byte) ([]byte, error) {
	if err := checkLen(len(*v)); err != nil {
		return dst, located(err, reflect.TypeOf(*v))
	}
	return AppendBytes(dst, *v), nil
}

func parseBytes(src []byte, v *[]byte) error {
	d := decoder{src: src}
	b, err := d.text("bytes")
	*v = copyOf(b)
	return finish(&d, err, v)
}

// appendEmpty writes nil: functions without argument or result use struct{}, and
// in other languages nil is what such a function takes and returns.
func appendEmpty(dst []byte, _ *struct{}) ([]byte, error) { return AppendNil(dst), nil }

func parseEmpty(src []byte, v *struct{}) error {
	d := decoder{src: src}
	c, err := d.peek()
	if err == nil && forms[c].class != classMap && c != codeNil {
		err = mismatch("nil", c)
	}
	if err == nil {
		err = d.skip()
	}
	return finish(&d, err, v)
}

func appendTimePtr(dst []byte, v *time.Time) ([]byte, error) { return AppendTime(dst, *v), nil }

func parseTime(src []byte, v *time.Time) (err error) {
	d := decoder{src: src}
	*v, err = d.time()
	return finish(&d, err, v)
}

// finish ends the decoding of a basic value.
func finish[T any](d *decoder, err error, _ *T) error {
	if err == nil && d.pos == len(d.src) {
		return nil
	}
	if err == nil {
		err = ErrTrailing
	}
	return located(err, reflect.TypeFor[T]())
}

// copyOf keeps the difference between nil and empty.
func copyOf(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append(make([]byte, 0, len(b)), b...)
}

// checkLen refuses what no MessagePack header can declare.
func checkLen(n int) error {
	if uint64(n) > math.MaxUint32 {
		return errTooLong
	}
	return nil
}
