package oom

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// system is a root directory with the kernel's files in it.
type system struct {
	t    *testing.T
	root string
}

func (s system) set(file, format string, values ...any) {
	s.t.Helper()
	path := filepath.Join(s.root, file)
	require.NoError(s.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(s.t, os.WriteFile(path, fmt.Appendf(nil, format, values...), 0o644))
}

func (s system) vmstat(n int) { s.set("proc/vmstat", "nr_free_pages 5\noom_kill %d\n", n) }

func (s system) v2(group string, n int) {
	s.set("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
	s.set("proc/self/cgroup", "0::/%s\n", group)
	s.set("sys/fs/cgroup/"+group+"/memory.events", "oom 9\noom_kill %d\n", n)
}

func (s system) v1(group string, n int) {
	s.set("proc/self/mountinfo", "35 31 0:32 / /cg/mem rw - cgroup cgroup rw,memory\n")
	s.set("proc/self/cgroup", "4:memory:/%s\n0::/\n", group)
	s.set("cg/mem/"+group+"/memory.oom_control", "under_oom 0\noom_kill %d\n", n)
}

func TestARiseIsToldOnce(t *testing.T) {
	for name, set := range map[string]func(system, int){
		"v2":      func(s system, n int) { s.v2("user.slice/batch", n) },
		"v2 root": func(s system, n int) { s.v2("", n) },
		"v1":      func(s system, n int) { s.v1("docker/1", n) },
		"vmstat":  system.vmstat,
	} {
		t.Run(name, func(t *testing.T) {
			s := system{t, t.TempDir()}
			set(s, 7)
			w := newWatch(s.root)
			require.False(t, w.Risen())
			set(s, 8)
			require.True(t, w.Risen())
			require.False(t, w.Risen())
			set(s, 11)
			require.EqualValues(t, 3, w.Kills())
			require.Zero(t, w.Kills())
			n, known := count(counts(s.root))
			require.True(t, known)
			require.EqualValues(t, 11, n)
		})
	}
}

func TestTheMachineIsAskedOnlyWhereTheGroupHasNoCount(t *testing.T) {
	s := system{t, t.TempDir()}
	s.vmstat(1)
	s.v2("a", 1)
	w := newWatch(s.root)
	s.vmstat(2)
	require.False(t, w.Risen())

	s.set("sys/fs/cgroup/a/memory.events", "oom 9\n") // Linux before 4.13
	require.False(t, w.Risen())                       // nothing to compare with yet
	s.vmstat(3)
	require.True(t, w.Risen())
}

func TestACountThatFallsOrIsAnotherGroupsIsNoRise(t *testing.T) {
	s := system{t, t.TempDir()}
	s.v2("a", 5)
	w := newWatch(s.root)
	s.v2("a", 2)
	require.False(t, w.Risen())
	s.v2("b", 9)
	require.False(t, w.Risen())
	s.v2("b", 10)
	require.True(t, w.Risen())
}

func TestNothingIsKnownWhereNothingCanBeRead(t *testing.T) {
	s := system{t, t.TempDir()}
	w := newWatch(s.root)
	require.False(t, w.Risen())
	_, known := count(counts(s.root))
	require.False(t, known)
	s.set("proc/vmstat", "nr_free_pages 5\n")
	require.False(t, w.Risen())
	_, known = count(counts(s.root))
	require.False(t, known)
}

func TestEachKillIsToldToOneOfThoseWhoAskTogether(t *testing.T) {
	s := system{t, t.TempDir()}
	s.vmstat(0)
	w := newWatch(s.root)
	s.vmstat(5)
	var told atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { told.Add(w.Kills()) })
	}
	all.Wait()
	require.EqualValues(t, 5, told.Load())
}

func TestThisSystemHasACount(t *testing.T) {
	n, known := Count()
	if runtime.GOOS != "linux" {
		require.False(t, known)
		return
	}
	if !known {
		t.Skip("neither this process's cgroup nor /proc/vmstat has a count of out-of-memory kills")
	}
	require.GreaterOrEqual(t, n, int64(0))
}

// FuzzCounts is the way from the kernel's files to the counts, as a whole; the parsers have targets in package cgroup.
func FuzzCounts(f *testing.F) {
	f.Add("0::/a\n", "1 1 0:1 / /cg rw - cgroup2 c rw\n", "oom_kill 3\n", "oom_kill 4\n")
	f.Add("4:memory:/../..\n", "1 1 0:1 / /cg rw - cgroup c memory\n", "oom_kill x\n", "oom_kill 4\n")
	f.Add("", "", "", "oom_kill 18446744073709551615")
	f.Fuzz(func(t *testing.T, self, mountinfo, events, vmstat string) {
		s := system{t, t.TempDir()}
		s.set("proc/self/cgroup", "%s", self)
		s.set("proc/self/mountinfo", "%s", mountinfo)
		s.set("proc/vmstat", "%s", vmstat)
		s.set("cg/a/memory.events", "%s", events)
		for place, n := range counts(s.root) {
			require.GreaterOrEqual(t, n, int64(0), place)
		}
		require.False(t, newWatch(s.root).Risen())
	})
}
