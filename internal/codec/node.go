package codec

import (
	"reflect"
	"sync"
	"time"
	"unsafe"
)

type (
	// encodeFunc appends the value at p, which it does not change, to dst.
	encodeFunc func(n *node, e *encoder, dst []byte, p unsafe.Pointer) ([]byte, error)
	// decodeFunc sets the value at p, which is zero, except in a struct whose key occurs twice.
	decodeFunc func(n *node, d *decoder, p unsafe.Pointer) error
)

// node is the plan of one type. It is immutable once it is in nodes. A plan works on the memory of a value: reflection
// is for what it alone can do.
type node struct {
	typ  reflect.Type
	enc  encodeFunc
	dec  decodeFunc
	key  *node // of a map
	elem *node // of a map, slice, array or pointer
	size uintptr
	len  int      // of an array
	make makeFunc // of a slice

	fields *fields // of a struct

	positional bool // a struct in it can be an array

	encMethod, decMethod string // what enc and dec call; "" if nothing of the user
	decPointer           bool   // decMethod is on the pointer
	dynamicKey           bool   // key can hold an interface, so it may be unhashable
}

// nodes holds complete plans by reflect.Type.
var nodes sync.Map

// nodeOf returns the plan of t.
func nodeOf(t reflect.Type) *node {
	if n, ok := nodes.Load(t); ok {
		return n.(*node)
	}
	c := compiler{pending: make(map[reflect.Type]*node)}
	n := c.node(t)
	// Only now are all of them complete, those that refer to each other too. Two
	// goroutines may compile the same type; either plan is as good.
	for t, n := range c.pending {
		n.survey()
		nodes.Store(t, n)
	}
	return n
}

// compiler makes the plans of a type and of all types that it leads to.
type compiler struct {
	pending map[reflect.Type]*node
}

func (c *compiler) node(t reflect.Type) *node {
	if n, ok := nodes.Load(t); ok {
		return n.(*node)
	}
	if n, ok := c.pending[t]; ok {
		return n
	}
	n := &node{typ: t, size: t.Size()}
	c.pending[t] = n
	c.fill(n)
	return n
}

var (
	timeType  = reflect.TypeFor[time.Time]()
	errorType = reflect.TypeFor[error]()
	anyType   = reflect.TypeFor[any]()
)

func (c *compiler) fill(n *node) {
	if n.typ == timeType {
		n.enc, n.dec = encodeTime, decodeTime
		return
	}
	if enc, dec, ok := namedFuncs(n.typ); ok {
		n.enc, n.dec = enc, dec
		return
	}
	n.encMethod, _ = methodOf(n.typ, encodings)
	n.decMethod, n.decPointer = methodOf(n.typ, decodings)
	if n.encMethod == "" || n.decMethod == "" {
		c.fillKind(n)
	}
	if n.encMethod != "" {
		n.enc = encodeByMethod
	}
	if n.decMethod != "" {
		n.dec = decodeByMethod
	}
}

// value returns the value at p.
func (n *node) value(p unsafe.Pointer) reflect.Value { return reflect.NewAt(n.typ, p).Elem() }

type funcs struct {
	enc encodeFunc
	dec decodeFunc
}

// kindFuncs are the functions of basic types.
var kindFuncs = [...]funcs{
	reflect.Bool:    {encodeBool, decodeBool},
	reflect.Int:     {encodeSigned[int], decodeSigned[int]},
	reflect.Int8:    {encodeSigned[int8], decodeSigned[int8]},
	reflect.Int16:   {encodeSigned[int16], decodeSigned[int16]},
	reflect.Int32:   {encodeSigned[int32], decodeSigned[int32]},
	reflect.Int64:   {encodeSigned[int64], decodeSigned[int64]},
	reflect.Uint:    {encodeUnsigned[uint], decodeUnsigned[uint]},
	reflect.Uint8:   {encodeUnsigned[uint8], decodeUnsigned[uint8]},
	reflect.Uint16:  {encodeUnsigned[uint16], decodeUnsigned[uint16]},
	reflect.Uint32:  {encodeUnsigned[uint32], decodeUnsigned[uint32]},
	reflect.Uint64:  {encodeUnsigned[uint64], decodeUnsigned[uint64]},
	reflect.Uintptr: {encodeUnsigned[uintptr], decodeUnsigned[uintptr]},
	reflect.Float32: {encodeFloat32, decodeFloat32},
	reflect.Float64: {encodeFloat64, decodeFloat64},
	reflect.String:  {encodeString, decodeString},
}

func (c *compiler) fillKind(n *node) {
	k := n.typ.Kind()
	if int(k) < len(kindFuncs) && kindFuncs[k].enc != nil {
		n.enc, n.dec = kindFuncs[k].enc, kindFuncs[k].dec
		return
	}
	switch k {
	case reflect.Interface:
		n.enc, n.dec = encodeInterface, decodeInterface
		if n.typ.NumMethod() == 0 {
			n.enc = encodeAny
		}
		if n.typ == errorType {
			n.enc = encodeError
		}
	default:
		c.fillComposite(n, k)
	}
}

func (c *compiler) fillComposite(n *node, k reflect.Kind) {
	switch k {
	case reflect.Pointer:
		n.elem = c.node(n.typ.Elem())
		n.enc, n.dec = encodePointer, decodePointer
	case reflect.Slice:
		n.elem = c.node(n.typ.Elem())
		n.enc, n.dec, n.make = encodeSlice, decodeSlice, makeFuncOf(n.elem.typ)
		if n.elem.typ.Kind() == reflect.Uint8 {
			n.enc, n.dec = encodeByteSlice, decodeByteSlice
		}
	case reflect.Array:
		n.elem = c.node(n.typ.Elem())
		n.enc, n.dec, n.len = encodeArray, decodeArray, n.typ.Len()
		if n.elem.typ.Kind() == reflect.Uint8 {
			n.enc, n.dec = encodeByteArray, decodeByteArray
		}
	case reflect.Map:
		n.key, n.elem = c.node(n.typ.Key()), c.node(n.typ.Elem())
		n.dynamicKey = holdsInterface(n.typ.Key())
		n.enc, n.dec = encodeMap, decodeMap
	case reflect.Struct:
		n.fields = c.fields(n.typ, nil)
		n.enc, n.dec = encodeStruct, decodeStruct
	default:
		n.enc, n.dec = encodeUnsupported, decodeUnsupported
	}
}

// holdsInterface reports whether a map key of type t can be unhashable.
func holdsInterface(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Array:
		return holdsInterface(t.Elem())
	case reflect.Struct:
		for field := range t.Fields() {
			if holdsInterface(field.Type) {
				return true
			}
		}
	}
	return false
}
