package codec

import (
	"reflect"
	"unsafe"
)

// Maps from strings to basic types are so common that they have functions of their own, which need no reflection.

// namedFuncs returns them for t, if it has them.
func namedFuncs(t reflect.Type) (enc encodeFunc, dec decodeFunc, ok bool) {
	switch t {
	case reflect.TypeFor[map[string]int]():
		enc, dec = named(putSigned[int], getSigned[int])
	case reflect.TypeFor[map[string]int64]():
		enc, dec = named(putSigned[int64], getSigned[int64])
	case reflect.TypeFor[map[string]float64]():
		enc, dec = named(putFloat64, (*decoder).float64)
	case reflect.TypeFor[map[string]string]():
		enc, dec = named(putString, getString)
	case reflect.TypeFor[map[string]bool]():
		enc, dec = named(putBool, (*decoder).bool)
	case reflect.TypeFor[map[string]any]():
		enc, dec = named(putAny, (*decoder).untyped)
	}
	return enc, dec, enc != nil
}

type (
	putFunc[E any] = func(*encoder, []byte, E) ([]byte, error)
	getFunc[E any] = func(*decoder) (E, error)
)

func putSigned[E signed](_ *encoder, dst []byte, v E) ([]byte, error) {
	return AppendInt(dst, int64(v)), nil
}

func getSigned[E signed](d *decoder) (E, error) {
	i, err := d.signed(bitsOf[E]())
	return E(i), err
}

func putFloat64(_ *encoder, dst []byte, v float64) ([]byte, error) {
	return AppendFloat64(dst, v), nil
}

func putBool(_ *encoder, dst []byte, v bool) ([]byte, error) { return AppendBool(dst, v), nil }

func putString(_ *encoder, dst []byte, v string) ([]byte, error) {
	if err := checkLen(len(v)); err != nil {
		return dst, err
	}
	return AppendString(dst, v), nil
}

func getString(d *decoder) (string, error) {
	b, err := d.text("a string")
	return d.keep(b), err
}

func putAny(e *encoder, dst []byte, v any) ([]byte, error) { return e.dynamic(dst, v) }

func named[E any](put putFunc[E], get getFunc[E]) (encodeFunc, decodeFunc) {
	enc := func(n *node, e *encoder, dst []byte, p unsafe.Pointer) ([]byte, error) {
		return encodeNamed(n, e, dst, *(*map[string]E)(p), put)
	}
	dec := func(n *node, d *decoder, p unsafe.Pointer) error { return decodeNamed(n, d, (*map[string]E)(p), get) }
	return enc, dec
}

func encodeNamed[E any](n *node, e *encoder, dst []byte, m map[string]E, put putFunc[E]) (out []byte, err error) {
	if m == nil {
		return AppendNil(dst), nil
	}
	if e.deep() { // a map[string]any can hold itself
		p := reflect.ValueOf(m).UnsafePointer()
		if err := e.follow(n, p, 0); err != nil {
			return dst, err
		}
		defer e.forget(n, p, 0)
	}
	if err := e.enter(n, dst); err != nil {
		return dst, err
	}
	dst = AppendMapHeader(dst, len(m))
	for k, x := range m {
		if dst, err = putString(e, dst, k); err != nil {
			return dst, within(err, n.typ.Key(), "[](key)")
		}
		if dst, err = put(e, dst, x); err != nil {
			return dst, within(err, n.typ.Elem(), keyStep(reflect.ValueOf(k)))
		}
	}
	e.leave()
	return dst, nil
}

func decodeNamed[E any](n *node, d *decoder, p *map[string]E, get getFunc[E]) error {
	*p = nil
	if d.null() {
		return nil
	}
	size, err := d.openMap()
	if err == nil {
		err = d.allow(size, n.typ.Key().Size()+n.typ.Elem().Size()+pairOverhead)
	}
	if err != nil {
		return failure(n.typ, err)
	}
	m := make(map[string]E, size)
	*p = m
	for i := range size {
		d.item()
		k, err := d.text("a string")
		if err != nil {
			return within(err, n.typ.Key(), indexStep(i)+"(key)")
		}
		d.item()
		x, err := get(d)
		if err != nil {
			return within(err, n.typ.Elem(), keyStep(reflect.ValueOf(string(k))))
		}
		m[d.keep(k)] = x
	}
	d.leave()
	return nil
}
