package remote

import (
	"errors"
	"fmt"
	"slices"

	"github.com/procpool/procpool/internal/codec"
)

// unknownText stands for a text that a foreign worker does not send.
const unknownText = "unknown error"

var errMalformed = errors.New("not of the form that was expected")

// Parse reads one error, which must be all of src. The bytes may come from a
// process that has gone mad: their structure is checked first, then every cap is
// applied again, and what does not fit the form is ignored. An error is returned
// only for what is no msgpack value, or no map. The result does not refer to src.
func Parse(src []byte) (*Error, error) {
	if err := codec.CheckOne(src); err != nil {
		return nil, fmt.Errorf("error from a worker: %w", err)
	}
	p := parser{reader: reader{rest: src}, room: fullRoom()}
	e := p.node(1)
	if e == nil {
		return nil, fmt.Errorf("error from a worker: %w", errMalformed)
	}
	return e, nil
}

// parser walks checked bytes. It descends to maxDepth and skips what lies deeper
// without recursion.
type parser struct {
	reader
	room room
}

// node reads the next value. It returns nil, with the value skipped, if that is
// not a map or over a cap.
func (p *parser) node(depth int) *Error {
	n, ok := p.nodeHeader(depth)
	if !ok {
		p.skip()
		return nil
	}
	e := &Error{Message: unknownText}
	for range n {
		p.pair(e, depth)
	}
	if e.As == "" {
		e.Data = nil
	}
	return e
}

// nodeHeader leaves the value where it is if there is no room for it.
func (p *parser) nodeHeader(depth int) (int, bool) {
	if depth > maxDepth || p.room.nodes == 0 {
		return 0, false
	}
	n, ok := p.mapHeader()
	return n, ok && p.room.node()
}

func (p *parser) pair(e *Error, depth int) {
	key, ok := p.text()
	if !ok {
		p.skip()
	}
	switch string(key) {
	case "type":
		p.name(&e.Type)
	case "msg":
		p.message(&e.Message)
	case "is":
		p.names(&e.Is)
	case "as":
		p.name(&e.As)
	case "data":
		p.data(&e.Data)
	case "causes":
		p.causes(&e.Causes, depth)
	default:
		p.skip()
	}
}

func (p *parser) message(to *string) {
	raw, ok := p.text()
	if !ok {
		p.skip()
		return
	}
	*to = p.room.text(receivedText(string(raw[:min(len(raw), maxText+1)])))
}

// name reads a name that is within the cap and printable; others cannot be
// registered or are no types, and are dropped.
func (p *parser) name(to *string) {
	raw, ok := p.text()
	if !ok {
		p.skip()
		return
	}
	if p.room.name(len(raw)) {
		*to = receivedText(string(raw))
	}
}

func (p *parser) names(to *[]string) {
	n, ok := p.arrayHeader()
	if !ok {
		p.skip()
		return
	}
	var list []string
	for range n {
		name := ""
		if p.name(&name); name != "" && len(list) < maxNames && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	*to = list
}

func (p *parser) data(to *[]byte) {
	raw, ok := p.bytes()
	if !ok {
		p.skip()
		return
	}
	if p.room.value(len(raw)) {
		*to = slices.Clone(raw)
	}
}

func (p *parser) causes(to *[]*Error, depth int) {
	n, ok := p.arrayHeader()
	if !ok {
		p.skip()
		return
	}
	var list []*Error
	for range n {
		if e := p.node(depth + 1); e != nil {
			list = append(list, e)
		}
	}
	*to = list
}
