package codec

import (
	"errors"
	"reflect"
)

// errHollow is what encoding/gob says, too. msgpack/v5 and encoding/json write an empty object, and what the value held is lost without a word.
var errHollow = errors.New("it has fields, but none that is exported: nothing of it would travel")

// hollow returns the struct type that a T consists of, perhaps many of them or behind pointers, if values of it would arrive empty. As a field of something else such a
// struct may well be meant to stay behind: a mutex does.
func hollow(t reflect.Type) reflect.Type {
	for range MaxDepth { // type T []T has no end
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
			if enc, _ := methodOf(t, encodings); enc != "" {
				return nil
			}
			t = t.Elem()
			continue
		case reflect.Struct:
			if t != timeType && hidesAll(t) {
				return t
			}
		}
		return nil
	}
	return nil
}

func hidesAll(t reflect.Type) bool {
	if enc, _ := methodOf(t, encodings); enc != "" {
		return false
	}
	hidden := false
	for f := range t.Fields() {
		if f.IsExported() || f.Anonymous {
			return false
		}
		hidden = hidden || f.Name != "_"
	}
	return hidden
}
