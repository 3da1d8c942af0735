package codec

import (
	"errors"
	"reflect"
	"strconv"
	"unsafe"
)

func encodeBool(_ *node, _ *encoder, dst []byte, p unsafe.Pointer) ([]byte, error) {
	return AppendBool(dst, *(*bool)(p)), nil
}

func encodeSigned[E signed](_ *node, _ *encoder, dst []byte, p unsafe.Pointer) ([]byte, error) {
	return AppendInt(dst, int64(*(*E)(p))), nil
}

func encodeUnsigned[E unsigned](_ *node, _ *encoder, dst []byte, p unsafe.Pointer) ([]byte, error) {
	return AppendUint(dst, uint64(*(*E)(p))), nil
}

func encodeFloat32(_ *node, _ *encoder, dst []byte, p unsafe.Pointer) ([]byte, error) {
	return AppendFloat32(dst, *(*float32)(p)), nil
}

func encodeFloat64(_ *node, _ *encoder, dst []byte, p unsafe.Pointer) ([]byte, error) {
	return AppendFloat64(dst, *(*float64)(p)), nil
}

func encodeString(n *node, _ *encoder, dst []byte, p unsafe.Pointer) ([]byte, error) {
	s := *(*string)(p)
	if len(s) < 32 {
		return append(append(dst, codeFixStr|byte(len(s))), s...), nil
	}
	if err := checkLen(len(s)); err != nil {
		return dst, failure(n.typ, err)
	}
	return AppendString(dst, s), nil
}

func encodeByteSlice(n *node, e *encoder, dst []byte, p unsafe.Pointer) ([]byte, error) {
	b := *(*[]byte)(p)
	if dst, done, err := e.putBytes(dst, b); done || err != nil {
		return dst, failed(n.typ, err)
	}
	if err := checkLen(len(b)); err != nil {
		return dst, failure(n.typ, err)
	}
	return AppendBytes(dst, b), nil
}

func encodeByteArray(n *node, _ *encoder, dst []byte, p unsafe.Pointer) ([]byte, error) {
	if err := checkLen(n.len); err != nil {
		return dst, failure(n.typ, err)
	}
	return append(AppendBytesHeader(dst, n.len), unsafe.Slice((*byte)(p), n.len)...), nil
}

var (
	errUnsupported = errors.New("values of this type do not travel")
	errNoDecode    = errors.New("values of this type cannot be decoded")
)

func encodeUnsupported(n *node, _ *encoder, dst []byte, _ unsafe.Pointer) ([]byte, error) {
	return dst, failure(n.typ, errUnsupported)
}

// encodeError writes a value of static type error as its text.
func encodeError(n *node, _ *encoder, dst []byte, p unsafe.Pointer) ([]byte, error) {
	err := *(*error)(p)
	if err == nil {
		return AppendNil(dst), nil
	}
	s := err.Error()
	if err := checkLen(len(s)); err != nil {
		return dst, failure(n.typ, err)
	}
	return AppendString(dst, s), nil
}

func encodePointer(n *node, e *encoder, dst []byte, p unsafe.Pointer) (out []byte, err error) {
	target := *(*unsafe.Pointer)(p)
	if target == nil {
		return AppendNil(dst), nil
	}
	if err := e.hop(n); err != nil {
		return dst, err
	}
	if e.deep() {
		if err := e.follow(n, target, 0); err != nil {
			return dst, err
		}
		defer e.forget(n, target, 0)
	}
	dst, err = n.elem.enc(n.elem, e, dst, target)
	e.land()
	return dst, err
}

func indexStep(i int) string { return "[" + strconv.Itoa(i) + "]" }

func encodeMap(n *node, e *encoder, dst []byte, p unsafe.Pointer) (out []byte, err error) {
	v := n.value(p)
	if v.IsNil() {
		return AppendNil(dst), nil
	}
	if e.deep() {
		m := v.UnsafePointer()
		if err := e.follow(n, m, 0); err != nil {
			return dst, err
		}
		defer e.forget(n, m, 0)
	}
	if err := e.enter(n, dst); err != nil {
		return dst, err
	}
	if err := checkLen(v.Len()); err != nil {
		return dst, failure(n.typ, err)
	}
	dst = AppendMapHeader(dst, v.Len())
	if dst, err = e.pairs(n, dst, v); err != nil {
		return dst, err
	}
	e.leave()
	return dst, nil
}

// pairs goes through a map with one key and one element that are used again for
// every pair.
func (e *encoder) pairs(n *node, dst []byte, v reflect.Value) (out []byte, err error) {
	if v.Len() == 0 {
		return dst, nil
	}
	keyAt, elemAt := reflect.New(n.key.typ), reflect.New(n.elem.typ)
	key, elem := keyAt.Elem(), elemAt.Elem()
	for it := v.MapRange(); it.Next(); {
		key.SetIterKey(it)
		if dst, err = n.key.enc(n.key, e, dst, keyAt.UnsafePointer()); err != nil {
			return dst, within(err, n.key.typ, keyStep(key)+"(key)")
		}
		elem.SetIterValue(it)
		if dst, err = n.elem.enc(n.elem, e, dst, elemAt.UnsafePointer()); err != nil {
			return dst, within(err, n.elem.typ, keyStep(key))
		}
	}
	return dst, nil
}

const longKey = 64

// keyStep names a map's element by its key, if that is short and printing it
// calls nothing of the user's.
func keyStep(key reflect.Value) string {
	for key.Kind() == reflect.Interface && !key.IsNil() {
		key = key.Elem()
	}
	switch {
	case key.Kind() == reflect.String && key.Len() <= longKey:
		return "[" + strconv.Quote(key.String()) + "]"
	case key.CanInt():
		return "[" + strconv.FormatInt(key.Int(), 10) + "]"
	case key.CanUint():
		return "[" + strconv.FormatUint(key.Uint(), 10) + "]"
	case key.Kind() == reflect.Bool:
		return "[" + strconv.FormatBool(key.Bool()) + "]"
	}
	return "[" + key.Kind().String() + "]"
}
