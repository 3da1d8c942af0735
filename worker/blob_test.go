package worker_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/worker"
)

func TestABlobPrintsItsLengthAndRefusesJSON(t *testing.T) {
	b, err := worker.NewBlob([]byte("ten bytes."))
	require.NoError(t, err)
	require.Equal(t, "Blob(10 bytes)", fmt.Sprint(b))
	require.Equal(t, "{Blob(10 bytes)}", fmt.Sprint(struct{ Text worker.Blob }{b}))
	require.Equal(t, "Blob(0 bytes)", worker.Blob{}.String())
	for _, v := range []any{b, &b, struct{ Text worker.Blob }{b}, worker.Blob{}} {
		_, err := json.Marshal(v)
		require.ErrorContains(t, err, "a Blob does not travel as JSON")
	}
	require.NoError(t, b.Release())
	require.Equal(t, "Blob(10 bytes)", b.String())
}
