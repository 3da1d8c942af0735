//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/internal/harden"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// attempt is something that a hardened worker may not be able to do. It returns "" where it could, else why not.
var attempt = worker.Register("faults.attempt", func(_ context.Context, what string) (string, error) {
	verb, object, _ := strings.Cut(what, " ")
	var err error
	switch verb {
	case "read":
		_, err = os.ReadFile(object)
	case "write":
		err = os.WriteFile(object, []byte("x"), 0o600)
	case "dial":
		var conn net.Conn
		if conn, err = net.DialTimeout("tcp", object, time.Second); err == nil {
			conn.Close()
		}
	case "signal":
		err = syscall.Kill(number(object), 0)
	case "run":
		err = exec.Command(object).Run()
	case "open":
		err = openMany(number(object))
	case "grow":
		err = os.WriteFile(object, make([]byte, 1<<20), 0o600)
	default:
		err = errors.New("no such attempt")
	}
	return text(err), nil
})

func openMany(n int) error {
	for range n {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return err
		}
		defer f.Close()
	}
	return nil
}

// self reads files of the worker's own /proc directory.
var self = worker.Register("faults.self", func(_ context.Context, name string) (string, error) {
	b, err := os.ReadFile("/proc/self/" + name)
	return string(b), err
})

// line returns what stands behind a key in a file of the worker's /proc directory.
func (f *fixture) line(file, key string) string {
	f.t.Helper()
	body, err := call(f, self, file)
	require.NoError(f.t, err)
	for l := range strings.Lines(body) {
		if rest, ok := strings.CutPrefix(l, key); ok {
			return strings.TrimSpace(rest)
		}
	}
	f.t.Fatalf("no %q in %s", key, file)
	return ""
}

func (f *fixture) tries(what string) string {
	f.t.Helper()
	why, err := call(f, attempt, what)
	require.NoError(f.t, err, what)
	return why
}

func TestRowS16WhatCostsNothingIsInForceByDefaultAndCanBeSwitchedOff(t *testing.T) {
	own, err := os.ReadFile("/proc/self/oom_score_adj")
	require.NoError(t, err)
	base := number(strings.TrimSpace(string(own)))

	f := start(t, 1)
	assert.Equal(t, "1", f.line("status", "NoNewPrivs:"))
	assert.Equal(t, []string{"0", "0"}, strings.Fields(f.line("limits", "Max core file size"))[:2])
	assert.Equal(t, strconv.Itoa(min(1000, base+200)), f.line("oom_score_adj", ""))
	assert.Equal(t, []string{"no_new_privs", "no core dumps", "oom first"}, f.Workers()[0].Hardening)

	f = start(t, 1, pool.WithHardening(pool.Hardening{NoNewPrivs: pool.Off, NoCore: pool.Off, OOMFirst: pool.Off}))
	before, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	assert.Contains(t, string(before), "NoNewPrivs:\t"+f.line("status", "NoNewPrivs:"), "as the parent's")
	assert.Equal(t, strconv.Itoa(base), f.line("oom_score_adj", ""))
	assert.Empty(t, f.Workers()[0].Hardening)
}

func TestRowS12AConfinedWorkerReachesNeitherFilesNorNetworkNorItsParent(t *testing.T) {
	all := harden.Rules{Files: true, Network: true, Signals: true}
	if _, missing := all.Supported(); len(missing) > 0 {
		t.Skipf("not to be had here: %v", missing[0])
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	dir, secret := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("x"), 0o600))
	f := start(t, 2, pool.WithHardening(pool.Hardening{
		Files: pool.Required, ReadWrite: []string{dir}, Network: pool.Required, Signals: pool.Required,
	}))
	f.spent = true // its workers cannot come to a gate
	for what, want := range map[string]string{
		"read " + secret:                              "permission denied",
		"write " + secret:                             "permission denied",
		"write " + dir + "/mine":                      "",
		"dial " + listener.Addr().String():            "",
		"signal " + strconv.Itoa(os.Getpid()):         "operation not permitted",
		fmt.Sprintf("read /proc/%d/mem", os.Getpid()): "permission denied",
		"run /bin/ls":                                 "permission denied",
	} {
		why := f.tries(what)
		if strings.HasPrefix(what, "dial") {
			assert.NotEmpty(t, why, what)
			continue
		}
		if want == "" {
			assert.Empty(t, why, what)
		} else {
			assert.Contains(t, why, want, what)
		}
	}
	in := f.Workers()[0].Hardening
	for _, name := range []string{"no_new_privs", "files", "network", "signals"} {
		assert.Contains(t, in, name)
	}
	_, err = call(f, obey, order{Do: "signal 9"})
	fate{signal: syscall.SIGKILL}.check(t, err)
	f.works()
}

func TestRowS18ResourceLimitsHold(t *testing.T) {
	dir := t.TempDir()
	f := start(t, 1, pool.WithHardening(pool.Hardening{FileSize: 4096, OpenFiles: 64}))
	assert.Contains(t, f.tries("grow "+dir+"/file"), "file too large")
	assert.Contains(t, f.tries("open 100"), "too many open files")
	assert.Empty(t, f.tries("open 10"))
	assert.Subset(t, f.Workers()[0].Hardening, []string{"file size", "open files"})
}

