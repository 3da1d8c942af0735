package leaktest

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// sleeper is a process that stays until it is killed.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func stop(cmd *exec.Cmd) {
	cmd.Process.Kill()
	cmd.Wait()
}

// leaksOf is what f leaves behind, without any patience.
func leaksOf(f func()) string {
	before := take(newConfig(nil))
	f()
	return strings.Join(before.wait(0), "\n")
}

func TestAnOpenFileIsALeak(t *testing.T) {
	var r, w *os.File
	leaks := leaksOf(func() { r, w, _ = os.Pipe() })
	expectLeak(t, leaks, "pipe:[")
	r.Close()
	w.Close()
}

func TestADescriptorThatNowIsSomethingElseIsALeak(t *testing.T) {
	before := take(newConfig(nil))
	before.fds[2] = "pipe:[0]"
	expectLeak(t, strings.Join(before.leaks(), "\n"), "descriptor 2: ")
}

func TestARunningChildIsALeak(t *testing.T) {
	var cmd *exec.Cmd
	leaks := leaksOf(func() { cmd = sleeper(t) })
	defer stop(cmd)
	expectLeak(t, leaks, "sleep 1000")
}

func TestAZombieIsALeak(t *testing.T) {
	var cmd *exec.Cmd
	leaks := leaksOf(func() {
		cmd = sleeper(t)
		cmd.Process.Kill()
		eventually(t, func() bool { return !Alive(cmd.Process.Pid) })
	})
	defer cmd.Wait()
	expectLeak(t, leaks, "state Z")
}

func TestAnOrphanIsALeak(t *testing.T) {
	var orphan *os.Process
	leaks := leaksOf(func() {
		out, err := exec.Command("sh", "-c", "sleep 1000 </dev/null >/dev/null 2>&1 & echo $!").Output()
		if err != nil {
			t.Fatal(err)
		}
		orphan, _ = os.FindProcess(numbers(string(out))[0])
	})
	expectLeak(t, leaks, "sleep 1000")
	pid := orphan.Pid
	orphan.Kill()
	eventually(t, func() bool { return !Alive(pid) })
}

func TestALeakIsPrintedAndFailsTestsThatPassed(t *testing.T) {
	defer func(old string) { mark = old; os.Setenv(markName, strings.TrimPrefix(old, markName+"=")) }(mark)
	var out bytes.Buffer
	var r, w *os.File
	code := run(func() int { r, w, _ = os.Pipe(); return 0 }, &out, 0)
	r.Close()
	w.Close()
	if code != 1 || !strings.Contains(out.String(), "left behind") {
		t.Errorf("code %d, output %q", code, out.String())
	}
}

func TestChildrenAndAliveAndCookie(t *testing.T) {
	cmd := exec.Command("sh", "-c", "sleep 1000 & echo $!; wait")
	cmd.Env = append(os.Environ(), "LEAKTEST_COOKIE=0123456789")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	shell, sleep := cmd.Process.Pid, numbers(line)[0]
	for _, kids := range [][]int{Children(shell), childrenByParent(shell)} {
		if len(kids) != 1 || kids[0] != sleep {
			t.Errorf("children of the shell: %v, want %d", kids, sleep)
		}
	}
	eventually(t, func() bool { return len(ScanCookie("LEAKTEST_COOKIE=0123456789")) == 2 })
	if !Alive(shell) || !Alive(sleep) {
		t.Error("not alive")
	}
	stop(cmd)
	p, _ := os.FindProcess(sleep)
	p.Kill()
	eventually(t, func() bool { return !Alive(shell) && !Alive(sleep) })
}
