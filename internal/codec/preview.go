package codec

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// Preview writes the value at the front of src as a person reads it, in much the way of JSON, in at most so many bytes. src may be cut off, damaged or hostile: where the value
// or the room ends stands an ellipsis, and nothing in it can drive a terminal. t is the type that was encoded, which names the fields of structs that travel as arrays; nil where it is not
// known. It calls nothing of the user's and takes no more time than what it writes.
func Preview(src []byte, t reflect.Type, most int) string {
	p := previewer{rest: src, most: most - len(ellipsis)}
	var n *node
	if t != nil {
		n = nodeOf(t)
	}
	if !p.value(n, previewDepth) {
		p.out = append(cutRunes(p.out, p.most), ellipsis...)
	}
	return string(p.out)
}

const (
	ellipsis     = "…"
	previewDepth = 8
	previewBytes = 24 // of a byte string
)

// previewer writes a preview. Its methods are false where nothing more is to be written.
type previewer struct {
	rest []byte
	out  []byte
	most int
}

// put appends text, which is whole if that is true.
func (p *previewer) put(text string) bool {
	p.out = append(p.out, text...)
	return len(p.out) <= p.most
}

// take cuts n bytes off what is left.
func (p *previewer) take(n int) (b []byte, ok bool) {
	if n > len(p.rest) {
		b, p.rest = p.rest, nil
		return b, false
	}
	b, p.rest = p.rest[:n], p.rest[n:]
	return b, true
}

func (p *previewer) value(n *node, depth int) bool {
	for n != nil && n.typ.Kind() == reflect.Pointer {
		n = n.elem
	}
	if len(p.rest) == 0 || depth == 0 {
		return false
	}
	c := p.rest[0]
	f := forms[c]
	if int(f.size) > len(p.rest) && f.class != classFixed {
		return false
	}
	switch f.class {
	case classArray:
		head, _ := p.take(int(f.size))
		return p.array(n, count(head, f.size), depth)
	case classMap:
		head, _ := p.take(int(f.size))
		return p.mapping(n, count(head, f.size), depth)
	case classBytes:
		head, _ := p.take(int(f.size))
		return p.bytes(kindOf[c], count(head, f.size)+uint64(f.extra))
	case classInvalid:
		return false
	}
	if kindOf[c] == kindString { // a short one
		p.rest = p.rest[1:]
		return p.bytes(kindString, uint64(f.size-1))
	}
	b, ok := p.take(int(f.size))
	return ok && p.put(scalarText(b))
}

// array writes n values; those of a struct with its fields' names.
func (p *previewer) array(n *node, items uint64, depth int) bool {
	var fs *fields
	var elem *node
	if n != nil {
		fs, elem = n.fields, n.elem
	}
	named := fs != nil && !fs.asArray && uint64(len(fs.list)) == items
	ends := "[]"
	if named {
		ends = "{}"
	}
	ok := p.put(ends[:1])
	for i := uint64(0); i < items && ok; i++ {
		if i > 0 {
			ok = p.put(", ")
		}
		if fs != nil && i < uint64(len(fs.list)) {
			elem = fs.list[i].node
		}
		if named {
			ok = ok && p.put(strconv.Quote(fs.list[i].name)+": ")
		}
		ok = ok && p.value(elem, depth-1)
	}
	return ok && p.put(ends[1:])
}

func (p *previewer) mapping(n *node, pairs uint64, depth int) bool {
	ok := p.put("{")
	for i := uint64(0); i < pairs && ok; i++ {
		if i > 0 {
			ok = p.put(", ")
		}
		name := p.rest
		ok = ok && p.value(nil, depth-1) && p.put(": ") && p.value(elemOf(n, name), depth-1)
	}
	return ok && p.put("}")
}

// elemOf returns the plan of the value behind a key.
func elemOf(n *node, key []byte) *node {
	switch {
	case n == nil:
		return nil
	case n.fields == nil:
		return n.elem
	case len(key) == 0 || kindOf[key[0]] != kindString:
		return nil
	}
	k := previewer{rest: key}
	f := forms[key[0]]
	size := uint64(f.size - 1)
	if f.class == classBytes {
		if int(f.size) > len(key) {
			return nil
		}
		size = count(key, f.size)
		k.rest = key[f.size:]
	} else {
		k.rest = key[1:]
	}
	name, _ := k.take(int(min(size, uint64(len(key)))))
	if field := n.fields.byName[string(name)]; field != nil {
		return field.node
	}
	return nil
}

// bytes writes a text, a byte string or an extension of so many bytes.
func (p *previewer) bytes(k kind, size uint64) bool {
	b, whole := p.take(int(min(size, math.MaxInt32)))
	if k == kindString || k == kindBytes && isText(b) {
		shown := cutRunes(b, p.most)
		p.out = strconv.AppendQuote(p.out, string(shown))
		if !whole || len(shown) < len(b) {
			p.out = p.out[:len(p.out)-1] // the quotation goes on
			return false
		}
		return len(p.out) <= p.most
	}
	p.out = hex.AppendEncode(append(p.out, "0x"...), b[:min(len(b), previewBytes)])
	if size > previewBytes {
		p.out = fmt.Appendf(p.out, "%s (%d bytes)", ellipsis, size)
	}
	return whole && len(p.out) <= p.most
}

// isText reports whether a byte string is better read as a text.
func isText(b []byte) bool {
	for i := 0; i < len(b) && i < 256; {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && utf8.FullRune(b[i:]) || !unicode.IsPrint(r) && r != '\n' && r != '\t' && r != utf8.RuneError {
			return false
		}
		i += n
	}
	return len(b) > 0
}

// cutRunes returns at most the first bytes of b, without a part of a character at the end.
func cutRunes(b []byte, most int) []byte {
	if len(b) <= most {
		return b
	}
	b = b[:max(most, 0)]
	for i := 1; i <= min(utf8.UTFMax, len(b)); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-i:]) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}

// scalarText writes an item of fixed size.
func scalarText(b []byte) string {
	c, body := b[0], b[1:]
	var raw [8]byte
	copy(raw[8-min(len(body), 8):], body)
	bits := binary.BigEndian.Uint64(raw[:])
	switch {
	case c < codeFixMap:
		return strconv.Itoa(int(c))
	case c >= codeNegFix:
		return strconv.Itoa(int(int8(c)))
	case c == codeNil:
		return "null"
	case c == codeFalse:
		return "false"
	case c == codeTrue:
		return "true"
	case c == codeFloat32:
		return strconv.FormatFloat(float64(math.Float32frombits(uint32(bits))), 'g', -1, 32)
	case c == codeFloat64:
		return strconv.FormatFloat(math.Float64frombits(bits), 'g', -1, 64)
	case c >= codeUint8 && c <= codeUint64:
		return strconv.FormatUint(bits, 10)
	case c >= codeInt8 && c <= codeInt64:
		unused := 64 - 8*len(body)
		return strconv.FormatInt(int64(bits<<unused)>>unused, 10)
	}
	return "0x" + hex.EncodeToString(body) // an extension
}
