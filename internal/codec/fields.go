package codec

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unsafe"
)

// field is one struct field that travels. What every value needs stands first, in one line of the cache.
type field struct {
	node      *node
	hops      []hop   // the pointers on the way through embedded structs
	offset    uintptr // from where the last of them leads, or from the struct
	omitEmpty bool
	inlined   bool // it is a field of an embedded struct

	head   []byte // name, encoded
	name   string // on the wire
	goName string
	index  []int // the way through embedded structs
}

// fields is what of a struct travels, and how: by name, or by position if a field
// _msgpack says so.
type fields struct {
	list       []*field // by position; a field that another one shadows is in it
	named      []*field // by name
	byName     map[string]*field
	head       []byte // the header of the map if no field can be left out
	asArray    bool
	positional bool  // an array of the fields says the same as a map of them
	err        error // why values of the type do not travel
}

// fields collects the fields of struct type t in the way msgpack/v5 does. outer
// are the structs that it is embedded in: one that embeds a pointer to itself is
// not inlined for ever.
func (c *compiler) fields(t reflect.Type, outer []reflect.Type) *fields {
	fs := &fields{byName: make(map[string]*field, t.NumField())}
	outer = append(slices.Clip(outer), t)
	omitAll := false
	for sf := range t.Fields() {
		tag := parseTag(sf.Tag.Get("msgpack"))
		if tag.name == "-" {
			continue
		}
		if sf.Name == "_msgpack" {
			fs.asArray = tag.has("as_array") || tag.has("asArray")
			omitAll = omitAll || tag.has("omitempty")
			continue
		}
		if !sf.IsExported() && !embedsStruct(sf) {
			continue
		}
		c.addField(fs, sf, tag, omitAll, outer)
	}
	fs.complete()
	return fs
}

func (c *compiler) addField(fs *fields, sf reflect.StructField, tag tag, omitAll bool, outer []reflect.Type) {
	f := &field{
		name:      tag.name,
		goName:    sf.Name,
		index:     sf.Index,
		omitEmpty: omitAll || tag.has("omitempty"),
	}
	if f.name == "" {
		f.name = sf.Name
	}
	f.locate(outer[len(outer)-1])
	if sf.Anonymous && !tag.has("noinline") && c.inline(fs, sf, tag, outer) {
		if sf.IsExported() { // what was sent under the struct's own name is taken too
			f.node = c.node(sf.Type)
			fs.also(f.name, f)
		}
		return
	}
	if !sf.IsExported() && sf.Type.Kind() == reflect.Pointer {
		return // nobody could set it
	}
	f.node = c.node(sf.Type)
	fs.add(f)
	if alias, ok := tag.options["alias"]; ok {
		fs.also(alias, f)
	}
}

// also accepts a second name of a field, unless it is a first name.
func (fs *fields) also(name string, f *field) {
	if _, taken := fs.byName[name]; !taken {
		fs.byName[name] = f
	}
}

// inline adds the fields of an embedded struct as if they were fs's own, unless
// one of them has a name that is taken or the struct has methods of its own.
func (c *compiler) inline(fs *fields, sf reflect.StructField, tag tag, outer []reflect.Type) bool {
	t := sf.Type
	for t.Kind() == reflect.Pointer && !slices.Contains(outer, t.Elem()) {
		t = t.Elem()
	}
	forced := tag.has("inline")
	if t.Kind() != reflect.Struct || slices.Contains(outer, t) || !forced && !plainStruct(t) {
		return false
	}
	inner := c.fields(t, outer)
	taken := func(f *field) bool { _, ok := fs.byName[f.name]; return ok }
	if !forced && slices.ContainsFunc(inner.list, taken) {
		return false
	}
	for _, f := range inner.list {
		if !taken(f) {
			inlined := *f
			inlined.inlined = true
			inlined.index = append(slices.Clip(sf.Index), f.index...)
			inlined.locate(outer[len(outer)-1])
			fs.add(&inlined)
		}
	}
	return true
}

