package pool_test

import (
	"os"
	"testing"

	"github.com/procpool/procpool/internal/floor"
	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/worker"
)

// ownerOfBlobs is set where this program plays a parent that a test kills.
var ownerOfBlobs func()

func TestMain(m *testing.M) {
	worker.Main()
	floor.Main()
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // else workers under the race detector take a second to end
	if ownerOfBlobs != nil {
		ownerOfBlobs()
	}
	leaktest.Main(m)
}
