package codec

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
)

func decodeBool(n *node, d *decoder, v reflect.Value) error {
	b, err := d.bool()
	if err != nil {
		return failure(n.typ, err)
	}
	v.SetBool(b)
	return nil
}

func decodeInt(n *node, d *decoder, v reflect.Value) error {
	i, err := d.signed(n.bits)
	if err != nil {
		return failure(n.typ, err)
	}
	v.SetInt(i)
	return nil
}

func decodeUint(n *node, d *decoder, v reflect.Value) error {
	u, err := d.unsigned(n.bits)
	if err != nil {
		return failure(n.typ, err)
	}
	v.SetUint(u)
	return nil
}

func decodeFloat32(n *node, d *decoder, v reflect.Value) error {
	f, err := d.float32()
	if err != nil {
		return failure(n.typ, err)
	}
	v.SetFloat(float64(f))
	return nil
}

func decodeFloat64(n *node, d *decoder, v reflect.Value) error {
	f, err := d.float64()
	if err != nil {
		return failure(n.typ, err)
	}
	v.SetFloat(f)
	return nil
}

func decodeString(n *node, d *decoder, v reflect.Value) error {
	b, err := d.text("a string")
	if err != nil {
		return failure(n.typ, err)
	}
	v.SetString(string(b))
	return nil
}

func decodeByteSlice(n *node, d *decoder, v reflect.Value) error {
	if b, done, err := d.takeBytes(); done {
		v.SetBytes(b)
		return failed(n.typ, err)
	}
	b, err := d.text("bytes")
	if err != nil {
		return failure(n.typ, err)
	}
	v.SetBytes(copyOf(b))
	return nil
}

func decodeByteArray(n *node, d *decoder, v reflect.Value) error {
	b, err := d.text("bytes")
	if err != nil {
		return failure(n.typ, err)
	}
	if len(b) > v.Len() {
		return failuref(n.typ, "%d bytes do not fit", len(b))
	}
	v.SetZero()
	copy(v.Bytes(), b)
	return nil
}

func decodeUnsupported(n *node, _ *decoder, _ reflect.Value) error {
	return failure(n.typ, errNoDecode)
}

func decodePointer(n *node, d *decoder, v reflect.Value) error {
	if d.null() {
		v.SetZero()
		return nil
	}
	if d.hops == maxHops { // type P *P
		return failure(n.typ, ErrTooDeep)
	}
	if err := d.allow(1, n.elem.size); err != nil {
		return failure(n.typ, err)
	}
	p := reflect.New(n.elem.typ)
	d.hops++
	if err := n.elem.dec(n.elem, d, p.Elem()); err != nil {
		return err
	}
	d.hops--
	if p.Type() != n.typ {
		p = p.Convert(n.typ)
	}
	v.Set(p)
	return nil
}

func decodeSlice(n *node, d *decoder, v reflect.Value) error {
	v.SetZero()
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
	if size == 0 {
		v.Set(reflect.MakeSlice(n.typ, 0, 0))
	} else {
		v.Grow(size) // MakeSlice would allocate a header too
		v.SetLen(size)
	}
	return d.elements(n, v, size)
}

func decodeArray(n *node, d *decoder, v reflect.Value) error {
	v.SetZero()
	if d.null() {
		return nil
	}
	size, err := d.openArray()
	if err != nil {
		return failure(n.typ, err)
	}
	if size > v.Len() {
		return failuref(n.typ, "%d elements do not fit", size)
	}
	return d.elements(n, v, size)
}

func (d *decoder) elements(n *node, v reflect.Value, size int) error {
	for i := range size {
		d.item()
		if err := n.elem.dec(n.elem, d, v.Index(i)); err != nil {
			return within(err, n.elem.typ, indexStep(i))
		}
	}
	d.leave()
	return nil
}

// pairOverhead is what a map needs for a pair beside key and element, roughly.
const pairOverhead = 16

