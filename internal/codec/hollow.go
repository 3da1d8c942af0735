package codec

import (
	"errors"
	"reflect"
	"strings"
)

// errHollow is what encoding/gob says, too. msgpack/v5 and encoding/json write an empty object, and what the value held is lost without a word.
var errHollow = errors.New("it has fields, but none that is exported: nothing of it would travel; export some, give it a method MarshalBinary, or leave it out by the tag msgpack:\"-\"")

// hollow is the first part of a T, if there is any, that is a struct of which nothing would travel.
func hollow(t reflect.Type) *Error { return hollowIn(t, "", map[reflect.Type]bool{}) }

func hollowIn(t reflect.Type, path string, seen map[reflect.Type]bool) *Error {
	if seen[t] || t == timeType {
		return nil
	}
	seen[t] = true
	if enc, _ := methodOf(t, encodings); enc != "" {
		return nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return hollowIn(t.Elem(), path, seen)
	case reflect.Slice, reflect.Array:
		return hollowIn(t.Elem(), path+"[]", seen)
	case reflect.Map:
		if err := hollowIn(t.Key(), path+"[key]", seen); err != nil {
			return err
		}
		return hollowIn(t.Elem(), path+"[]", seen)
	case reflect.Struct:
		if hidesAll(t) {
			return &Error{Type: t.String(), Path: path, Err: errHollow}
		}
		for f := range t.Fields() {
			if err := hollowField(f, path, seen); err != nil {
				return err
			}
		}
	}
	return nil
}

// hollowField looks at a field. What is embedded, and the locks of package sync, may well be meant to stay behind.
func hollowField(f reflect.StructField, path string, seen map[reflect.Type]bool) *Error {
	if !f.IsExported() || f.Anonymous && hidesAll(f.Type) || f.Type.PkgPath() == "sync" || strings.HasPrefix(f.Tag.Get("msgpack"), "-") {
		return nil
	}
	return hollowIn(f.Type, path+"."+f.Name, seen)
}

func hidesAll(t reflect.Type) bool {
	if t.Kind() != reflect.Struct || t == timeType {
		return false
	}
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
