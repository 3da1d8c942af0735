package wire

import "encoding/binary"

// AppendUint appends n as the shortest msgpack unsigned integer.
func AppendUint(dst []byte, n uint64) []byte {
	switch {
	case n < 0x80:
		return append(dst, byte(n))
	case n <= 0xff:
		return append(dst, 0xcc, byte(n))
	case n <= 0xffff:
		return append(dst, 0xcd, byte(n>>8), byte(n))
	case n <= 0xffffffff:
		return binary.BigEndian.AppendUint32(append(dst, 0xce), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 0xcf), n)
	}
}

// UintSize returns how many bytes AppendUint appends for n.
func UintSize(n uint64) int {
	switch {
	case n < 0x80:
		return 1
	case n <= 0xff:
		return 2
	case n <= 0xffff:
		return 3
	case n <= 0xffffffff:
		return 5
	default:
		return 9
	}
}

// readUint reads one msgpack non-negative integer from the front of b and returns how many
// bytes it takes; 0 means that there is none. Signed forms are taken
// too, since some encoders use them for what is not negative.
func readUint(b []byte) (n uint64, size int) {
	if len(b) == 0 {
		return 0, 0
	}
	if b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	switch c := b[0]; c {
	case 0xcc, 0xd0:
		if len(b) >= 2 && (c == 0xcc || b[1] < 0x80) {
			return uint64(b[1]), 2
		}
	case 0xcd, 0xd1:
		if len(b) >= 3 && (c == 0xcd || b[1] < 0x80) {
			return uint64(binary.BigEndian.Uint16(b[1:])), 3
		}
	case 0xce, 0xd2:
		if len(b) >= 5 && (c == 0xce || b[1] < 0x80) {
			return uint64(binary.BigEndian.Uint32(b[1:])), 5
		}
	case 0xcf, 0xd3:
		if len(b) >= 9 && (c == 0xcf || b[1] < 0x80) {
			return binary.BigEndian.Uint64(b[1:]), 9
		}
	}
	return 0, 0
}
