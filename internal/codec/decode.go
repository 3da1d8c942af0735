package codec

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"
)

func decodeBool(n *node, d *decoder, p unsafe.Pointer) error {
	b, err := d.bool()
	if err != nil {
		return failure(n.typ, err)
	}
	*(*bool)(p) = b
	return nil
}

func decodeSigned[E signed](n *node, d *decoder, p unsafe.Pointer) error {
	i, err := d.signed(bitsOf[E]())
	if err != nil {
		return failure(n.typ, err)
	}
	*(*E)(p) = E(i)
	return nil
}

func decodeUnsigned[E unsigned](n *node, d *decoder, p unsafe.Pointer) error {
	u, err := d.unsigned(bitsOf[E]())
	if err != nil {
		return failure(n.typ, err)
	}
	*(*E)(p) = E(u)
	return nil
}

func decodeFloat32(n *node, d *decoder, p unsafe.Pointer) error {
	f, err := d.float32()
	if err != nil {
		return failure(n.typ, err)
	}
	*(*float32)(p) = f
	return nil
}

func decodeFloat64(n *node, d *decoder, p unsafe.Pointer) error {
	f, err := d.float64()
	if err != nil {
		return failure(n.typ, err)
	}
	*(*float64)(p) = f
	return nil
}

func decodeString(n *node, d *decoder, p unsafe.Pointer) error {
	if b := d.shortText(); b != nil {
		*(*string)(p) = d.keep(b)
		return nil
	}
	b, err := d.text("a string")
	if err != nil {
		return failure(n.typ, err)
	}
	*(*string)(p) = d.keep(b)
	return nil
}

func decodeByteSlice(n *node, d *decoder, p unsafe.Pointer) error {
	if b, done, err := d.takeBytes(); done {
		*(*[]byte)(p) = b
		return failed(n.typ, err)
	}
	b, err := d.text("bytes")
	if err != nil {
		return failure(n.typ, err)
	}
	*(*[]byte)(p) = copyOf(b)
	return nil
}

func decodeByteArray(n *node, d *decoder, p unsafe.Pointer) error {
	b, err := d.text("bytes")
	if err != nil {
		return failure(n.typ, err)
	}
	if len(b) > n.len {
		return failuref(n.typ, "%d bytes do not fit", len(b))
	}
	array := unsafe.Slice((*byte)(p), n.len)
	clear(array[copy(array, b):])
	return nil
}

func decodeUnsupported(n *node, _ *decoder, _ unsafe.Pointer) error {
	return failure(n.typ, errNoDecode)
}

func decodePointer(n *node, d *decoder, p unsafe.Pointer) error {
	if d.null() {
		*(*unsafe.Pointer)(p) = nil
		return nil
	}
	if d.hops == maxHops { // type P *P
		return failure(n.typ, ErrTooDeep)
	}
	if err := d.allow(1, n.elem.size); err != nil {
		return failure(n.typ, err)
	}
	target := reflect.New(n.elem.typ).UnsafePointer()
	d.hops++
	if err := n.elem.dec(n.elem, d, target); err != nil {
		return err
	}
	d.hops--
	*(*unsafe.Pointer)(p) = target
	return nil
}

// pairOverhead is what a map needs for a pair beside key and element, roughly.
const pairOverhead = 16

func decodeMap(n *node, d *decoder, p unsafe.Pointer) error {
	if d.null() {
		*(*unsafe.Pointer)(p) = nil
		return nil
	}
	size, err := d.openMap()
	if err == nil {
		err = d.allow(size, n.key.size+n.elem.size+pairOverhead)
	}
	if err != nil {
		return failure(n.typ, err)
	}
	m := reflect.MakeMapWithSize(n.typ, size)
	*(*unsafe.Pointer)(p) = m.UnsafePointer() // a map is one
	if size > 0 {
		return d.pairs(n, m, size)
	}
	d.leave()
	return nil
}

var errUnhashable = errors.New("map key is not hashable")

func (d *decoder) pairs(n *node, m reflect.Value, size int) error {
	keyAt, elemAt := reflect.New(n.key.typ), reflect.New(n.elem.typ)
	key, elem := keyAt.Elem(), elemAt.Elem()
	for i := range size {
		if i > 0 {
			key.SetZero()
			elem.SetZero()
		}
		d.item()
		if err := n.key.dec(n.key, d, keyAt.UnsafePointer()); err != nil {
			return within(err, n.key.typ, indexStep(i)+"(key)")
		}
		if n.dynamicKey && !key.Comparable() {
			return within(failure(n.key.typ, errUnhashable), n.typ, indexStep(i)+"(key)")
		}
		d.item()
		if err := n.elem.dec(n.elem, d, elemAt.UnsafePointer()); err != nil {
			return within(err, n.elem.typ, keyStep(key))
		}
		m.SetMapIndex(key, elem)
	}
	d.leave()
	return nil
}

func decodeInterface(n *node, d *decoder, p unsafe.Pointer) error {
	x, err := d.untyped()
	if err != nil {
		return failure(n.typ, err)
	}
	if n.typ.NumMethod() == 0 {
		*(*any)(p) = x
		return nil
	}
	v := n.value(p)
	if x == nil {
		v.SetZero()
		return nil
	}
	if s, ok := x.(string); ok && n.typ == errorType {
		x = errors.New(s)
	}
	xv := reflect.ValueOf(x)
	if !xv.Type().AssignableTo(n.typ) {
		return failure(n.typ, fmt.Errorf("%s does not implement it", xv.Type()))
	}
	v.Set(xv)
	return nil
}
