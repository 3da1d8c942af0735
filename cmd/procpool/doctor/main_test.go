package doctor

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

func TestMain(m *testing.M) {
	worker.Main()
	if os.Getenv(parentVar) != "" {
		playParent()
	}
	leaktest.Main(m)
}

// bareSelf is this test program, ending at once.
func bareSelf(ctx context.Context) *exec.Cmd {
	return exec.CommandContext(ctx, os.Args[0], "-test.run", "^$")
}

const parentVar = "DOCTOR_TEST_PARENT"

// parentSelf is this test program, with a pool whose workers ignore everything.
func parentSelf(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), parentVar+"=1")
	return cmd
}

func playParent() {
	p, err := pool.New(context.Background(), pool.WithWorkers(2))
	if err == nil {
		_, _ = pool.Broadcast(context.Background(), p, hang, struct{}{})
	}
	os.Exit(1)
}
