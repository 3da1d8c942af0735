package remote

import (
	"errors"
	"reflect"
	"slices"
	"sync"
)

// Error is one node of an error that came from another process. The fields are
// what arrived; the package documentation says what each may hold.
type Error struct {
	Type    string   // Go's name of the dynamic type over there, "" from a foreign worker
	Message string   // printable
	Is      []string // names of sentinels, registered here or not
	As      string   // the name of a type, registered here or not
	Data    []byte   // the value for As
	Causes  []*Error

	once    sync.Once
	targets []error // written in once

	restoring sync.Once
	restored  error // written in restoring; nil where As finds nothing
}

// Targets returns what errors.Is and errors.As can find of e, depth first:
// at each node the value of its registered type, then its registered sentinels,
// then its causes. A sentinel comes once. Names that are not registered in this
// process are skipped, and so are values that cannot be decoded.
//
// It is meant to be what Unwrap() []error returns. Values are decoded by the
// first call; all calls return the same slice, which nobody may change. It is
// safe for concurrent use.
func (e *Error) Targets() []error {
	e.once.Do(func() {
		c := collector{known: load(), seen: map[string]bool{}}
		c.visit(e, 1)
		e.targets = slices.Clip(c.found)
	})
	return e.targets
}

type collector struct {
	known *snapshot
	seen  map[string]bool // names of sentinels
	nodes int
	found []error
}

// visit is bounded although Parse is: an Error can be made by hand.
func (c *collector) visit(e *Error, depth int) {
	if c.nodes++; e == nil || depth > maxDepth || c.nodes > maxNodes {
		return
	}
	if v := e.typed(); v != nil {
		c.found = append(c.found, v)
	}
	for _, name := range e.Is {
		if err := c.known.byName[name]; err != nil && !c.seen[name] {
			c.seen[name] = true
			c.found = append(c.found, err)
		}
	}
	for _, cause := range e.Causes {
		c.visit(cause, depth+1)
	}
}

// typed returns the value of the registered type, decoded once, or nil.
func (e *Error) typed() error {
	e.restoring.Do(func() {
		if k := load().kindNamed[e.As]; k != nil {
			e.restored = restore(k, e)
		}
	})
	return e.restored
}

// restore decodes under recover and hands out only what does not panic in the
// hands of errors.Is or of the caller who prints it: the user's code has written
// these methods for values that are complete.
func restore(k *kind, e *Error) (err error) {
	defer func() {
		if recover() != nil {
			err = nil
		}
	}()
	v, decodeErr := k.decode(e)
	if decodeErr != nil {
		return nil
	}
	tryMethods(v)
	return v
}

var errProbe = errors.New("probe")

// tryMethods calls what errors.Is and fmt would call.
func tryMethods(err error) {
	_ = err.Error()
	if is, ok := err.(interface{ Is(error) bool }); ok {
		is.Is(errProbe)
	}
	switch w := err.(type) {
	case interface{ Unwrap() error }:
		_ = w.Unwrap()
	case interface{ Unwrap() []error }:
		_ = w.Unwrap()
	}
}

// value returns e as the error that a field of a restored value gets: the typed
// value or the sentinel itself where e is nothing else, so that a comparison
// with == holds too; otherwise an error with e's text and its targets.
func (e *Error) value() error {
	if v := e.typed(); v != nil {
		return v
	}
	if s := e.sentinel(); s != nil {
		return s
	}
	return &cause{e}
}

// sentinel returns the registered error that e was, as far as one can tell:
// it has the same type and text.
func (e *Error) sentinel() error {
	known := load()
	for _, name := range e.Is {
		err := known.byName[name]
		if err != nil && e.Type == typeName(err) && e.Message == receivedText(safeText(err)) {
			return err
		}
	}
	return nil
}

// cause is a node in the role of an error.
type cause struct{ e *Error }

func (c *cause) Error() string   { return c.e.Message }
func (c *cause) Unwrap() []error { return c.e.Targets() }

// typeName is what fmt's %T prints, within the cap for names.
func typeName(err error) string {
	return cutBare(validUTF8(reflect.TypeOf(err).String()), maxName)
}
