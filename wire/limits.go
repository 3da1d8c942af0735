package wire

const (
	// Version is the protocol's version. Both sides must have the same.
	Version = 1

	// HeaderSize is the size of a frame's header in bytes.
	HeaderSize = 32

	// CookieSize is the number of characters of the cookie.
	CookieSize = 32

	// MaxBeforeCookie is how much a program may print on the wire before the cookie.
	MaxBeforeCookie = 64 << 10

	// MaxBatches is how many batches may be unanswered on one pipe.
	MaxBatches = 16

	// MaxBatchItems is how many tasks one frame may hold.
	MaxBatchItems = 1 << 16

	// MaxBatchBytes bounds the payload of Tasks and Results with more than one item.
	MaxBatchBytes = 4 << 20

	// MaxControlBytes bounds the payload of every frame but Tasks and Results.
	MaxControlBytes = 1 << 20

	// ItemSlack is what a Tasks or Results payload of one item may hold beside the value.
	ItemSlack = 64 << 10

	// MaxPayload is the largest value that can be agreed on in Welcome: msgpack
	// counts the bytes of a string in 32 bits.
	MaxPayload = 1<<32 - 1
)

// Limit returns how many bytes the payload of a frame with header h may have
// where single values may have maxPayload bytes.
func Limit(h Header, maxPayload uint64) uint64 {
	switch {
	case h.Kind != Tasks && h.Kind != Results:
		return MaxControlBytes
	case h.Count > 1:
		return MaxBatchBytes
	default:
		return maxPayload + ItemSlack
	}
}
