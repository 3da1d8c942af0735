package harden_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/procpool/procpool/internal/harden"
	"github.com/procpool/procpool/internal/leaktest"
)

// roleVariable makes this test binary play a child instead of running tests.
const roleVariable = "HARDEN_TEST_ROLE"

var roles = map[string]func(){
	"ready": func() { fmt.Println("ready") },
	"read":  func() { fmt.Println(outcome(os.ReadFile("/etc/passwd"))) },
	"hang": func() {
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGUSR2) // so that the runtime does not call it a deadlock
		fmt.Println("ready")
		<-c
	},
}

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		roles[role]()
		os.Exit(0)
	}
	// Children built with the race detector would linger for a second at their exit.
	os.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=0"))
	leaktest.Main(m)
}

// outcome is "ok" or the error in one line.
func outcome[T any](_ T, err error) string {
	if err != nil {
		return err.Error()
	}
	return "ok"
}

// command plays role in a process of its own.
func command(role string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	return cmd
}

// under runs restrict and then cmd on a thread that ends afterwards, and returns what cmd printed.
func under(t *testing.T, restrict func() error, cmd *exec.Cmd) string {
	t.Helper()
	type result struct {
		out []byte
		err error
	}
	c := make(chan result)
	go func() {
		runtime.LockOSThread()
		var r result
		if r.err = restrict(); r.err == nil {
			r.out, r.err = cmd.CombinedOutput()
		}
		c <- r
	}()
	select {
	case r := <-c:
		if r.err != nil {
			t.Fatalf("%s: %v\n%s", cmd, r.err, r.out)
		}
		text, _, _ := strings.Cut(string(r.out), "\n") // a test binary with coverage complains that it may not write
		return text
	case <-time.After(patience):
		t.Fatalf("%s did not end", cmd)
		return ""
	}
}

const patience = 20 * time.Second // for what does happen, on a loaded machine

// needs skips the test where the kernel cannot give rules.
func needs(t *testing.T, rules harden.Rules) {
	t.Helper()
	if _, missing := rules.Supported(); len(missing) > 0 {
		t.Skip(missing[0])
	}
}
