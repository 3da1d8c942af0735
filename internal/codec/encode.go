package codec

import (
	"errors"
	"reflect"
	"strconv"
)

func encodeBool(_ *node, e *encoder, v reflect.Value) error {
	e.dst = AppendBool(e.dst, v.Bool())
	return nil
}

func encodeInt(_ *node, e *encoder, v reflect.Value) error {
	e.dst = AppendInt(e.dst, v.Int())
	return nil
}

func encodeUint(_ *node, e *encoder, v reflect.Value) error {
	e.dst = AppendUint(e.dst, v.Uint())
	return nil
}

func encodeFloat32(_ *node, e *encoder, v reflect.Value) error {
	e.dst = AppendFloat32(e.dst, float32(v.Float()))
	return nil
}

func encodeFloat64(_ *node, e *encoder, v reflect.Value) error {
	e.dst = AppendFloat64(e.dst, v.Float())
	return nil
}

func encodeString(n *node, e *encoder, v reflect.Value) error {
	s := v.String()
	if err := checkLen(len(s)); err != nil {
		return failure(n.typ, err)
	}
	e.dst = AppendString(e.dst, s)
	return nil
}

func encodeByteSlice(n *node, e *encoder, v reflect.Value) error {
	b := v.Bytes()
	if done, err := e.putBytes(b); done || err != nil {
		return failed(n.typ, err)
	}
	if err := checkLen(len(b)); err != nil {
		return failure(n.typ, err)
	}
	e.dst = AppendBytes(e.dst, b)
	return nil
}

func encodeByteArray(n *node, e *encoder, v reflect.Value) error {
	if !v.CanAddr() {
		v = addressable(v)
	}
	if err := checkLen(v.Len()); err != nil {
		return failure(n.typ, err)
	}
	e.dst = append(AppendBytesHeader(e.dst, v.Len()), v.Bytes()...)
	return nil
}

// addressable returns a copy of v that has an address.
func addressable(v reflect.Value) reflect.Value {
	a := reflect.New(v.Type()).Elem()
	a.Set(v)
	return a
}

var (
	errUnsupported = errors.New("values of this type do not travel")
	errNoDecode    = errors.New("values of this type cannot be decoded")
)

func encodeUnsupported(n *node, _ *encoder, _ reflect.Value) error {
	return failure(n.typ, errUnsupported)
}

// encodeError writes a value of static type error as its text.
func encodeError(n *node, e *encoder, v reflect.Value) error {
	if v.IsNil() {
		e.dst = AppendNil(e.dst)
		return nil
	}
	s := v.Interface().(error).Error()
	if err := checkLen(len(s)); err != nil {
		return failure(n.typ, err)
	}
	e.dst = AppendString(e.dst, s)
	return nil
}

func encodePointer(n *node, e *encoder, v reflect.Value) (err error) {
	if v.IsNil() {
		e.dst = AppendNil(e.dst)
		return nil
	}
	if err := e.hop(n); err != nil {
		return err
	}
	if e.deep() {
		p := v.UnsafePointer()
		if err := e.follow(n, p, 0); err != nil {
			return err
		}
		defer e.forget(n, p, 0)
	}
	err = n.elem.enc(n.elem, e, v.Elem())
	e.land()
	return err
}

func encodeSlice(n *node, e *encoder, v reflect.Value) error {
	if v.IsNil() {
		e.dst = AppendNil(e.dst)
		return nil
	}
	if e.deep() && v.Len() > 0 {
		p := v.UnsafePointer()
		if err := e.follow(n, p, v.Len()); err != nil {
			return err
		}
		defer e.forget(n, p, v.Len())
	}
	return encodeArray(n, e, v)
}

func encodeArray(n *node, e *encoder, v reflect.Value) error {
	if err := e.enter(n); err != nil {
		return err
	}
	size := v.Len()
	if err := checkLen(size); err != nil {
		return failure(n.typ, err)
	}
	e.dst = AppendArrayHeader(e.dst, size)
	for i := range size {
		if err := n.elem.enc(n.elem, e, v.Index(i)); err != nil {
			return within(err, n.elem.typ, indexStep(i))
		}
	}
	e.leave()
	return nil
}

