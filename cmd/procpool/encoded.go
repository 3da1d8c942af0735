package main

import (
	"bytes"

	"github.com/vmihailenco/msgpack/v5"
)

// encoder encodes arguments and values for the journal: as they travel, with the keys of maps in order, so that the same
// argument is always the same bytes.
type encoder struct {
	buf bytes.Buffer
	enc *msgpack.Encoder
}

func newEncoder() *encoder {
	e := &encoder{}
	e.enc = msgpack.NewEncoder(&e.buf)
	e.enc.SetSortMapKeys(true)
	return e
}

// encode returns bytes that are valid until the next call.
func (e *encoder) encode(v any) ([]byte, error) {
	e.buf.Reset()
	err := e.enc.Encode(v)
	return e.buf.Bytes(), err
}

func (t *typed[A, R]) encode(e *encoder, it item) ([]byte, string, error) {
	arg, err := t.arg(it)
	if err != nil {
		return nil, "", err
	}
	b, err := e.encode(arg)
	if t.path != nil {
		return b, t.path(arg), err
	}
	path, _ := any(arg).(string)
	return b, path, err
}

func (t *typed[A, R]) decode(b []byte) (any, error) {
	var r R
	err := msgpack.Unmarshal(b, &r)
	return r, err
}

func (t *typed[A, R]) sums() bool { return t.sum != nil }
