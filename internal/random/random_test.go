package random_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/random"
)

func TestNoTwoAreAlike(t *testing.T) {
	seen := map[[16]byte]bool{}
	for range 1000 {
		var b [16]byte
		random.Read(b[:])
		require.False(t, seen[b])
		seen[b] = true
	}
}

func TestAllOfAPieceIsFilled(t *testing.T) {
	b := make([]byte, 4096) // more than one getrandom gives at once where signals come
	random.Read(b)
	for i := 0; i < len(b); i += 32 {
		require.NotEqual(t, make([]byte, 32), b[i:i+32])
	}
}
