package codec

import (
	"reflect"
	"unsafe"
)

// makeFunc sets the slice at p to one of so many zero elements.
type makeFunc func(n *node, p unsafe.Pointer, size int)

// makeFuncs are those that need no reflection, by the kind of the elements: all slices of a kind look alike.
var makeFuncs = [...]makeFunc{
	reflect.Bool:    makeSlice[bool],
	reflect.Int:     makeSlice[int],
	reflect.Int8:    makeSlice[int8],
	reflect.Int16:   makeSlice[int16],
	reflect.Int32:   makeSlice[int32],
	reflect.Int64:   makeSlice[int64],
	reflect.Uint:    makeSlice[uint],
	reflect.Uint16:  makeSlice[uint16],
	reflect.Uint32:  makeSlice[uint32],
	reflect.Uint64:  makeSlice[uint64],
	reflect.Float32: makeSlice[float32],
	reflect.Float64: makeSlice[float64],
	reflect.Map:     makeSlice[map[string]any],
	reflect.Pointer: makeSlice[unsafe.Pointer],
	reflect.String:  makeSlice[string],
}

// makeFuncOf returns the function that makes slices of elements of type t.
func makeFuncOf(t reflect.Type) makeFunc {
	if k := int(t.Kind()); k < len(makeFuncs) && makeFuncs[k] != nil {
		return makeFuncs[k]
	}
	if t == anyType {
		return makeSlice[any]
	}
	return reflectSlice
}

func makeSlice[E any](_ *node, p unsafe.Pointer, size int) { *(*[]E)(p) = make([]E, size) }

func reflectSlice(n *node, p unsafe.Pointer, size int) {
	v := n.value(p)
	if size == 0 {
		v.Set(reflect.MakeSlice(n.typ, 0, 0))
		return
	}
	v.SetZero()
	v.Grow(size) // MakeSlice would allocate a header too
	v.SetLen(size)
}

// sliceAt returns where the elements of the slice at p are, and how many: nil for a nil slice. Whatever its elements
// are, a slice begins like this one.
func sliceAt(p unsafe.Pointer) (data unsafe.Pointer, size int) {
	s := *(*[]struct{})(p)
	return unsafe.Pointer(unsafe.SliceData(s)), len(s)
}

func encodeSlice(n *node, e *encoder, dst []byte, p unsafe.Pointer) ([]byte, error) {
	data, size := sliceAt(p)
	return encodeList(n, e, dst, data, size)
}

func encodeList(n *node, e *encoder, dst []byte, data unsafe.Pointer, size int) ([]byte, error) {
	if data == nil {
		return AppendNil(dst), nil
	}
	if e.deep() && size > 0 {
		if err := e.follow(n, data, size); err != nil {
			return dst, err
		}
		defer e.forget(n, data, size)
	}
	return encodeElements(n, e, dst, data, size)
}

func encodeArray(n *node, e *encoder, dst []byte, p unsafe.Pointer) ([]byte, error) {
	return encodeElements(n, e, dst, p, n.len)
}

func encodeElements(n *node, e *encoder, dst []byte, data unsafe.Pointer, size int) (out []byte, err error) {
	if err := e.enter(n, dst); err != nil {
		return dst, err
	}
	if err := checkLen(size); err != nil {
		return dst, failure(n.typ, err)
	}
	dst = AppendArrayHeader(dst, size)
	elem := n.elem
	for i := range size {
		if dst, err = elem.enc(elem, e, dst, unsafe.Add(data, uintptr(i)*elem.size)); err != nil {
			return dst, within(err, elem.typ, indexStep(i))
		}
	}
	e.leave()
	return dst, nil
}

func decodeSlice(n *node, d *decoder, p unsafe.Pointer) error {
	*(*[]struct{})(p) = nil
	if d.null() {
		return nil
	}
	size, err := d.openArray()
	if err == nil {
		err = d.allow(size, n.elem.size)
	}
	if err != nil {
		return failure(n.typ, err)
	}
	n.make(n, p, size)
	data, _ := sliceAt(p)
	return d.elements(n, data, size)
}

func decodeArray(n *node, d *decoder, p unsafe.Pointer) error {
	n.value(p).SetZero()
	if d.null() {
		return nil
	}
	size, err := d.openArray()
	if err != nil {
		return failure(n.typ, err)
	}
	if size > n.len {
		return failuref(n.typ, "%d elements do not fit", size)
	}
	return d.elements(n, p, size)
}

func (d *decoder) elements(n *node, data unsafe.Pointer, size int) error {
	elem := n.elem
	for i := range size {
		d.item()
		if err := elem.dec(elem, d, unsafe.Add(data, uintptr(i)*elem.size)); err != nil {
			return within(err, elem.typ, indexStep(i))
		}
	}
	d.leave()
	return nil
}
