package codec

import (
	"fmt"
	"math"
	"reflect"
	"time"
	"unsafe"
)

// Interface values: the dynamic type decides how they are written, the bytes
// alone decide what they become again.

func encodeAny(_ *node, e *encoder, dst []byte, p unsafe.Pointer) ([]byte, error) {
	return e.dynamic(dst, *(*any)(p))
}

func encodeInterface(n *node, e *encoder, dst []byte, p unsafe.Pointer) ([]byte, error) {
	return e.dynamic(dst, n.value(p).Interface())
}

// dynamic appends a value of a type that is known only now. The types that
// untyped values decode to are seen at once, others need their plan.
func (e *encoder) dynamic(dst []byte, x any) ([]byte, error) {
	switch x := x.(type) {
	case nil:
		return AppendNil(dst), nil
	case bool:
		return AppendBool(dst, x), nil
	case int:
		return AppendInt(dst, int64(x)), nil
	case int64:
		return AppendInt(dst, x), nil
	case float64:
		return AppendFloat64(dst, x), nil
	case string:
		return putString(e, dst, x)
	case time.Time:
		return AppendTime(dst, x), nil
	}
	positional := e.positional
	e.positional = false // nobody could tell what the elements of an array are
	dst, err := e.planned(dst, x)
	e.positional = positional
	return dst, err
}

// planned appends a value that needs the plan of its type.
func (e *encoder) planned(dst []byte, x any) ([]byte, error) {
	n := nodeOf(reflect.TypeOf(x))
	switch x := x.(type) {
	case []any:
		return encodeList(n, e, dst, unsafe.Pointer(unsafe.SliceData(x)), len(x))
	case map[string]any:
		return encodeNamed(n, e, dst, x, putAny)
	}
	v := reflect.New(n.typ) // what an interface holds has no address, and a method on the pointer must not change it
	v.Elem().Set(reflect.ValueOf(x))
	return n.enc(n, e, dst, v.UnsafePointer())
}

// untyped reads the next value as whatever it is. Its errors carry the path
// inside the value.
func (d *decoder) untyped() (any, error) {
	c, err := d.peek()
	if err != nil {
		return nil, err
	}
	f := forms[c]
	switch f.class {
	case classArray:
		return d.untypedArray(f)
	case classMap:
		return d.untypedMap(f)
	case classInvalid:
		return nil, ErrInvalid
	}
	return d.untypedLeaf(c)
}

func (d *decoder) untypedLeaf(c byte) (any, error) {
	switch kind := kindOf[c]; kind {
	case kindNil:
		d.pos++
		return nil, nil
	case kindBool:
		return d.bool()
	case kindInt, kindFloat:
		x, err := d.number("a number")
		if err != nil {
			return nil, err
		}
		return x.untyped(), nil
	case kindString:
		b, err := d.text("a string")
		if err != nil {
			return nil, err
		}
		return string(b), nil
	case kindBytes:
		b, err := d.text("a string")
		if err != nil {
			return nil, err
		}
		return copyOf(b), nil
	}
	return d.untypedExt()
}

func (x number) untyped() any {
	switch {
	case x.real:
		return x.f
	case x.bits > math.MaxInt64 && !x.neg:
		return x.bits
	}
	return int64(x.bits)
}

func (d *decoder) untypedExt() (any, error) {
	if b, done, err := d.takeBytes(); done {
		return b, err
	}
	id, b, err := d.ext()
	if err != nil {
		return nil, err
	}
	if id == ExtObject && len(b) == RefSize && d.carrier != nil {
		return d.carrier.Object(Ref(b))
	}
	if id != timeExt {
		return nil, fmt.Errorf("extension type %d is not known", id)
	}
	t, err := timeOf(b)
	if err != nil {
		return nil, err
	}
	return t, nil
}

const sizeOfAny = unsafe.Sizeof(any(nil))

// boxed is what the value in an interface takes beside the interface, roughly.
const boxed = 16

func (d *decoder) untypedArray(f form) (any, error) {
	size, err := d.enterForm(f)
	if err != nil {
		return nil, err
	}
	if err := d.allow(size, sizeOfAny+boxed); err != nil {
		return nil, err
	}
	s := make([]any, size)
	for i := range s {
		d.item()
		if s[i], err = d.untyped(); err != nil {
			return nil, within(err, anyType, indexStep(i))
		}
	}
	d.leave()
	return s, nil
}

// untypedMap makes a map[string]any until it meets a key that is no string.
func (d *decoder) untypedMap(f form) (any, error) {
	size, err := d.enterForm(f)
	if err != nil {
		return nil, err
	}
	if err := d.allow(size, 2*(sizeOfAny+boxed)+pairOverhead); err != nil {
		return nil, err
	}
	m := make(map[string]any, size)
	for i := range size {
		c, err := d.peek()
		if err != nil {
			return nil, err
		}
		if kindOf[c] != kindString {
			return d.mixedMap(m, size-i)
		}
		d.item()
		key, err := d.text("a string")
		if err != nil {
			return nil, err
		}
		d.item()
		x, err := d.untyped()
		if err != nil {
			return nil, within(err, anyType, keyStep(reflect.ValueOf(string(key))))
		}
		m[string(key)] = x
	}
	d.leave()
	return m, nil
}

// mixedMap goes on with a map of which some pairs have been read.
func (d *decoder) mixedMap(read map[string]any, left int) (any, error) {
	m := make(map[any]any, len(read)+left)
	for k, x := range read {
		m[k] = x
	}
	for range left {
		d.item()
		key, err := d.untyped()
		if err != nil {
			return nil, within(err, anyType, "[](key)")
		}
		switch key.(type) {
		case []byte, []any, map[string]any, map[any]any:
			return nil, within(fmt.Errorf("%w: %T", errUnhashable, key), anyType, "[](key)")
		}
		d.item()
		if m[key], err = d.untyped(); err != nil {
			return nil, within(err, anyType, keyStep(reflect.ValueOf(&key).Elem()))
		}
	}
	d.leave()
	return m, nil
}
