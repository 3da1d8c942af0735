//go:build unix

package conformance_test

import (
	"os"
	"testing"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/worker"
)

func TestMain(m *testing.M) {
	worker.Main()
	if raceEnabled {
		// Without this each worker sleeps a second before it ends.
		_ = os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	}
	leaktest.Main(m)
}
