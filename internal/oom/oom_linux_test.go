package oom

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/cgroup"
	"github.com/procpool/procpool/internal/leaktest"
)

// roleVariable makes this test binary play a parent with its child instead of running tests.
const roleVariable = "OOM_TEST_ROLE"

func TestMain(m *testing.M) {
	// Children built with the race detector would linger for a second at their exit.
	os.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=0"))
	switch os.Getenv(roleVariable) {
	case "parent":
		playParent()
	case "hog":
		playHog()
	default:
		leaktest.Main(m)
	}
}

// What a parent has seen of its child and of the counts.
type report struct {
	Group   []string
	Child   string
	Before  bool
	Risen   bool
	Again   bool
	Count   int64
	Known   bool
	Machine bool // the count of the machine has risen too
}

// playParent is in a small cgroup, and so is the child that it starts.
func playParent() {
	var r report
	defer func() {
		if err := json.NewEncoder(os.Stdout).Encode(&r); err != nil {
			panic(err)
		}
	}()
	w, machine := NewWatch(), newWatch(".")
	r.Group = cgroup.Own("/")
	r.Before = w.Risen()
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), roleVariable+"=hog")
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Run(); err != nil {
		r.Child = err.Error()
	}
	r.Risen, r.Again, r.Machine = w.Risen(), w.Risen(), machine.Risen()
	r.Count, r.Known = Count()
}

// playHog uses more and more memory, up to what the machine can bear in any case, and offers itself to the killer.
func playHog() {
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(4)
	}
	var all [][]byte
	for range 512 {
		all = append(all, bytes.Repeat([]byte{1}, 1<<20))
	}
	fmt.Fprintln(os.Stderr, "not killed with", len(all), "MiB")
	os.Exit(3)
}

// memoryGroup makes a cgroup below a directory of its own, and removes both.
func memoryGroup(t *testing.T) (g *cgroup.Group, dir string) {
	t.Helper()
	mounted := "/sys/fs/cgroup/memory"
	if _, err := os.Stat(mounted); err != nil {
		mounted = "/sys/fs/cgroup"
	}
	top, err := os.MkdirTemp(mounted, "procpool-test-*")
	if err != nil {
		t.Skipf("no cgroup can be created: %v", err)
	}
	t.Cleanup(func() {
		require.NoError(t, os.Remove(top))
	})
	p, err := cgroup.Open(top)
	if err != nil {
		t.Skip(err)
	}
	g, err = p.New("worker")
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, g.Kill())
		require.NoError(t, g.Remove())
	})
	return g, filepath.Join(top, "worker")
}

func TestAParentSeesThatTheKillerHasEndedItsChild(t *testing.T) {
	g, dir := memoryGroup(t)
	require.NoError(t, g.SetMemory(96<<20))
	// v2 would end the parent as well.
	_ = os.WriteFile(filepath.Join(dir, "memory.oom.group"), []byte("0"), 0)

	// A system that has /proc/vmstat only: the parent's working directory.
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "proc"), 0o755))
	require.NoError(t, os.Symlink("/proc/vmstat", filepath.Join(root, "proc", "vmstat")))

	// The shell moves itself, so that all of the parent is in the group from the start.
	c := exec.Command("/bin/sh", "-c", `echo $$ >"$0/cgroup.procs" && exec "$1"`, dir, os.Args[0])
	c.Dir = root
	c.Env = append(os.Environ(), roleVariable+"=parent")
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.WaitDelay = time.Second
	require.NoError(t, c.Start())
	watchdog := time.AfterFunc(60*time.Second, func() { _ = c.Process.Kill() })
	defer watchdog.Stop()
	require.NoError(t, c.Wait())

	var r report
	require.NoError(t, json.Unmarshal(out.Bytes(), &r), out.String())
	require.Contains(t, r.Group, dir)
	require.Equal(t, "signal: killed", r.Child)
	require.False(t, r.Before)
	require.True(t, r.Risen)
	require.False(t, r.Again)
	require.True(t, r.Machine)
	require.True(t, r.Known)
	require.EqualValues(t, 1, r.Count)

	kills, err := g.OOMKills()
	require.NoError(t, err)
	require.EqualValues(t, 1, kills)
}
