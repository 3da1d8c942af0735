//go:build unix

package conformance_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// children lists the processes that this one started and that still exist,
// zombies included. Where the system does not tell, it skips the test.
func children(t testing.TB) (all []string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("children are listed in /proc")
	}
	files, err := filepath.Glob("/proc/self/task/*/children")
	require.NoError(t, err)
	for _, file := range files {
		if b, err := os.ReadFile(file); err == nil { // else the thread has ended
			all = append(all, strings.Fields(string(b))...)
		}
	}
	return all
}