func (fs *fields) add(f *field) {
	if old := fs.byName[f.name]; old != nil && !old.inlined && !f.inlined && slices.Contains(fs.list, old) && old.name == f.name {
		fs.err = fmt.Errorf("fields %s and %s are both named %q", old.goName, f.goName, f.name)
	}
	fs.byName[f.name] = f
	fs.list = append(fs.list, f)
}

func (fs *fields) complete() {
	omittable, direct := 0, true
	for _, f := range fs.list {
		f.head = AppendString(nil, f.name)
		if fs.byName[f.name] == f {
			fs.named = append(fs.named, f)
		}
		direct = direct && len(f.hops) == 0
		if f.omitEmpty {
			omittable++
		}
	}
	// A nil takes a byte, a name two or more: if at least half of the fields are always there, the array is the shorter.
	fs.positional = direct && 2*omittable <= len(fs.list) && len(fs.named) == len(fs.list) && fs.err == nil
	if direct && omittable == 0 {
		fs.head = AppendMapHeader(nil, len(fs.named))
	}
}

// embedsStruct reports whether sf embeds a struct, whose exported fields can be
// reached though it is not exported itself.
func embedsStruct(sf reflect.StructField) bool {
	t := sf.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return sf.Anonymous && plainStruct(t)
}

// plainStruct reports whether t is a struct that is encoded field by field.
func plainStruct(t reflect.Type) bool {
	enc, _ := methodOf(t, encodings)
	dec, _ := methodOf(t, decodings)
	return t.Kind() == reflect.Struct && t != timeType && enc == "" && dec == ""
}

// hop is a pointer to an embedded struct on the way to a field.
type hop struct {
	offset   uintptr // of the pointer
	typ      reflect.Type
	exported bool // it can be set
}

// locate finds the way to a field of struct t by the indexes that lead there.
func (f *field) locate(t reflect.Type) {
	f.hops, f.offset = nil, 0
	for i, at := range f.index {
		sf := t.Field(at)
		f.offset += sf.Offset
		t = sf.Type
		if t.Kind() == reflect.Pointer && i < len(f.index)-1 {
			t = t.Elem()
			f.hops = append(f.hops, hop{f.offset, t, sf.IsExported()})
			f.offset = 0
		}
	}
}

// get returns where the field of the struct at p is, or false if an embedded pointer on the way is nil.
func (f *field) get(p unsafe.Pointer) (unsafe.Pointer, bool) {
	if len(f.hops) == 0 {
		return unsafe.Add(p, f.offset), true
	}
	return f.follow(p)
}

func (f *field) follow(p unsafe.Pointer) (unsafe.Pointer, bool) {
	for i := range f.hops {
		if p = *(*unsafe.Pointer)(unsafe.Add(p, f.hops[i].offset)); p == nil {
			return nil, false
		}
	}
	return unsafe.Add(p, f.offset), true
}

// reach is get for decoding: it allocates embedded structs on the way.
func (f *field) reach(p unsafe.Pointer) (unsafe.Pointer, error) {
	for i := range f.hops {
		h := &f.hops[i]
		next := (*unsafe.Pointer)(unsafe.Add(p, h.offset))
		if *next == nil {
			if !h.exported {
				return nil, fmt.Errorf("cannot set embedded pointer to unexported %s", h.typ)
			}
			*next = reflect.New(h.typ).UnsafePointer()
		}
		p = *next
	}
	return unsafe.Add(p, f.offset), nil
}

// tag is a parsed struct tag: name,option,key:value.
type tag struct {
	name    string
	options map[string]string
}

func (t tag) has(option string) bool {
	_, ok := t.options[option]
	return ok
}

func parseTag(s string) tag {
	t := tag{options: make(map[string]string)}
	for i, part := range strings.Split(s, ",") {
		key, value, keyed := strings.Cut(strings.TrimSpace(part), ":")
		switch {
		case keyed:
			t.options[key] = strings.Trim(value, "'")
		case i == 0:
			t.name = strings.Trim(key, "'")
		default:
			t.options[key] = ""
		}
	}
	return t
}
