package wire

import (
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/procpool/procpool/internal/codec"
)

// Carrier is what a tracer in the parent lets the tasks of a batch know: names and values, as the headers of a request are, encoded as a msgpack map
// of strings. It travels unread: nobody decodes it but a task that asks. The zero Carrier is none.
type Carrier string

// MaxCarrierBytes bounds an encoded Carrier.
const MaxCarrierBytes = 8 << 10

// NewCarrier encodes names and values, in the order of the names. What takes more than MaxCarrierBytes is an error that Is ErrTooLarge, and what is no
// UTF-8 an error too.
func NewCarrier(pairs map[string]string) (Carrier, error) {
	if len(pairs) == 0 {
		return "", nil
	}
	size := 3 // the head of the map is no longer
	for name, value := range pairs {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return "", fmt.Errorf("a carrier whose %q is no UTF-8", name)
		}
		size += len(name) + len(value) + 6 // nor are those of two strings
	}
	if size > MaxCarrierBytes {
		return "", fmt.Errorf("%w: %d bytes for a carrier, more than %d", ErrTooLarge, size, MaxCarrierBytes)
	}
	dst := make([]byte, 0, size)
	if n := len(pairs); n < 16 {
		dst = append(dst, 0x80|byte(n))
	} else {
		dst = append(dst, 0xde, byte(n>>8), byte(n))
	}
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		dst = appendString(appendString(dst, name), pairs[name])
	}
	return Carrier(dst), nil
}

// Pairs decodes the carrier. It returns nil for none, and for one that is no map of strings.
func (c Carrier) Pairs() map[string]string {
	if c == "" {
		return nil
	}
	s := scanner{rest: []byte(c)}
	pairs := map[string]string{}
	for range s.mapping() {
		name := s.str()
		pairs[name] = s.str()
		if s.bad {
			return nil
		}
	}
	if s.bad || len(s.rest) > 0 {
		return nil
	}
	return pairs
}

// carrier reads the element after the last named one. What is no map or too long is passed over: a trace is not worth a task.
func (s *scanner) carrier() Carrier {
	n, err := codec.Check(s.rest)
	if err != nil {
		s.fail()
		return ""
	}
	value := s.rest[:n]
	s.rest = s.rest[n:]
	isMap := value[0]&0xf0 == 0x80 || value[0] == 0xde || value[0] == 0xdf
	if n > MaxCarrierBytes || !isMap {
		return ""
	}
	return Carrier(value)
}
