package codec

import (
	"reflect"
	"sync"
	"unsafe"
)

const (
	// maxHops bounds the pointers on the way to an item, which MaxDepth does not
	// count: of a type P *P they need no container between them.
	maxHops = 8 * MaxDepth
	// trackFrom is the level from which on references are remembered, so that a
	// cycle can be told from data that are merely deep. Shallower data, that is
	// nearly all, pay nothing for it.
	trackFrom = MaxDepth / 4
)

// encoder is what is known on the way through one value. What has been written goes from function to function, so
// that it stays in registers.
type encoder struct {
	base  int // where the value begins in what is written
	depth int // containers around the next item
	hops  int // pointers around it

	positional bool // structs are arrays of their fields where they can be

	carrier Carrier // nil where there is none

	seen map[reference]struct{}

	methods encodeMethods
}

// reference identifies what a pointer, map or slice refers to.
type reference struct {
	ptr unsafe.Pointer
	len int
	typ reflect.Type
}

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// appendValue appends the value at p to dst.
func appendValue(dst []byte, n *node, p unsafe.Pointer, by Carrier, positional bool) ([]byte, error) {
	e := encoders.Get().(*encoder)
	e.begin(len(dst))
	e.carrier, e.positional = by, positional
	out, err := e.run(dst, n, p)
	e.seen, e.carrier = nil, nil
	encoders.Put(e)
	if err != nil {
		return dst, located(err, n.typ)
	}
	return out, nil
}

// begin makes it ready for a value that is appended at base.
func (e *encoder) begin(base int) { e.base, e.depth, e.hops, e.seen = base, 0, 0, nil }

func (e *encoder) run(dst []byte, n *node, p unsafe.Pointer) (out []byte, err error) {
	defer rescue(&err)
	return n.enc(n, e, dst, p)
}

// enter begins a container behind dst; leave ends it.
func (e *encoder) enter(n *node, dst []byte) error {
	if e.depth == MaxDepth {
		return failure(n.typ, ErrTooDeep)
	}
	if err := checkLen(len(dst) - e.base); err != nil {
		// Data of moderate size whose parts are shared can unfold without end.
		return failure(n.typ, err)
	}
	e.depth++
	return nil
}

func (e *encoder) leave() { e.depth-- }

// hop begins the target of a pointer; land ends it.
func (e *encoder) hop(n *node) error {
	if e.hops == maxHops {
		return failure(n.typ, ErrTooDeep)
	}
	e.hops++
	return nil
}

func (e *encoder) land() { e.hops-- }

// deep reports whether references must be remembered.
func (e *encoder) deep() bool { return e.depth+e.hops >= trackFrom }

// follow remembers that the target of a reference is being encoded, until forget.
func (e *encoder) follow(n *node, ptr unsafe.Pointer, length int) error {
	r := reference{ptr, length, n.typ}
	if _, ok := e.seen[r]; ok {
		return failure(n.typ, ErrCycle)
	}
	if e.seen == nil {
		e.seen = make(map[reference]struct{})
	}
	e.seen[r] = struct{}{}
	return nil
}

func (e *encoder) forget(n *node, ptr unsafe.Pointer, length int) {
	delete(e.seen, reference{ptr, length, n.typ})
}
