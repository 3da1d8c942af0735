package remote

import (
	"reflect"
	"slices"
)

// maxVisits bounds the search for sentinels below the part of the tree that
// travels, and how many errors of one joined error are looked at.
const maxVisits = 1024

// builder makes the tree of an error, level by level: what is near the top gets
// its share of the room before what is deep below a neighbour.
type builder struct {
	known  *snapshot
	room   room
	queue  []*branch
	hidden []hidden
}

// branch is an error that travels, and the node that it becomes.
type branch struct {
	err   error
	node  *Error
	above *branch
	depth int
}

// hidden is an error that does not travel, and the last node above it that does.
type hidden struct {
	err  error
	node *Error
}

func build(err error) *Error {
	b := builder{known: load(), room: fullRoom()}
	b.room.node()
	top := &branch{err: err, node: &Error{}, depth: 1}
	b.queue = append(b.queue, top)
	for i := 0; i < len(b.queue); i++ { //nolint:intrange // fill makes the queue longer
		b.fill(b.queue[i])
	}
	b.search()
	return top.node
}

func (b *builder) fill(at *branch) {
	e, err := at.node, at.err
	e.Type = b.name(typeName(err))
	e.Message = b.text(err)
	e.Is = b.sentinels(err, nil)
	e.As, e.Data = b.value(err)
	for _, inner := range b.inner(err) {
		b.branch(at, inner)
	}
}

func (b *builder) branch(at *branch, err error) {
	switch {
	case at.isBelow(err): // it wraps itself
	case at.depth == maxDepth || !b.room.node():
		b.hidden = append(b.hidden, hidden{err, at.node})
	default:
		next := &branch{err: err, node: &Error{}, above: at, depth: at.depth + 1}
		at.node.Causes = append(at.node.Causes, next.node)
		b.queue = append(b.queue, next)
	}
}

// isBelow reports whether err is at or above at. What cannot be compared cannot
// be recognised; the caps hold for it.
func (at *branch) isBelow(err error) bool {
	for ; at != nil; at = at.above {
		if same(at.err, err) {
			return true
		}
	}
	return false
}

// search notes the sentinels of what does not travel.
func (b *builder) search() {
	for i := 0; i < len(b.hidden) && i < maxVisits; i++ {
		h := b.hidden[i]
		h.node.Is = b.sentinels(h.err, h.node.Is)
		if len(b.hidden) >= maxVisits {
			continue
		}
		for _, inner := range safeUnwrap(h.err) {
			b.hidden = append(b.hidden, hidden{inner, h.node})
		}
	}
}

// inner lists what err wraps and what its As method offers besides.
func (b *builder) inner(err error) []error {
	list := safeUnwrap(err)
	as, ok := err.(interface{ As(any) bool })
	if !ok {
		return list
	}
	for _, k := range b.known.kinds {
		// Its own type is left out: this value travels anyway.
		if k.typ == reflect.TypeOf(err) {
			continue
		}
		if v := safeAs(as, k.typ); v != nil && !has(list, v) {
			list = append(list, v)
		}
	}
	return list
}

func has(list []error, err error) bool {
	return slices.ContainsFunc(list, func(other error) bool { return same(other, err) })
}

// sentinels adds to names those that errors.Is would find at err itself, without
// unwrapping it.
func (b *builder) sentinels(err error, names []string) []string {
	is, _ := err.(interface{ Is(error) bool })
	for _, s := range b.known.sentinels {
		matches := (s.comparable && same(err, s.err)) || (is != nil && safeIs(is, s.err))
		if !matches || len(names) == maxNames || slices.Contains(names, s.name) {
			continue
		}
		if name := b.name(s.name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// value encodes a value of a registered type. Where that fails the error goes on
// without it.
func (b *builder) value(err error) (as string, data []byte) {
	k := b.known.byType[reflect.TypeOf(err)]
	if k == nil {
		return "", nil
	}
	data, ok := safeAppend(k, err)
	if !ok || !b.room.value(len(data)) {
		return "", nil
	}
	if as = b.name(k.name); as == "" {
		return "", nil
	}
	return as, data
}

// text does not ask for a text that there is no room for: each level of a
// joined error builds the texts of all levels below it.
func (b *builder) text(err error) string {
	if b.room.texts == 0 {
		return ""
	}
	return b.room.text(sentText(safeText(err)))
}

func (b *builder) name(s string) string {
	if !b.room.name(len(s)) {
		return ""
	}
	return s
}
