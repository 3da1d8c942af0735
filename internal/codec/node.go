package codec

import (
	"reflect"
	"sync"
	"time"
)

type (
	encodeFunc func(n *node, e *encoder, v reflect.Value) error
	decodeFunc func(n *node, d *decoder, v reflect.Value) error
)

// node is the plan of one type. It is immutable once it is in nodes. dec gets an
// addressable value that is zero, except for a struct whose key occurs twice.
type node struct {
	typ  reflect.Type
	enc  encodeFunc
	dec  decodeFunc
	key  *node // of a map
	elem *node // of a map, slice, array or pointer
	size uintptr
	bits int // of a number

	fields *fields // of a struct

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
	if enc, dec, ok := listFuncs(n.typ); ok {
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

func (c *compiler) fillKind(n *node) {
	switch k := n.typ.Kind(); k {
	case reflect.Bool:
		n.enc, n.dec = encodeBool, decodeBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n.bits = n.typ.Bits()
		n.enc, n.dec = encodeInt, decodeInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		n.bits = n.typ.Bits()
		n.enc, n.dec = encodeUint, decodeUint
	case reflect.Float32:
		n.enc, n.dec = encodeFloat32, decodeFloat32
	case reflect.Float64:
		n.enc, n.dec = encodeFloat64, decodeFloat64
	case reflect.String:
		n.enc, n.dec = encodeString, decodeString
	case reflect.Interface:
		n.enc, n.dec = encodeInterface, decodeInterface
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
		n.enc, n.dec = encodeSlice, decodeSlice
		if n.elem.typ.Kind() == reflect.Uint8 {
			n.enc, n.dec = encodeByteSlice, decodeByteSlice
		}
	case reflect.Array:
		n.elem = c.node(n.typ.Elem())
		n.enc, n.dec = encodeArray, decodeArray
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
