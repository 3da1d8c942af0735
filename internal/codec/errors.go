package codec

import (
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
)

const errorPrefix = "codec: "

var (
	// ErrTooDeep is returned when data nests deeper than [MaxDepth].
	ErrTooDeep = errors.New("nested deeper than 1000")
	// ErrCycle is returned when a value that is to be encoded contains itself.
	ErrCycle = errors.New("value contains itself")
	// ErrTooLarge is returned when decoded elements would take far more memory
	// than their encoding justifies.
	ErrTooLarge = errors.New("decoded elements take too much memory for their encoding")
	// ErrTruncated is returned when the bytes end within a value.
	ErrTruncated = errors.New("unexpected end of the bytes")
	// ErrTrailing is returned when bytes follow the value.
	ErrTrailing = errors.New("bytes after the value")
	// ErrInvalid is returned for 0xc1, the one byte that MessagePack never uses.
	ErrInvalid = errors.New("invalid byte 0xc1")
)

// Error says which part of a value could not be encoded or decoded.
type Error struct {
	Type string // the Go type of that part
	Path string // where it stands, as in .Rows[3].N; empty for the whole value
	Err  error
}

func (e *Error) Error() string {
	if e.Path == "" {
		return errorPrefix + e.Type + ": " + e.Err.Error()
	}
	return errorPrefix + e.Type + " at " + e.Path + ": " + e.Err.Error()
}

// Unwrap returns the reason without the place.
func (e *Error) Unwrap() error { return e.Err }

// PanicError is the reason when a method of the value panicked.
type PanicError struct {
	Method string // "EncodeMsgpack", or "" if it is not known which
	Value  any    // what was passed to panic
	Stack  []byte // of the goroutine, as debug.Stack formats it
}

// newPanicError is called by the deferred function that recovered r.
func newPanicError(method string, r any) *PanicError {
	return &PanicError{Method: method, Value: r, Stack: debug.Stack()}
}

func (e *PanicError) Error() string {
	if e.Method == "" {
		return fmt.Sprintf("panic: %v", e.Value)
	}
	return fmt.Sprintf("%s panicked: %v", e.Method, e.Value)
}

// Unwrap returns the panic value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// location is an error on its way up: each container prepends its step. It
// becomes an [Error] at the top, so that the path is joined once.
type location struct {
	typ   reflect.Type
	steps []string // innermost first
	more  int      // steps that were not kept
	err   error
}

func (l *location) Error() string { return l.err.Error() }
func (l *location) Unwrap() error { return l.err }

// Paths are read by people: the ends of a very long one are enough.
const (
	innerSteps = 16
	outerSteps = 16
)

// failure starts a location at the value of type t. One that was started further
// inside stays.
func failure(t reflect.Type, err error) error {
	if l, ok := err.(*location); ok {
		return l
	}
	return &location{typ: t, err: err}
}

// failed is failure where there may be none.
func failed(t reflect.Type, err error) error {
	if err == nil {
		return nil
	}
	return failure(t, err)
}

func failuref(t reflect.Type, format string, args ...any) error {
	return failure(t, fmt.Errorf(format, args...))
}

// within adds the step that leads to the part where err happened. t names the
// container's type for errors that carry none of their own.
func within(err error, t reflect.Type, step string) error {
	l, ok := err.(*location)
	if !ok {
		l = &location{typ: t, err: err}
	}
	if len(l.steps) == innerSteps+outerSteps {
		copy(l.steps[innerSteps:], l.steps[innerSteps+1:])
		l.steps = l.steps[:len(l.steps)-1]
		l.more++
	}
	l.steps = append(l.steps, step)
	return l
}

func (l *location) path() string {
	var b strings.Builder
	for i, v := range slices.Backward(l.steps) {
		if l.more > 0 && i == innerSteps-1 {
			fmt.Fprintf(&b, "…(%d more)…", l.more)
		}
		b.WriteString(v)
	}
	return b.String()
}

// located turns what came up into an [Error]; t is the type of the whole value.
func located(err error, t reflect.Type) error {
	l, ok := err.(*location)
	if !ok {
		return &Error{Type: t.String(), Err: err}
	}
	return &Error{Type: l.typ.String(), Path: l.path(), Err: l.err}
}
