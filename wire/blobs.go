package wire

import "encoding/binary"

// FetchOnce is the arg of a Fetch whose answer the worker does not keep.
const FetchOnce = 1

// AppendToken appends a Fetch or Forget frame.
func AppendToken(dst []byte, kind Kind, arg uint32, token uint64) []byte {
	return AppendControl(dst, kind, 0, arg, binary.BigEndian.AppendUint64(nil, token))
}

// ParseToken reads the payload of a Fetch or Forget.
func ParseToken(f Frame) (token uint64, err error) {
	if len(f.Payload) != 8 {
		return 0, violation(f.Payload, "%v of %d bytes, want 8", f.Kind, len(f.Payload))
	}
	return binary.BigEndian.Uint64(f.Payload), nil
}

// OfferBody is the payload of an Offer: nine bytes.
type OfferBody struct {
	Bytes bool   // it is a byte slice of the result, not a Blob
	Token uint64 // memory that the pool has; 0 where a descriptor comes by the link
}

// AppendOffer appends an Offer of a task's result.
func AppendOffer(dst []byte, id uint64, arg uint32, o OfferBody) []byte {
	payload := make([]byte, 1, 9)
	if o.Bytes {
		payload[0] = 1
	}
	return AppendControl(dst, Offer, id, arg, binary.BigEndian.AppendUint64(payload, o.Token))
}

// ParseOffer reads the payload of an Offer.
func ParseOffer(f Frame) (o OfferBody, err error) {
	if len(f.Payload) != 9 || f.Payload[0] > 1 {
		return o, violation(f.Payload, "Offer that does not decode")
	}
	return OfferBody{Bytes: f.Payload[0] == 1, Token: binary.BigEndian.Uint64(f.Payload[1:])}, nil
}
