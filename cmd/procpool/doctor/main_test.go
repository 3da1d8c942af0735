package doctor

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/worker"
)

func TestMain(m *testing.M) {
	worker.Main()
	leaktest.Main(m)
}

// bareSelf is this test program, ending at once.
func bareSelf(ctx context.Context) *exec.Cmd {
	return exec.CommandContext(ctx, os.Args[0], "-test.run", "^$")
}
