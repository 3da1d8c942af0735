package codec

import (
	"math"
)

// The append functions write one item in its shortest form. They are the whole
// of the writing half that other packages need for fixed structures.

// AppendNil appends nil.
func AppendNil(dst []byte) []byte { return append(dst, codeNil) }

// AppendBool appends v.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, codeTrue)
	}
	return append(dst, codeFalse)
}

// AppendInt appends v.
func AppendInt(dst []byte, v int64) []byte {
	if v >= 0 {
		return AppendUint(dst, uint64(v))
	}
	return appendNegative(dst, v)
}

func appendNegative(dst []byte, v int64) []byte {
	switch {
	case v >= -32:
		return append(dst, byte(v))
	case v >= math.MinInt8:
		return append(dst, codeInt8, byte(v))
	case v >= math.MinInt16:
		return append(dst, codeInt16, byte(v>>8), byte(v))
	case v >= math.MinInt32:
		return append32(dst, codeInt32, uint32(v))
	}
	return append64(dst, codeInt64, uint64(v))
}

// AppendUint appends v.
func AppendUint(dst []byte, v uint64) []byte {
	switch {
	case v <= math.MaxInt8:
		return append(dst, byte(v))
	case v <= math.MaxUint8:
		return append(dst, codeUint8, byte(v))
	case v <= math.MaxUint16:
		return append(dst, codeUint16, byte(v>>8), byte(v))
	case v <= math.MaxUint32:
		return append32(dst, codeUint32, uint32(v))
	}
	return append64(dst, codeUint64, v)
}

// AppendFloat64 appends v, with every bit of a NaN.
func AppendFloat64(dst []byte, v float64) []byte {
	return append64(dst, codeFloat64, math.Float64bits(v))
}

// AppendFloat32 appends v, with every bit of a NaN.
func AppendFloat32(dst []byte, v float32) []byte {
	return append32(dst, codeFloat32, math.Float32bits(v))
}

// AppendString appends v, which need not be valid UTF-8. Its length must not
// exceed 2^32-1.
func AppendString(dst []byte, v string) []byte {
	return append(AppendStringHeader(dst, len(v)), v...)
}

// AppendBytes appends v, nil as nil. Its length must not exceed 2^32-1.
func AppendBytes(dst []byte, v []byte) []byte {
	if v == nil {
		return AppendNil(dst)
	}
	return append(AppendBytesHeader(dst, len(v)), v...)
}

// AppendStringHeader appends what stands before a string of n bytes.
func AppendStringHeader(dst []byte, n int) []byte {
	switch {
	case n < 32:
		return append(dst, codeFixStr|byte(n))
	case n <= math.MaxUint8:
		return append(dst, codeStr8, byte(n))
	case n <= math.MaxUint16:
		return append(dst, codeStr16, byte(n>>8), byte(n))
	}
	return append32(dst, codeStr32, uint32(n))
}

// AppendBytesHeader appends what stands before n bytes of binary data.
func AppendBytesHeader(dst []byte, n int) []byte {
	switch {
	case n <= math.MaxUint8:
		return append(dst, codeBin8, byte(n))
	case n <= math.MaxUint16:
		return append(dst, codeBin16, byte(n>>8), byte(n))
	}
	return append32(dst, codeBin32, uint32(n))
}

// AppendArrayHeader appends what stands before the n elements of an array.
func AppendArrayHeader(dst []byte, n int) []byte {
	switch {
	case n < 16:
		return append(dst, codeFixArray|byte(n))
	case n <= math.MaxUint16:
		return append(dst, codeArray16, byte(n>>8), byte(n))
	}
	return append32(dst, codeArray32, uint32(n))
}

// AppendMapHeader appends what stands before the n pairs of a map.
func AppendMapHeader(dst []byte, n int) []byte {
	switch {
	case n < 16:
		return append(dst, codeFixMap|byte(n))
	case n <= math.MaxUint16:
		return append(dst, codeMap16, byte(n>>8), byte(n))
	}
	return append32(dst, codeMap32, uint32(n))
}

func append32(dst []byte, code byte, v uint32) []byte {
	return append(dst, code, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

func append64(dst []byte, code byte, v uint64) []byte {
	return append(dst, code, byte(v>>56), byte(v>>48), byte(v>>40), byte(v>>32),
		byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}
