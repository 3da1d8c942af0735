//go:build linux

package faults

import (
	"fmt"
	"os"
	"testing"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/worker"
)

// roleVar names the role in which this binary was started, if it was not
// started as a test. Workers inherit it, which is why Main comes first.
const roleVar = "FAULTS_ROLE"

// roles are other programs that this binary can be: each owns a pool of its own. They
// report on stdout, take orders on stdin and return an exit status.
var roles = map[string]func() int{}

// unhooked are programs that go wrong before or without worker.Main. They run from
// init, after package variables and before TestMain.
var unhooked = map[string]func(){}

func init() {
	if play := unhooked[os.Getenv(roleVar)]; play != nil {
		play()
	}
}

func TestMain(m *testing.M) {
	worker.Main()
	if name := os.Getenv(roleVar); name != "" {
		play := roles[name]
		if play == nil {
			fmt.Fprintf(os.Stderr, "no role %q\n", name)
			os.Exit(64)
		}
		os.Exit(play())
	}
	if raceFactor > 1 {
		// Else every process sleeps for a second when it exits, in case a race is being reported.
		os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0")
	}
	leaktest.Main(m)
}
