//go:build unix

package floor_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/floor"
	"github.com/procpool/procpool/internal/leaktest"
)

func TestMain(m *testing.M) {
	floor.Main()
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // else a child under the race detector takes a second to end
	leaktest.Main(m)
}

func TestAMessageComesBackWhole(t *testing.T) {
	const size = 300_000 // more than a pipe holds
	child, err := floor.StartEcho(size)
	require.NoError(t, err)
	defer child.Close()
	for b := range byte(3) {
		message, answer := bytes.Repeat([]byte{b}, size), make([]byte, size)
		require.NoError(t, child.Echo(message, answer))
		require.True(t, bytes.Equal(message, answer))
	}
}

func TestBatchesAreAnsweredInTheirPlace(t *testing.T) {
	var children []*floor.Child
	for range 2 {
		child, err := floor.StartBatches()
		require.NoError(t, err)
		defer child.Close()
		children = append(children, child)
	}
	args := make([]int, 3*floor.BatchSize+1) // the last one alone
	for i := range args {
		args[i] = i * i
	}
	results := make([]int, len(args))
	require.NoError(t, floor.Successors(children, args, results))
	for i := range args {
		require.Equal(t, args[i]+1, results[i])
	}
}
