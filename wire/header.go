package wire

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const magic = 0xC170

// Header is the fixed part of a frame.
type Header struct {
	Kind   Kind
	Count  uint32 // items in Tasks and Results
	ID     uint64 // batch
	Length uint64 // bytes of payload
	Arg    uint32 // offset into the batch, by kind
}

// String is for logs and errors.
func (h Header) String() string {
	return fmt.Sprintf("%v id=%d arg=%d count=%d length=%d", h.Kind, h.ID, h.Arg, h.Count, h.Length)
}

// Put writes the header to the first HeaderSize bytes of b.
func (h Header) Put(b []byte) {
	_ = b[HeaderSize-1]
	binary.BigEndian.PutUint16(b[0:], magic)
	b[2] = Version
	b[3] = byte(h.Kind)
	binary.BigEndian.PutUint32(b[4:], h.Count)
	binary.BigEndian.PutUint64(b[8:], h.ID)
	binary.BigEndian.PutUint64(b[16:], h.Length)
	binary.BigEndian.PutUint32(b[24:], h.Arg)
	binary.BigEndian.PutUint32(b[28:], crc32.ChecksumIEEE(b[:28]))
}

// Append appends the header to dst.
func (h Header) Append(dst []byte) []byte {
	var b [HeaderSize]byte
	h.Put(b[:])
	return append(dst, b[:]...)
}

// ParseHeader reads a header from the first HeaderSize bytes of b. It knows
// nothing of direction, state or limits.
func ParseHeader(b []byte) (Header, error) {
	_ = b[HeaderSize-1]
	switch {
	case binary.BigEndian.Uint16(b) != magic:
		return Header{}, violation(b, "no frame begins here")
	case b[2] != Version:
		return Header{}, violation(nil, "protocol version %d, want %d", b[2], Version)
	case binary.BigEndian.Uint32(b[28:]) != crc32.ChecksumIEEE(b[:28]):
		return Header{}, violation(b[:HeaderSize], "damaged header")
	}
	return Header{
		Kind:   Kind(b[3]),
		Count:  binary.BigEndian.Uint32(b[4:]),
		ID:     binary.BigEndian.Uint64(b[8:]),
		Length: binary.BigEndian.Uint64(b[16:]),
		Arg:    binary.BigEndian.Uint32(b[24:]),
	}, nil
}

// AppendControl appends a whole frame that is neither Tasks nor Results.
func AppendControl(dst []byte, kind Kind, id uint64, arg uint32, payload []byte) []byte {
	dst = Header{Kind: kind, ID: id, Arg: arg, Length: uint64(len(payload))}.Append(dst)
	return append(dst, payload...)
}
