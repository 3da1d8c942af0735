package wire

import (
	"encoding/binary"

	"github.com/procpool/procpool/internal/codec"
)

// scanner reads the few msgpack forms that heads are made of. After the first
// thing that is not as expected bad is set and everything reads as zero.
type scanner struct {
	rest []byte
	bad  bool
}

func (s *scanner) fail() {
	s.bad = true
	s.rest = nil
}

func (s *scanner) uint() uint64 {
	n, size := readUint(s.rest)
	if size == 0 {
		s.fail()
		return 0
	}
	s.rest = s.rest[size:]
	return n
}

// index reads a non-negative integer, or any negative one as -1.
func (s *scanner) index() int {
	if len(s.rest) > 0 && s.rest[0] >= 0xe0 {
		s.rest = s.rest[1:]
		return -1
	}
	n := s.uint()
	if n > 1<<62 {
		s.fail()
		return 0
	}
	return int(n)
}

// array reads the header of an array.
func (s *scanner) array() int {
	switch {
	case len(s.rest) >= 1 && s.rest[0]&0xf0 == 0x90:
		n := int(s.rest[0] & 0x0f)
		s.rest = s.rest[1:]
		return n
	case len(s.rest) >= 3 && s.rest[0] == 0xdc:
		n := int(binary.BigEndian.Uint16(s.rest[1:]))
		s.rest = s.rest[3:]
		return n
	case len(s.rest) >= 5 && s.rest[0] == 0xdd:
		n := binary.BigEndian.Uint32(s.rest[1:])
		s.rest = s.rest[5:]
		if int64(n) > int64(len(s.rest)) { // an element has a byte at least
			break
		}
		return int(n)
	}
	s.fail()
	return 0
}

// mapping reads the header of a map and returns how many pairs it has.
func (s *scanner) mapping() int {
	n, size := uint32(0), 0
	switch {
	case len(s.rest) >= 1 && s.rest[0]&0xf0 == 0x80:
		n, size = uint32(s.rest[0]&0x0f), 1
	case len(s.rest) >= 3 && s.rest[0] == 0xde:
		n, size = uint32(binary.BigEndian.Uint16(s.rest[1:])), 3
	case len(s.rest) >= 5 && s.rest[0] == 0xdf:
		n, size = binary.BigEndian.Uint32(s.rest[1:]), 5
	}
	if size == 0 || 2*uint64(n) > uint64(len(s.rest)-size) { // a pair has two bytes at least
		s.fail()
		return 0
	}
	s.rest = s.rest[size:]
	return int(n)
}

// str reads a string.
func (s *scanner) str() string {
	n, size := uint32(0), 0
	switch {
	case len(s.rest) >= 1 && s.rest[0]&0xe0 == 0xa0:
		n, size = uint32(s.rest[0]&0x1f), 1
	case len(s.rest) >= 2 && s.rest[0] == 0xd9:
		n, size = uint32(s.rest[1]), 2
	case len(s.rest) >= 3 && s.rest[0] == 0xda:
		n, size = uint32(binary.BigEndian.Uint16(s.rest[1:])), 3
	case len(s.rest) >= 5 && s.rest[0] == 0xdb:
		n, size = binary.BigEndian.Uint32(s.rest[1:]), 5
	}
	if size == 0 || int64(n) > int64(len(s.rest)-size) {
		s.fail()
		return ""
	}
	end := size + int(n)
	text := string(s.rest[size:end])
	s.rest = s.rest[end:]
	return text
}

// skip passes over one value of any kind.
func (s *scanner) skip() {
	n, err := codec.Check(s.rest)
	if err != nil {
		s.fail()
		return
	}
	s.rest = s.rest[n:]
}

func appendString(dst []byte, text string) []byte {
	switch n := len(text); {
	case n < 32:
		dst = append(dst, 0xa0|byte(n))
	case n < 256:
		dst = append(dst, 0xd9, byte(n))
	default: // names of functions are at most 65535 bytes: Register sees to it
		dst = append(dst, 0xda, byte(n>>8), byte(n))
	}
	return append(dst, text...)
}
