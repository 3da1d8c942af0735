package codec

import (
	"bytes"
	"reflect"
	"unsafe"
)

func encodeStruct(n *node, e *encoder, dst []byte, p unsafe.Pointer) (out []byte, err error) {
	fs := n.fields
	if fs.err != nil {
		return dst, failure(n.typ, fs.err)
	}
	if err := e.enter(n, dst); err != nil {
		return dst, err
	}
	switch {
	case fs.asArray || e.positional && fs.positional:
		dst, err = e.positions(fs, dst, p)
	case fs.head != nil:
		dst, err = e.allFields(fs, dst, p)
	default:
		dst, err = e.presentFields(fs, dst, p)
	}
	e.leave()
	return dst, err
}

// positions writes the fields as the elements of an array. What a map would leave out is nil there, which decodes as
// the zero value too.
func (e *encoder) positions(fs *fields, dst []byte, p unsafe.Pointer) (out []byte, err error) {
	dst = AppendArrayHeader(dst, len(fs.list))
	for _, f := range fs.list {
		at := unsafe.Add(p, f.offset)
		if f.omitEmpty || len(f.hops) > 0 {
			var ok bool
			if at, ok = f.get(p); !ok || f.omitEmpty && !fs.asArray && f.isEmpty(at) {
				dst = AppendNil(dst)
				continue
			}
		}
		if dst, err = f.node.enc(f.node, e, dst, at); err != nil {
			return dst, within(err, f.node.typ, "."+f.goName)
		}
	}
	return dst, nil
}

func (e *encoder) allFields(fs *fields, dst []byte, p unsafe.Pointer) (out []byte, err error) {
	dst = append(dst, fs.head...)
	for _, f := range fs.named {
		if dst, err = e.field(f, dst, unsafe.Add(p, f.offset)); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func (e *encoder) field(f *field, dst []byte, at unsafe.Pointer) ([]byte, error) {
	dst, err := f.node.enc(f.node, e, append(dst, f.head...), at)
	if err != nil {
		return dst, within(err, f.node.typ, "."+f.goName)
	}
	return dst, nil
}

// presentFields leaves out what is empty and may be omitted, and what is in an
// embedded struct that is not there. IsZero may be the user's and is asked once:
// so the fields are counted while they are written, and the header is completed
// afterwards.
func (e *encoder) presentFields(fs *fields, dst []byte, p unsafe.Pointer) (out []byte, err error) {
	start, present := len(dst), 0
	dst = AppendMapHeader(dst, len(fs.named))
	body := len(dst)
	for _, f := range fs.named {
		at, ok := f.get(p)
		if !ok || f.omitEmpty && f.isEmpty(at) {
			continue
		}
		present++
		if dst, err = e.field(f, dst, at); err != nil {
			return dst, err
		}
	}
	if head := AppendMapHeader(dst[:start], present); len(head) < body {
		dst = append(head, dst[body:]...) // moves the fields down
	}
	return dst, nil
}

// isEmpty reports whether the field at this address may be omitted for what it holds.
func (f *field) isEmpty(at unsafe.Pointer) bool { return isEmpty(f.node.value(at)) }

func decodeStruct(n *node, d *decoder, p unsafe.Pointer) error {
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
		n.value(p).SetZero()
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
		err = d.named(n, p, size)
	} else {
		err = d.positions(n, p, size)
	}
	d.leave()
	return err
}

// named decodes a struct from a map. Fields mostly arrive in their order, so the
// next one is tried before the name is looked up.
func (d *decoder) named(n *node, p unsafe.Pointer, size int) error {
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
		if err := d.field(n, f, p); err != nil {
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
func (d *decoder) field(n *node, f *field, p unsafe.Pointer) error {
	if f == nil {
		if err := d.skip(); err != nil {
			return failuref(n.typ, "unknown field: %w", err)
		}
		return nil
	}
	at, present := f.get(p)
	if !present {
		var err error
		if at, err = f.reach(p); err != nil {
			return failure(n.typ, err)
		}
	}
	if err := f.node.dec(f.node, d, at); err != nil {
		return within(err, f.node.typ, "."+f.goName)
	}
	return nil
}

// positions decodes a struct from an array.
func (d *decoder) positions(n *node, p unsafe.Pointer, size int) error {
	fs := n.fields
	if size == 0 {
		n.value(p).SetZero()
		return nil
	}
	if size != len(fs.list) {
		return failuref(n.typ, "%d elements for %d fields", size, len(fs.list))
	}
	for _, f := range fs.list {
		d.item()
		if f.inlined && d.null() {
			continue // an embedded struct that is not there stays so
		}
		if len(f.hops) > 0 {
			if err := d.field(n, f, p); err != nil {
				return err
			}
			continue
		}
		if err := f.node.dec(f.node, d, unsafe.Add(p, f.offset)); err != nil {
			return within(err, f.node.typ, "."+f.goName)
		}
	}
	return nil
}

// isEmpty decides about omitempty in the way msgpack/v5 does.
func isEmpty(v reflect.Value) bool {
	for v.Kind() == reflect.Interface {
		if v.IsNil() {
			return true
		}
		v = v.Elem()
	}
	if z, ok := reflect.TypeAssert[interface{ IsZero() bool }](v); ok {
		return nilable(v.Kind()) && v.IsNil() || z.IsZero()
	}
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return allOmitted(nodeOf(v.Type()), v)
	case reflect.Pointer:
		return v.IsNil()
	case reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128:
		return false
	}
	return v.IsZero()
}

// allOmitted reports whether nothing of a struct would be written. A struct with
// methods of its own always writes something; msgpack/v5 looks at its fields even
// so, and omits every big.Int.
func allOmitted(n *node, v reflect.Value) bool {
	if n.encMethod != "" {
		return false
	}
	p := addressOf(v)
	for _, f := range n.fields.list {
		if at, ok := f.get(p); ok && !(f.omitEmpty && f.isEmpty(at)) {
			return false
		}
	}
	return true
}

// addressOf returns where v, or a copy of it, is.
func addressOf(v reflect.Value) unsafe.Pointer {
	if v.CanAddr() {
		return v.Addr().UnsafePointer()
	}
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	return p.UnsafePointer()
}

func nilable(k reflect.Kind) bool {
	switch k {
	case reflect.Chan, reflect.Func, reflect.Interface, reflect.Map, reflect.Pointer, reflect.Slice:
		return true
	}
	return false
}
