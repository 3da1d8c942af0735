package worker

import (
	"github.com/vmihailenco/msgpack/v5"

	"github.com/procpool/procpool/internal/codec"
)

// Raw is one encoded value: what Report sent, before anybody knows its type. As an
// argument or result it travels as it is.
type Raw []byte

// Decode decodes the value into v, a non-nil pointer.
func (r Raw) Decode(v any) error { return codec.DecodeInto(r, v) }

// EncodeMsgpack writes the value as it is; an empty Raw is nil.
func (r Raw) EncodeMsgpack(enc *msgpack.Encoder) error {
	return enc.Encode(msgpack.RawMessage(r))
}

// DecodeMsgpack takes the next value as it is.
func (r *Raw) DecodeMsgpack(dec *msgpack.Decoder) error {
	raw, err := dec.DecodeRaw()
	*r = Raw(raw)
	return err
}
