package codec

import (
	"reflect"
	"sync"
	"unsafe"
)

// Slices of basic types and maps from strings are so common that they have
// functions of their own, which work on the slice or map itself.

// listFuncs returns them for t, if it has them.
func listFuncs(t reflect.Type) (encodeFunc, decodeFunc, bool) {
	f, ok := lists()[t]
	return f.enc, f.dec, ok
}

type funcs struct {
	enc encodeFunc
	dec decodeFunc
}

// lists is made when it is first asked for: the start of a worker does not wait for it. It is set by init, since as an initial value it would
// depend on itself.
var lists func() map[reflect.Type]funcs

func init() { lists = sync.OnceValue(makeLists) }

func makeLists() map[reflect.Type]funcs {
	all := make(map[reflect.Type]funcs, 16)
	addSlice(all, putSigned[int], getSigned[int])
	addSlice(all, putSigned[int64], getSigned[int64])
	addSlice(all, putSigned[int32], getSigned[int32])
	addSlice(all, putUnsigned[uint64], getUnsigned[uint64])
	addSlice(all, putUnsigned[uint32], getUnsigned[uint32])
	addSlice(all, putFloat64, (*decoder).float64)
	addSlice(all, putFloat32, (*decoder).float32)
	addSlice(all, putString, getString)
	addSlice(all, putBool, (*decoder).bool)
	addSlice(all, putAny, (*decoder).untyped)
	addMap(all, putSigned[int], getSigned[int])
	addMap(all, putSigned[int64], getSigned[int64])
	addMap(all, putFloat64, (*decoder).float64)
	addMap(all, putString, getString)
	addMap(all, putBool, (*decoder).bool)
	addMap(all, putAny, (*decoder).untyped)
	return all
}

type (
	putFunc[E any] = func(*encoder, E) error
	getFunc[E any] = func(*decoder) (E, error)
)

func putSigned[E signed](e *encoder, v E) error {
	e.dst = AppendInt(e.dst, int64(v))
	return nil
}

func getSigned[E signed](d *decoder) (E, error) {
	i, err := d.signed(bitsOf[E]())
	return E(i), err
}

func putUnsigned[E unsigned](e *encoder, v E) error {
	e.dst = AppendUint(e.dst, uint64(v))
	return nil
}

func getUnsigned[E unsigned](d *decoder) (E, error) {
	u, err := d.unsigned(bitsOf[E]())
	return E(u), err
}

func putFloat64(e *encoder, v float64) error {
	e.dst = AppendFloat64(e.dst, v)
	return nil
}

func putFloat32(e *encoder, v float32) error {
	e.dst = AppendFloat32(e.dst, v)
	return nil
}

func putBool(e *encoder, v bool) error {
	e.dst = AppendBool(e.dst, v)
	return nil
}

func putString(e *encoder, v string) error {
	if err := checkLen(len(v)); err != nil {
		return err
	}
	e.dst = AppendString(e.dst, v)
	return nil
}

func getString(d *decoder) (string, error) {
	b, err := d.text("a string")
	return string(b), err
}

func putAny(e *encoder, v any) error { return e.dynamic(v) }

func addSlice[E any](all map[reflect.Type]funcs, put putFunc[E], get getFunc[E]) {
	all[reflect.TypeFor[[]E]()] = funcs{
		enc: func(n *node, e *encoder, v reflect.Value) error { return encodeList(n, e, sliceIn[E](v), put) },
		dec: func(n *node, d *decoder, v reflect.Value) error {
			return decodeList(n, d, v.Addr().Interface().(*[]E), get)
		},
	}
}

// sliceIn returns the slice in v, without allocating if v has an address.
func sliceIn[E any](v reflect.Value) []E {
	if v.CanAddr() {
		return *v.Addr().Interface().(*[]E)
	}
	return v.Interface().([]E)
}

func encodeList[E any](n *node, e *encoder, s []E, put putFunc[E]) error {
	if s == nil {
		e.dst = AppendNil(e.dst)
		return nil
	}
	if err := checkLen(len(s)); err != nil {
		return failure(n.typ, err)
	}
	if e.deep() && len(s) > 0 { // a []any can hold itself
		p := unsafe.Pointer(unsafe.SliceData(s))
		if err := e.follow(n, p, len(s)); err != nil {
			return err
		}
		defer e.forget(n, p, len(s))
	}
	if err := e.enter(n); err != nil {
		return err
	}
	e.dst = AppendArrayHeader(e.dst, len(s))
	for i, x := range s {
		if err := put(e, x); err != nil {
			return within(err, n.typ.Elem(), indexStep(i))
		}
	}
	e.leave()
	return nil
}

func decodeList[E any](n *node, d *decoder, p *[]E, get getFunc[E]) error {
	*p = nil
	if d.null() {
		return nil
	}
	size, err := d.openArray()
	if err == nil {
		err = d.allow(size, n.typ.Elem().Size())
	}
	if err != nil {
		return failure(n.typ, err)
	}
	s := make([]E, size)
	*p = s
	for i := range s {
		d.item()
		if s[i], err = get(d); err != nil {
			return within(err, n.typ.Elem(), indexStep(i))
		}
	}
	d.leave()
	return nil
}

func addMap[E any](all map[reflect.Type]funcs, put putFunc[E], get getFunc[E]) {
	all[reflect.TypeFor[map[string]E]()] = funcs{
		enc: func(n *node, e *encoder, v reflect.Value) error {
			return encodeNamed(n, e, v.Interface().(map[string]E), put)
		},
		dec: func(n *node, d *decoder, v reflect.Value) error {
			return decodeNamed(n, d, v.Addr().Interface().(*map[string]E), get)
		},
	}
}

func encodeNamed[E any](n *node, e *encoder, m map[string]E, put putFunc[E]) error {
	if m == nil {
		e.dst = AppendNil(e.dst)
		return nil
	}
	if e.deep() { // a map[string]any can hold itself
		p := reflect.ValueOf(m).UnsafePointer()
		if err := e.follow(n, p, 0); err != nil {
			return err
		}
		defer e.forget(n, p, 0)
	}
	if err := e.enter(n); err != nil {
		return err
	}
	e.dst = AppendMapHeader(e.dst, len(m))
	for k, x := range m {
		if err := putString(e, k); err != nil {
			return within(err, n.typ.Key(), "[](key)")
		}
		if err := put(e, x); err != nil {
			return within(err, n.typ.Elem(), keyStep(reflect.ValueOf(k)))
		}
	}
	e.leave()
	return nil
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
		m[string(k)] = x
	}
	d.leave()
	return nil
}