func decodeMap(n *node, d *decoder, v reflect.Value) error {
	if d.null() {
		v.SetZero()
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
	v.Set(m)
	if size > 0 {
		return d.pairs(n, m, size)
	}
	d.leave()
	return nil
}

var errUnhashable = errors.New("map key is not hashable")

func (d *decoder) pairs(n *node, m reflect.Value, size int) error {
	key, elem := reflect.New(n.key.typ).Elem(), reflect.New(n.elem.typ).Elem()
	for i := range size {
		if i > 0 {
			key.SetZero()
			elem.SetZero()
		}
		d.item()
		if err := n.key.dec(n.key, d, key); err != nil {
			return within(err, n.key.typ, indexStep(i)+"(key)")
		}
		if n.dynamicKey && !key.Comparable() {
			return within(failure(n.key.typ, errUnhashable), n.typ, indexStep(i)+"(key)")
		}
		d.item()
		if err := n.elem.dec(n.elem, d, elem); err != nil {
			return within(err, n.elem.typ, keyStep(key))
		}
		m.SetMapIndex(key, elem)
	}
	d.leave()
	return nil
}

func decodeStruct(n *node, d *decoder, v reflect.Value) error {
	if n.fields.err != nil {
		return failure(n.typ, n.fields.err)
	}
	c, err := d.peek()
	if err != nil {
		return failure(n.typ, err)
	}
	f := forms[c]
	if c == codeNil {
		d.pos++
		v.SetZero()
		return nil
	}
	if f.class != classMap && f.class != classArray {
		return failure(n.typ, mismatch("a map", c))
	}
	size, err := d.enterForm(f)
	if err != nil {
		return failure(n.typ, err)
	}
	if f.class == classMap {
		err = d.named(n, v, size)
	} else {
		err = d.positions(n, v, size)
	}
	d.leave()
	return err
}

// named decodes a struct from a map. Fields mostly arrive in their order, so the
// next one is tried before the name is looked up.
func (d *decoder) named(n *node, v reflect.Value, size int) error {
	fs, next := n.fields, 0
	for range size {
		d.item()
		var f *field
		if next < len(fs.named) && bytes.HasPrefix(d.src[d.pos:], fs.named[next].head) {
			f = fs.named[next]
			d.pos += len(f.head)
			next++
		} else {
			name, err := d.text("a string")
			if err != nil {
				return failuref(n.typ, "name of a field: %w", err)
			}
			f = fs.byName[string(name)]
			next = fs.after(f, next)
		}
		d.item()
		if err := d.field(n, f, v); err != nil {
			return err
		}
	}
	return nil
}

// after guesses the field that follows f.
func (fs *fields) after(f *field, next int) int {
	for i := next; i < len(fs.named) && f != nil; i++ {
		if fs.named[i] == f {
			return i + 1
		}
	}
	return next
}

// field decodes one field, or skips what no field is named for.
func (d *decoder) field(n *node, f *field, v reflect.Value) error {
	if f == nil {
		if err := d.skip(); err != nil {
			return failuref(n.typ, "unknown field: %w", err)
		}
		return nil
	}
	fv, err := f.reach(v)
	if err != nil {
		return failure(n.typ, err)
	}
	if err := f.node.dec(f.node, d, fv); err != nil {
		return within(err, f.node.typ, "."+f.goName)
	}
	return nil
}

// positions decodes a struct from an array.
func (d *decoder) positions(n *node, v reflect.Value, size int) error {
	fs := n.fields
	if size == 0 {
		v.SetZero()
		return nil
	}
	if size != len(fs.list) {
		return failuref(n.typ, "%d elements for %d fields", size, len(fs.list))
	}
	for _, f := range fs.list {
		d.item()
		if f.at < 0 && d.null() {
			continue // an embedded struct that is not there stays so
		}
		if err := d.field(n, f, v); err != nil {
			return err
		}
	}
	return nil
}

func decodeInterface(n *node, d *decoder, v reflect.Value) error {
	x, err := d.untyped()
	if err != nil {
		return failure(n.typ, err)
	}
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
