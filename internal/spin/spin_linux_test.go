package spin

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPipeIsReadableWhenItHasBytes(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	ready := Readable(r)
	require.False(t, ready())
	_, err = w.WriteString("x")
	require.NoError(t, err)
	require.True(t, ready())
	_, err = r.Read(make([]byte, 8))
	require.NoError(t, err)
	require.False(t, ready())
	require.NoError(t, w.Close())
	require.False(t, ready(), "its end is not seen")
}
