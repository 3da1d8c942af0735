package remote

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/procpool/procpool/internal/codec"
)

// A kind is a registered error type. Its functions run under recover.
type kind struct {
	name   string
	typ    reflect.Type
	append func(dst []byte, err error) ([]byte, error) // err's dynamic type is typ
	decode func(e *Error) (error, error)               // the value, or why there is none
}

var errNilPointer = errors.New("nil pointer")

// RegisterType makes E one of the types that errors.As finds on the other side
// of the process boundary, with the fields that msgpack carries: the exported
// ones. E is the type as it is returned, mostly a pointer, *MyError. Call it
// while packages initialise, with the same name in both processes.
//
// A field of the type error travels as its text. Where that is the text of an
// error that the value also wraps, the field gets this error back as far as it
// could be carried, so that errors.Is and errors.As work on the field too. Other
// interface fields get what msgpack makes of them. If a value cannot be encoded
// or decoded, or if the decoded one is of no use because its methods panic, for
// want of an unexported field say, the error still arrives with its text, its
// sentinels and its causes, and errors.As does not find E.
//
// RegisterType panics if E is an interface, if the name is empty or longer than
// 256 bytes, and if the name or the type is registered already.
func RegisterType[E error](name string) {
	typ := reflect.TypeFor[E]()
	checkName("RegisterErrorType", name)
	if typ.Kind() == reflect.Interface {
		panic(fmt.Sprintf(panicPrefix+"RegisterErrorType[%v](%q): an interface is not a type that a value can have; name the concrete type", typ, name))
	}
	k := &kind{name: name, typ: typ, append: appendValue[E], decode: decodeValue[E]}
	update(func(s *snapshot) { s.addKind(k) })
}

func appendValue[E error](dst []byte, err error) ([]byte, error) {
	v := err.(E)
	return codec.AppendFrom(dst, &v) // of an error without exported fields the type travels
}

func decodeValue[E error](e *Error) (error, error) {
	var v E
	if err := codec.DecodeInto(e.Data, &v); err != nil {
		return nil, err
	}
	if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer && r.IsNil() {
		return nil, errNilPointer
	}
	restoreFields(reflect.ValueOf(&v).Elem(), e.Causes)
	return v, nil
}

var errorType = reflect.TypeFor[error]()

// restoreFields puts the causes back into the fields of type error, of which
// msgpack has kept the text alone.
func restoreFields(v reflect.Value, causes []*Error) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return
	}
	for _, f := range v.Fields() {
		if f.Type() != errorType || !f.CanSet() || f.IsNil() {
			continue
		}
		f.Set(reflect.ValueOf(wrapped(f.Interface().(error).Error(), causes)))
	}
}

// wrapped returns the cause with the given text as an error, or the text alone.
func wrapped(text string, causes []*Error) error {
	received := receivedText(text)
	for _, c := range causes {
		if c.Message == received {
			return c.value()
		}
	}
	return errors.New(text)
}
