package monitor

import (
	"testing"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/worker"
)

func TestMain(m *testing.M) {
	worker.Main()
	leaktest.Main(m)
}
