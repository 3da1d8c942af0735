package worker

import (
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

// Args2 holds two arguments for a function of Register2. It travels as an array of two.
type Args2[A, B any] struct {
	A A
	B B
}

// Args3 holds three arguments for a function of Register3. It travels as an array of three.
type Args3[A, B, C any] struct {
	A A
	B B
	C C
}

// Pack2 packs the arguments of a function of Register2.
func Pack2[A, B any](a A, b B) Args2[A, B] { return Args2[A, B]{a, b} }

// Pack3 packs the arguments of a function of Register3.
func Pack3[A, B, C any](a A, b B, c C) Args3[A, B, C] { return Args3[A, B, C]{a, b, c} }

// EncodeMsgpack writes the arguments as an array.
func (p Args2[A, B]) EncodeMsgpack(enc *msgpack.Encoder) error { return encodeArray(enc, &p.A, &p.B) }

// DecodeMsgpack reads the arguments from an array of two.
func (p *Args2[A, B]) DecodeMsgpack(dec *msgpack.Decoder) error { return decodeArray(dec, &p.A, &p.B) }

// EncodeMsgpack writes the arguments as an array.
func (p Args3[A, B, C]) EncodeMsgpack(enc *msgpack.Encoder) error {
	return encodeArray(enc, &p.A, &p.B, &p.C)
}

// DecodeMsgpack reads the arguments from an array of three.
func (p *Args3[A, B, C]) DecodeMsgpack(dec *msgpack.Decoder) error {
	return decodeArray(dec, &p.A, &p.B, &p.C)
}

func encodeArray(enc *msgpack.Encoder, values ...any) error {
	if err := enc.EncodeArrayLen(len(values)); err != nil {
		return err
	}
	return enc.EncodeMulti(values...)
}

func decodeArray(dec *msgpack.Decoder, values ...any) error {
	n, err := dec.DecodeArrayLen()
	if err != nil {
		return err
	}
	if n != len(values) {
		return fmt.Errorf("%d arguments, want %d", n, len(values))
	}
	return dec.DecodeMulti(values...)
}
