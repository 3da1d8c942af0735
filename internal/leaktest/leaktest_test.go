package leaktest

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

func expectLeak(t *testing.T, leaks string, want string) {
	t.Helper()
	if !strings.Contains(leaks, want) {
		t.Errorf("no %q in the leaks:\n%s", want, leaks)
	}
}

func TestAGoroutineThatWasStartedIsALeakUntilItEnds(t *testing.T) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	before := take(newConfig(nil))
	go lingering(stop, stopped, make(chan struct{}))
	// By the goroutine that made it: its own frames are not there before it has run.
	expectLeak(t, strings.Join(before.leaks(), "\n"), "created by github.com/procpool/procpool/internal/leaktest.TestAGoroutine")
	close(stop)
	<-stopped
	if leaks := before.wait(patience); len(leaks) > 0 {
		t.Errorf("still leaking: %s", leaks)
	}
}

func lingering(stop, stopped, started chan struct{}) {
	close(started)
	defer close(stopped)
	<-stop
}

func TestAGoroutineThatIsIgnoredIsNoLeak(t *testing.T) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	before := take(newConfig([]Option{IgnoreGoroutine("leaktest.lingering")}))
	started := make(chan struct{})
	go func() { lingering(stop, stopped, started) }()
	<-started
	if leaks := before.wait(patience); len(leaks) > 0 {
		t.Errorf("leaks: %s", leaks)
	}
	close(stop)
	<-stopped
}

func TestFailedTestsKeepTheirCode(t *testing.T) {
	defer func(old string) { mark = old; os.Setenv(markName, strings.TrimPrefix(old, markName+"=")) }(mark)
	if code := run(func() int { return 3 }, io.Discard, 0); code != 3 {
		t.Errorf("code %d", code)
	}
}

func TestCheckIsContentWithATestThatCleansUp(t *testing.T) {
	t.Run("inner", func(t *testing.T) {
		Check(t)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		done := make(chan struct{})
		go close(done)
		<-done
	})
}

// eventually waits for something that has no event.
func eventually(t *testing.T, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come about")
		}
	}
}
