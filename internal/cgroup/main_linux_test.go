package cgroup

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/internal/leaktest"
)

// roleVariable makes this test binary play a process in a group instead of running tests.
const roleVariable = "CGROUP_TEST_ROLE"

var roles = map[string]func(){
	"wait":   playWait,
	"keep":   playKeep,
	"hog":    playHog,
	"family": playFamily,
	"locked": playLocked,
	"user":   playUser,
	"move":   playMove,
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

// playWait is there until its stdin ends.
func playWait() {
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// playKeep waits for a line, uses 32 MiB, says so, and is there until its stdin ends.
func playKeep() {
	fmt.Println("ready")
	in := bufio.NewReader(os.Stdin)
	_, _ = in.ReadString('\n')
	kept := bytes.Repeat([]byte{1}, 32<<20)
	fmt.Println("used")
	_, _ = io.Copy(io.Discard, in)
	runtime.KeepAlive(kept)
}

// hogLimit is what a hog must not reach: the machine has other guests.
const hogLimit = 512 << 20

// playHog waits for a line and then uses more and more memory.
func playHog() {
	fmt.Println("ready")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	var all [][]byte
	for used := 0; used < hogLimit; used += 1 << 20 {
		b := make([]byte, 1<<20)
		for i := range b {
			b[i] = byte(i)
		}
		all = append(all, b)
	}
	fmt.Fprintln(os.Stderr, "not killed with", len(all), "MiB")
	os.Exit(3)
}

// playFamily has a grandchild in a session of its own, which ignores everything, and prints its number.
func playFamily() {
	child := exec.Command("/bin/sh", "-c", "trap '' TERM INT HUP; echo $$; while :; do sleep 1; done")
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	child.Stdout = os.Stdout
	if err := child.Start(); err != nil {
		panic(err)
	}
	_ = child.Wait()
}

// A child is a process of a test, reaped at its end.
type child struct {
	*exec.Cmd
	in    io.WriteCloser
	lines *bufio.Reader
	done  chan struct{}
}

// start returns when the child has said its first line.
func start(t *testing.T, role string, change ...func(*exec.Cmd)) (c *child, line string) {
	t.Helper()
	c = &child{Cmd: exec.Command(os.Args[0]), done: make(chan struct{})}
	c.Env = append(os.Environ(), roleVariable+"="+role)
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	for _, f := range change {
		f(c.Cmd)
	}
	in, err := c.StdinPipe()
	require.NoError(t, err)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	c.in, c.lines, c.Stdout = in, bufio.NewReader(r), w
	require.NoError(t, c.Start())
	w.Close()
	go func() {
		defer close(c.done)
		_ = c.Wait()
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		in.Close()
		c.await(t)
		r.Close()
	})
	require.NoError(t, r.SetReadDeadline(time.Now().Add(20*time.Second)))
	line, err = c.lines.ReadString('\n')
	require.NoError(t, err)
	return c, strings.TrimSpace(line)
}

// await returns how the child has ended.
func (c *child) await(t *testing.T) syscall.WaitStatus {
	t.Helper()
	select {
	case <-c.done:
	case <-time.After(30 * time.Second):
		require.FailNow(t, "the child does not end")
	}
	return c.ProcessState.Sys().(syscall.WaitStatus)
}

// base makes a directory for the groups of a test, so that nothing that was there before is changed, and removes it.
func base(t *testing.T, gen *generation) string {
	t.Helper()
	for _, m := range readMounts("/") {
		if m.generation != gen {
			continue
		}
		dir, err := os.MkdirTemp(m.point, "procpool-test-*")
		if err != nil {
			t.Skipf("no group can be created: %v", err)
		}
		require.NoError(t, os.Chmod(dir, 0o755))
		t.Cleanup(func() {
			all := &Group{dir: dir, generation: gen, patience: 10 * time.Second}
			require.NoError(t, all.killEach())
			require.NoError(t, all.Remove())
			require.NoDirExists(t, dir)
		})
		return dir
	}
	t.Skip("this system has no such cgroup hierarchy mounted")
	return ""
}

// group makes one in a directory of its own.
func group(t *testing.T, gen *generation) *Group {
	t.Helper()
	g, err := (&Parent{base(t, gen), gen}).New("worker")
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, g.Kill())
		require.NoError(t, g.Remove())
	})
	return g
}

// generations runs test with each of the hierarchies that this system has.
func generations(t *testing.T, test func(t *testing.T, gen *generation)) {
	t.Run("v1", func(t *testing.T) { test(t, first) })
	t.Run("v2", func(t *testing.T) { test(t, second) })
}

// groupOf returns the directory of the group in which pid is.
func groupOf(t *testing.T, pid int, gen *generation) string {
	t.Helper()
	for _, group := range memberships(read("/proc/"+strconv.Itoa(pid), "cgroup")) {
		for _, m := range readMounts("/") {
			if m.generation != gen || group.generation() != gen {
				continue
			}
			if dir, ok := m.locate(group.path); ok {
				return dir
			}
		}
	}
	return ""
}

// gone waits for a process that is not our child.
func gone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool { return !leaktest.Alive(pid) }, 10*time.Second, time.Millisecond)
}

// fake writes files into a directory that looks like a cgroup.
func fake(t *testing.T, dir string, files map[string]string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return dir
}

func own(dir string, uid int) error {
	names := []string{"", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"}
	for _, name := range names {
		if err := os.Chown(filepath.Join(dir, name), uid, -1); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

const nobody = 65534

// asNobody starts a copy of this binary that others may execute, in workDir.
func asNobody(t *testing.T, workDir string) func(*exec.Cmd) {
	t.Helper()
	if unix.Geteuid() != 0 {
		t.Skip("only root can start a process of another user")
	}
	dir, err := os.MkdirTemp("", "cgroup-test-*")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	path := filepath.Join(dir, "play")
	binary, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, binary, 0o755))
	return func(c *exec.Cmd) {
		c.Path, c.Dir = path, workDir
		c.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
}

// playMove prints what mayMove expects of the kernel if another process shall be started in the working directory. What
// becomes of this process there is the measure of it.
func playMove() {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	expected := mayMove(dir, ownGroups("/"))
	moved := (&Group{dir: dir}).Add(os.Getpid())
	if (expected == nil) != (moved == nil) {
		fmt.Println("expected", expected, "but", moved)
		return
	}
	fmt.Printf("%v\n", expected)
}

// playLocked prints what Open says of a directory that may not be entered.
func playLocked() {
	_, err := Open("locked")
	fmt.Printf("%v\n", err)
}

// playUser does all that a user may if the working directory was delegated to him; he is his own worker.
func playUser() {
	p, err := Open(".")
	var g *Group
	if err == nil {
		g, err = p.New("mine")
	}
	if err == nil {
		err = g.SetMemory(256 << 20)
	}
	if err == nil {
		err = g.Add(os.Getpid())
	}
	fmt.Printf("%v\n", err)
}
