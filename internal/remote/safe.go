package remote

import (
	"fmt"
	"reflect"
)

// The functions of this file call methods that users have written, and return an
// answer whatever these do. A method that never returns or that overflows the
// stack is beyond help.

// safeText is err.Error(), or a text that says why there is none.
func safeText(err error) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = panicText(err, r)
		}
	}()
	return err.Error()
}

func panicText(err error, r any) string {
	v := reflect.ValueOf(err)
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return fmt.Sprintf("<nil> of type %T", err)
	}
	return fmt.Sprintf("an error of type %T whose Error method panics: %s", err, safePanicValue(r))
}

// safePanicValue prints errors, strings, numbers. Anything else is named by its
// type: fmt does not come back from a value that contains itself.
func safePanicValue(r any) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("a %T", r)
		}
	}()
	switch r := r.(type) {
	case error:
		return r.Error()
	case fmt.Stringer:
		return r.String()
	}
	switch reflect.TypeOf(r).Kind() {
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return fmt.Sprint(r)
	}
	return fmt.Sprintf("a %T", r)
}

// safeUnwrap returns what err wraps, without the nils. At most maxVisits of
// them: more would not be looked at.
func safeUnwrap(err error) (list []error) {
	defer func() {
		if recover() != nil {
			list = nil
		}
	}()
	switch w := err.(type) {
	case interface{ Unwrap() error }:
		if inner := w.Unwrap(); inner != nil {
			return []error{inner}
		}
	case interface{ Unwrap() []error }:
		for _, inner := range w.Unwrap() {
			if inner != nil && len(list) < maxVisits {
				list = append(list, inner)
			}
		}
	}
	return list
}

// same is ==, and false where that panics: a comparable struct may hold an
// interface that holds a slice.
func same(a, b error) (equal bool) {
	defer func() {
		if recover() != nil {
			equal = false
		}
	}()
	return a == b
}

func safeIs(err interface{ Is(error) bool }, target error) (is bool) {
	defer func() {
		if recover() != nil {
			is = false
		}
	}()
	return err.Is(target)
}

// safeAs asks an As method for a value of a type that implements error.
func safeAs(err interface{ As(any) bool }, typ reflect.Type) (found error) {
	defer func() {
		if recover() != nil {
			found = nil
		}
	}()
	target := reflect.New(typ)
	if !err.As(target.Interface()) {
		return nil
	}
	found, _ = reflect.TypeAssert[error](target.Elem())
	return found
}

func safeAppend(k *kind, err error) (data []byte, ok bool) {
	defer func() {
		if recover() != nil {
			data, ok = nil, false
		}
	}()
	data, appendErr := k.append(nil, err)
	return data, appendErr == nil
}
