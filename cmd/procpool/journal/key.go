package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Key names a task by its content: 128 bits of a SHA-256, so that nobody can make an input that passes for another.
type Key [16]byte

// KeyOf returns the key of a task: the function, the encoded argument, and what identifies the version of a file that the
// argument names; version is empty where it names none.
func KeyOf(function string, arg []byte, version string) Key {
	var stack [256]byte
	b := appendPart(stack[:0], function)
	b = appendPart(b, version)
	b = append(b, arg...)
	sum := sha256.Sum256(b)
	return Key(sum[:len(Key{})])
}

// appendPart appends text after its length, so that no two lists of parts are the same bytes.
func appendPart(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

const keyDigits = 2 * len(Key{})

func parseKey(digits []byte) (k Key, ok bool) {
	if len(digits) != keyDigits {
		return Key{}, false
	}
	_, err := hex.Decode(k[:], digits)
	return k, err == nil
}
