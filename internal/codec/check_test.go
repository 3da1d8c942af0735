package codec

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func header32(code byte, n uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{code}, n)
}

func nested(code string, depth int) []byte { return []byte(strings.Repeat(code, depth) + "\xc0") }

func TestCheckMeasuresTheFirstValue(t *testing.T) {
	for _, s := range []string{
		"00", "7f", "ff", "c0", "c2", "c3", "a0", "a3616263", "90", "80", "9301a16190", "8201020304", "8101810203",
		"cc01", "cd0001", "ce00000001", "cf0000000000000001", "d001", "d10001", "d200000001", "d30000000000000001",
		"ca00000000", "cb0000000000000000", "c40101", "c5000101", "c60000000101", "d90161", "da000161", "db0000000161",
		"dc000101", "dd0000000101", "de00010101", "df000000010101",
		"d4ff00", "d5ff0000", "d6ff00000000", "d7ff0000000000000000", "d8ff00000000000000000000000000000000",
		"c702ff0000", "c80002ff0000", "c900000002ff0000", "c700ff",
	} {
		b, err := hex.DecodeString(s)
		require.NoError(t, err)
		require.NoError(t, CheckOne(b), s)
		n, err := Check(append(b, 1, 2, 3))
		require.NoError(t, err)
		require.Equal(t, len(b), n)
		require.ErrorIs(t, CheckOne(append(b, 0)), ErrTrailing)
		for i := range b {
			_, err := Check(b[:i])
			require.Error(t, err, "%s cut at %d", s, i)
		}
	}
}

func TestCheckRefusesWhatIsNoValue(t *testing.T) {
	run(t, []row{
		{"nothing", refused(nil, ErrTruncated)},
		{"the byte 0xc1", refused([]byte{codeNever}, ErrInvalid)},
		{"the byte 0xc1 inside", refused([]byte{0x92, 1, codeNever}, ErrInvalid)},
		{"an array of 2^32-1 in 5 bytes", refused(header32(codeArray32, 1<<32-1), errDeclared)},
		{"a map of 2^32-1 in 5 bytes", refused(header32(codeMap32, 1<<32-1), errDeclared)},
		{"a map of one byte per pair", refused(append(header32(codeMap32, 8), make([]byte, 15)...), errDeclared)},
		{"bytes of 2^32-1 in 5 bytes", refused(header32(codeBin32, 1<<32-1), errDeclared)},
		{"a string of 2^32-1 in 5 bytes", refused(header32(codeStr32, 1<<32-1), errDeclared)},
		{"an extension of 2^32-1 in 6 bytes", refused(append(header32(codeExt32, 1<<32-1), 1), errDeclared)},
		{"arrays that each claim all that is left", refused([]byte(strings.Repeat("\xdd\x00\x00\x01\x00", 100)), errDeclared)},
		{"1001 arrays", refused(nested("\x91", 1001), ErrTooDeep)},
		{"1001 maps", refused(nested("\x81\xa0", 1001), ErrTooDeep)},
		{"a million arrays", refused(nested("\x91", 1_000_000), ErrTooDeep)},
		{"an empty array below 1000 others", refused([]byte(strings.Repeat("\x91", 1000)+"\x90"), ErrTooDeep)},
	})
}

func refused(b []byte, want error) func(t *testing.T) {
	return func(t *testing.T) {
		_, err := Check(b)
		require.ErrorIs(t, err, want)
		var v any
		require.Error(t, For[any]().Decode(b, &v))
	}
}

func TestAThousandLevelsAreAccepted(t *testing.T) {
	for _, code := range []string{"\x91", "\x81\xa0"} {
		b := nested(code, MaxDepth)
		require.NoError(t, CheckOne(b))
		var v any
		require.NoError(t, For[any]().Decode(b, &v))
		out, err := For[any]().Append(nil, &v)
		require.NoError(t, err)
		require.Equal(t, b, out)
	}
}