func indexStep(i int) string { return "[" + strconv.Itoa(i) + "]" }

func encodeMap(n *node, e *encoder, v reflect.Value) error {
	if v.IsNil() {
		e.dst = AppendNil(e.dst)
		return nil
	}
	if e.deep() {
		p := v.UnsafePointer()
		if err := e.follow(n, p, 0); err != nil {
			return err
		}
		defer e.forget(n, p, 0)
	}
	if err := e.enter(n); err != nil {
		return err
	}
	if err := checkLen(v.Len()); err != nil {
		return failure(n.typ, err)
	}
	e.dst = AppendMapHeader(e.dst, v.Len())
	if err := e.pairs(n, v); err != nil {
		return err
	}
	e.leave()
	return nil
}

// pairs goes through a map with one key and one element that are used again for
// every pair. They have addresses, so methods on pointers work.
func (e *encoder) pairs(n *node, v reflect.Value) error {
	if v.Len() == 0 {
		return nil
	}
	key, elem := reflect.New(n.key.typ).Elem(), reflect.New(n.elem.typ).Elem()
	for it := v.MapRange(); it.Next(); {
		key.SetIterKey(it)
		if err := n.key.enc(n.key, e, key); err != nil {
			return within(err, n.key.typ, keyStep(key)+"(key)")
		}
		elem.SetIterValue(it)
		if err := n.elem.enc(n.elem, e, elem); err != nil {
			return within(err, n.elem.typ, keyStep(key))
		}
	}
	return nil
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

func encodeStruct(n *node, e *encoder, v reflect.Value) error {
	fs := n.fields
	if fs.err != nil {
		return failure(n.typ, fs.err)
	}
	if err := e.enter(n); err != nil {
		return err
	}
	var err error
	switch {
	case fs.asArray:
		err = e.positions(fs, v)
	case fs.head != nil:
		err = e.allFields(fs, v)
	default:
		err = e.presentFields(fs, v)
	}
	e.leave()
	return err
}

func (e *encoder) positions(fs *fields, v reflect.Value) error {
	e.dst = AppendArrayHeader(e.dst, len(fs.list))
	for _, f := range fs.list {
		fv, ok := f.get(v)
		if !ok {
			e.dst = AppendNil(e.dst)
			continue
		}
		if err := f.node.enc(f.node, e, fv); err != nil {
			return within(err, f.node.typ, "."+f.goName)
		}
	}
	return nil
}

func (e *encoder) allFields(fs *fields, v reflect.Value) error {
	e.dst = append(e.dst, fs.head...)
	for _, f := range fs.named {
		fv, _ := f.get(v)
		if err := e.field(f, fv); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder) field(f *field, v reflect.Value) error {
	e.dst = append(e.dst, f.head...)
	if err := f.node.enc(f.node, e, v); err != nil {
		return within(err, f.node.typ, "."+f.goName)
	}
	return nil
}

// presentFields leaves out what is empty and may be omitted, and what is in an
// embedded struct that is not there. IsZero may be the user's and is asked once:
// so the fields are counted while they are written, and the header is completed
// afterwards.
func (e *encoder) presentFields(fs *fields, v reflect.Value) error {
	at, present := len(e.dst), 0
	e.dst = AppendMapHeader(e.dst, len(fs.named))
	start := len(e.dst)
	for _, f := range fs.named {
		fv, ok := f.get(v)
		if !ok || f.omitEmpty && isEmpty(fv) {
			continue
		}
		present++
		if err := e.field(f, fv); err != nil {
			return err
		}
	}
	if head := AppendMapHeader(e.dst[:at], present); len(head) < start {
		e.dst = append(head, e.dst[start:]...) // moves the fields down
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
	for _, f := range n.fields.list {
		if fv, ok := f.get(v); ok && !(f.omitEmpty && isEmpty(fv)) {
			return false
		}
	}
	return true
}

func nilable(k reflect.Kind) bool {
	switch k {
	case reflect.Chan, reflect.Func, reflect.Interface, reflect.Map, reflect.Pointer, reflect.Slice:
		return true
	}
	return false
}