func TestRow065AWorkerThatHasUsedItsProcessorTimeIsKilled(t *testing.T) {
	f := start(t, 1, pool.WithHardening(pool.Hardening{CPUTime: time.Second}))
	_, err := call(f, obey, order{Do: "spin"})
	exit := fate{signal: syscall.SIGKILL, reason: pool.ReasonSignal}.check(t, err)
	require.NotNil(t, exit)
	// The limit counts clock ticks, each of them whole to whoever runs when it comes; CPU is exact, and may be much less.
	assert.GreaterOrEqual(t, exit.CPU, 500*time.Millisecond)
	assert.Contains(t, err.Error(), "Hardening.CPUTime")
}

func TestRowS18WhatIsRequiredAndCannotBeHadIsAnErrorOfNew(t *testing.T) {
	for want, h := range map[string]pool.Hardening{
		"no such file":       {Files: pool.Required, ReadOnly: []string{"/no/such/directory"}},
		"is not absolute":    {Files: pool.Required, ReadOnly: []string{"here"}},
		"Files is Off":       {Files: pool.Off, ReadOnly: []string{"/tmp"}},
		"/no/such/group":     {Cgroup: "/no/such/group"},
		"names no directory": {InCgroup: pool.Required},
		"is Level(9)":        {Signals: 9},
		"limit is negative":  {CPUTime: -1},
		"OpenFiles is 3":     {OpenFiles: 3},
	} {
		_, err := tryStart(t, 1, pool.WithHardening(h))
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "WithHardening")
	}
	f := start(t, 1, pool.WithHardening(pool.Hardening{Cgroup: "/no/such/group", InCgroup: pool.BestEffort}))
	f.works()
	assert.Contains(t, f.log.String(), "/no/such/group")
	assert.NotContains(t, f.Workers()[0].Hardening, "cgroup")
}

// delegated returns a directory in which this user can make cgroups that limit memory.
func delegated(t *testing.T) string {
	t.Helper()
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/memory"} {
		dir := filepath.Join(root, fmt.Sprintf("procpool-faults-%d", os.Getpid()))
		if unix.Access(filepath.Join(root, "cgroup.procs"), unix.W_OK) != nil {
			continue
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			continue
		}
		t.Cleanup(func() { assert.NoError(t, os.Remove(dir), "a group was left behind") })
		if _, err := os.Stat(filepath.Join(dir, "memory.max")); err == nil {
			return dir
		}
		if _, err := os.Stat(filepath.Join(dir, "memory.limit_in_bytes")); err == nil {
			return dir
		}
	}
	t.Skip("no cgroup directory in which this user may make groups with a memory limit")
	return ""
}

func TestRow017AWorkerInACgroupIsKilledAtItsLimitAndThatIsTold(t *testing.T) {
	unraced(t)
	dir := delegated(t)
	f := start(t, 2, pool.WithMemoryLimit(128*mib), pool.WithHardening(pool.Hardening{Cgroup: dir}))
	require.Contains(t, f.Workers()[0].Hardening, "cgroup")
	_, err := call(f, consume, appetite{Keep: 50 * mib})
	require.NoError(t, err)
	_, err = call(f, consume, appetite{Keep: 300 * mib})
	exit := fate{signal: syscall.SIGKILL, reason: pool.ReasonMemoryLimit}.check(t, err)
	require.NotNil(t, exit)
	assert.Contains(t, err.Error(), "the limit is 128.0 MiB")
	f.works()
}

func TestRow017AKillByTheSystemIsToldAsOutOfMemory(t *testing.T) {
	unraced(t)
	dir := delegated(t)
	f := start(t, 1, pool.WithHardening(pool.Hardening{Cgroup: dir}))
	groups, err := filepath.Glob(filepath.Join(dir, "procpool-*"))
	require.NoError(t, err)
	require.Len(t, groups, 1)
	limit := "memory.max"
	if _, err := os.Stat(filepath.Join(groups[0], limit)); err != nil {
		limit = "memory.limit_in_bytes"
	}
	// Not the pool's limit: whoever runs the machine has set it.
	require.NoError(t, os.WriteFile(filepath.Join(groups[0], limit), []byte(strconv.Itoa(64*mib)), 0))
	_, err = call(f, consume, appetite{Keep: 300 * mib})
	fate{signal: syscall.SIGKILL, reason: pool.ReasonOutOfMemory}.check(t, err)
}

func TestRow054ACgroupTakesAlongWhatHasLeftTheProcessGroup(t *testing.T) {
	dir := delegated(t)
	f := start(t, 1, pool.WithHardening(pool.Hardening{Cgroup: dir}))
	g := newGate(t)
	future := submit(f, obey, order{Do: "grandchild " + g.addr + " setsid"})
	v := g.next(t)
	child := watchPID(t, v.index)
	v.order("signal 9")
	_, err := await(t, future)
	fate{signal: syscall.SIGKILL}.check(t, err)
	child.ended(t, killing)
}
