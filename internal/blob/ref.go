package blob

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/procpool/procpool/internal/codec"
)

// Token names a piece of memory: in arguments the pool's name for it, in results the index of an offer.
type Token uint64

// MaxOffers is how many pieces of memory may go with one result.
const MaxOffers = 1024

var errBadRef = errors.New("the reference makes no sense")

// MakeRef returns the reference to a piece of memory.
func MakeRef(t Token, size int) (ref codec.Ref) {
	binary.BigEndian.PutUint64(ref[:], uint64(t))
	binary.BigEndian.PutUint64(ref[8:], uint64(size))
	return ref
}

// ParseRef reads what MakeRef wrote.
func ParseRef(ref codec.Ref) (t Token, size int, err error) {
	n := binary.BigEndian.Uint64(ref[8:])
	if n > math.MaxInt {
		return 0, 0, errBadRef
	}
	return Token(binary.BigEndian.Uint64(ref[:])), int(n), nil
}

// Carrier is the codec's Carrier of a value that may hold Blobs.
type Carrier interface {
	codec.Carrier
	// Pack makes a reference of a Handle. Where the other side cannot follow one it returns the contents instead.
	Pack(h *Handle) (ref codec.Ref, contents []byte, err error)
	// Unpack makes a Handle of a reference.
	Unpack(ref codec.Ref) (*Handle, error)
	// Fill makes a Handle of contents, which stay the caller's.
	Fill(contents []byte) (*Handle, error)
}
