package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestAProcessOverItsLimitIsKilledAndCounted(t *testing.T) {
	generations(t, func(t *testing.T, gen *generation) {
		dir := base(t, gen)
		p, err := Open(dir)
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip(err)
		}
		require.NoError(t, err)
		g, err := p.New("hog")
		require.NoError(t, err)
		require.NoError(t, g.SetMemory(64<<20))
		before, err := g.OOMKills()
		require.NoError(t, err)
		require.Zero(t, before)

		hog, _ := start(t, "hog")
		require.NoError(t, g.Add(hog.Process.Pid))
		_, err = hog.in.Write([]byte("\n"))
		require.NoError(t, err)

		status := hog.await(t)
		require.Equal(t, syscall.SIGKILL, status.Signal())
		kills, err := g.OOMKills()
		require.NoError(t, err)
		require.EqualValues(t, 1, kills)
		if peak := g.Peak(); peak != 0 || gen == first {
			require.Greater(t, peak, int64(48<<20))
			require.Less(t, peak, int64(65<<20)) // the kernel lets a page or two pass where it must not fail
		}
		require.NoError(t, g.Remove())
		require.NoDirExists(t, g.dir)
	})
}

func TestAKillInAGroupThatATaskHasMadeIsCountedToo(t *testing.T) {
	g := group(t, first)
	require.NoError(t, g.SetMemory(64<<20))
	sub := filepath.Join(g.dir, "task")
	require.NoError(t, os.Mkdir(sub, 0o755))

	hog, _ := start(t, "hog")
	require.NoError(t, (&Group{dir: sub}).Add(hog.Process.Pid))
	_, err := hog.in.Write([]byte("\n"))
	require.NoError(t, err)

	status := hog.await(t)
	require.Equal(t, syscall.SIGKILL, status.Signal())
	kills, err := g.OOMKills()
	require.NoError(t, err)
	require.EqualValues(t, 1, kills)
}

func TestALimitCanBeLoweredAndRaised(t *testing.T) {
	g := group(t, first)
	for _, bytes := range []int64{64 << 20, 32 << 20, 128 << 20} {
		require.NoError(t, g.SetMemory(bytes))
		for _, file := range []string{first.limit, first.swap} {
			if !exists(g.dir, file) {
				continue
			}
			n, ok := number(read(g.dir, file))
			require.True(t, ok)
			require.Equal(t, bytes, n, file)
		}
	}
}

func TestALimitBelowWhatIsInUseIsRefused(t *testing.T) {
	g := group(t, first)
	if text := strings.Split(read("/proc", "swaps"), "\n"); len(text) > 2 {
		t.Skip("this system would swap")
	}
	c, _ := start(t, "keep")
	require.NoError(t, g.Add(c.Process.Pid))
	_, err := c.in.Write([]byte("\n"))
	require.NoError(t, err)
	line, err := c.lines.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "used\n", line)

	err = g.SetMemory(8 << 20)
	require.ErrorIs(t, err, unix.EBUSY)
	require.ErrorContains(t, err, "set the limit before the first process")
	c.in.Close()
	require.Equal(t, 0, c.await(t).ExitStatus())
}

func TestAGroupDoesNotInheritThatNobodyIsKilled(t *testing.T) {
	dir := base(t, first)
	if err := write(dir, "memory.oom_control", "1"); err != nil {
		t.Skipf("the kernel does not let the killer be turned off: %v", err)
	}
	g, err := (&Parent{dir, first}).New("worker")
	require.NoError(t, err)
	require.NoError(t, g.SetMemory(64<<20))
	n, _ := Value(read(g.dir, "memory.oom_control"), "oom_kill_disable")
	require.Zero(t, n)
}

func TestAProcessIsMovedWithAdd(t *testing.T) {
	generations(t, func(t *testing.T, gen *generation) {
		g := group(t, gen)
		c, _ := start(t, "wait")
		require.NoError(t, g.Add(c.Process.Pid))
		require.Equal(t, g.dir, groupOf(t, c.Process.Pid, gen))
		require.Equal(t, []int{c.Process.Pid}, g.members())
	})
}

func TestAProcessIsBornInTheGroupOfADescriptor(t *testing.T) {
	g := group(t, second)
	fd, ok := g.FD()
	require.True(t, ok)
	c, _ := start(t, "wait", func(c *exec.Cmd) {
		c.SysProcAttr.UseCgroupFD, c.SysProcAttr.CgroupFD = true, fd
	})
	require.Equal(t, g.dir, groupOf(t, c.Process.Pid, second))
	require.NoError(t, g.Kill())
	c.await(t)
	require.NoError(t, g.Remove())
	_, ok = g.FD()
	require.False(t, ok)
}

func TestNoProcessIsBornInAGroupOfV1(t *testing.T) {
	_, ok := group(t, first).FD()
	require.False(t, ok)
}

func TestKillReachesWhoHasLeftTheSession(t *testing.T) {
	for name, c := range map[string]struct {
		gen  *generation
		kill func(*Group) error
	}{
		"v1":                     {first, (*Group).Kill},
		"v2":                     {second, (*Group).Kill},
		"v2 without cgroup.kill": {second, (*Group).killEach},
	} {
		t.Run(name, func(t *testing.T) {
			g := group(t, c.gen)
			family, line := startIn(t, g, "family")
			grandchild, err := strconv.Atoi(line)
			require.NoError(t, err)
			require.Equal(t, g.dir, groupOf(t, grandchild, c.gen))

			require.NoError(t, c.kill(g))
			require.Equal(t, syscall.SIGKILL, family.await(t).Signal())
			gone(t, grandchild)
			require.NoError(t, g.Remove())
			require.NoDirExists(t, g.dir)
		})
	}
}

// startIn starts a child whose own children are in g as well, in both hierarchies: it is the shell that moves first.
func startIn(t *testing.T, g *Group, role string) (c *child, line string) {
	return start(t, role, func(c *exec.Cmd) {
		c.Args = []string{"sh", "-c", `echo $$ >"$0/cgroup.procs" && exec "$1"`, g.dir, c.Path}
		c.Path = "/bin/sh"
	})
}

func TestKillReachesStoppedProcessesAndGroupsOfTasks(t *testing.T) {
	generations(t, func(t *testing.T, gen *generation) {
		g := group(t, gen)
		deep := filepath.Join(g.dir, "task", "part")
		require.NoError(t, os.MkdirAll(deep, 0o755))
		a, _ := start(t, "wait")
		b, _ := start(t, "wait")
		require.NoError(t, g.Add(a.Process.Pid))
		require.NoError(t, (&Group{dir: deep}).Add(b.Process.Pid))
		require.NoError(t, b.Process.Signal(syscall.SIGSTOP))

		require.NoError(t, g.Kill())
		require.Equal(t, syscall.SIGKILL, a.await(t).Signal())
		require.Equal(t, syscall.SIGKILL, b.await(t).Signal())
		require.NoError(t, g.Remove())
		require.NoDirExists(t, g.dir)
	})
}

func TestKillReachesAGroupThatATaskHasMadeThreaded(t *testing.T) {
	g := group(t, second)
	require.NoError(t, write(g.dir, "cgroup.type", "threaded"))
	c, _ := start(t, "wait")
	require.NoError(t, g.Add(c.Process.Pid))
	_, err := os.ReadFile(filepath.Join(g.dir, "cgroup.procs"))
	require.ErrorIs(t, err, unix.EOPNOTSUPP)

	require.NoError(t, g.Kill())
	require.Equal(t, syscall.SIGKILL, c.await(t).Signal())
	require.NoError(t, g.Remove())
}

func TestKillOfAnEmptyGroupIsDoneAtOnce(t *testing.T) {
	generations(t, func(t *testing.T, gen *generation) {
		g := group(t, gen)
		require.NoError(t, g.Kill())
		require.NoError(t, g.Remove())
		require.NoError(t, g.Kill())
		require.NoError(t, g.Remove())
	})
}

func TestKillGivesUpOnWhatDoesNotGo(t *testing.T) {
	c, _ := start(t, "wait")
	list := strconv.Itoa(c.Process.Pid) + "\n0\n"
	g := &Group{dir: fake(t, t.TempDir(), map[string]string{"cgroup.procs": list}), generation: first, patience: 20 * time.Millisecond}
	require.ErrorContains(t, g.Kill(), "SIGKILL has left 2 of its processes after 20ms")
	require.Equal(t, syscall.SIGKILL, c.await(t).Signal())
	require.ErrorContains(t, g.Kill(), os.ErrProcessDone.Error())
}

func TestRemoveLeavesAGroupThatIsInUse(t *testing.T) {
	generations(t, func(t *testing.T, gen *generation) {
		g := group(t, gen)
		c, _ := start(t, "wait")
		require.NoError(t, g.Add(c.Process.Pid))
		patient := g.patience
		g.patience = 20 * time.Millisecond
		require.ErrorIs(t, g.Remove(), unix.EBUSY)
		g.patience = patient

		done := make(chan error, 1)
		go func() { done <- g.Remove() }()
		time.Sleep(5 * time.Millisecond)
		c.in.Close()
		require.NoError(t, <-done)
	})
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	generations(t, func(t *testing.T, gen *generation) {
		dir := base(t, gen)
		p := &Parent{dir, gen}
		for _, name := range []string{"", ".", "..", "a/b", "/", "a\n", "a\x00"} {
			_, err := p.New(name)
			require.ErrorIs(t, err, unix.EINVAL, "%q", name)
		}
		g, err := p.New("worker")
		require.NoError(t, err)
		_, err = p.New("worker")
		require.ErrorIs(t, err, fs.ErrExist)

		require.ErrorIs(t, g.SetMemory(0), unix.EINVAL)
		require.ErrorIs(t, g.SetMemory(-1), unix.EINVAL)
		require.ErrorIs(t, g.Add(0), unix.EINVAL)
		require.ErrorIs(t, g.Add(-1), unix.EINVAL)
		require.ErrorIs(t, g.Add(1<<22+1), unix.ESRCH)

		require.NoError(t, g.Remove())
		require.ErrorIs(t, g.SetMemory(64<<20), fs.ErrNotExist)
		require.ErrorIs(t, g.Add(os.Getpid()), fs.ErrNotExist)
		_, err = g.OOMKills()
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.Zero(t, g.Peak())
	})
}

// The machine that has cgroup v2 with a memory controller may not be this one, so its files are plain ones here.
func TestTheFilesOfV2AreWritten(t *testing.T) {
	dir := fake(t, filepath.Join(t.TempDir(), "parent"), map[string]string{
		"cgroup.controllers": "cpu memory pids\n", "cgroup.subtree_control": "memory pids\n", "cgroup.procs": "",
	})
	p, err := Open(dir)
	require.NoError(t, err)
	g, err := p.New("worker")
	require.NoError(t, err)
	defer g.file.Close()
	require.ErrorIs(t, g.SetMemory(1<<30), fs.ErrNotExist)
	require.NoFileExists(t, filepath.Join(g.dir, "memory.max"))

	fake(t, g.dir, map[string]string{"memory.max": "max\n"})
	require.NoError(t, g.SetMemory(1<<30))
	require.Equal(t, "1073741824", read(g.dir, "memory.max"))
	require.Zero(t, g.Peak())

	fake(t, g.dir, map[string]string{
		"memory.swap.max": "max\n", "memory.oom.group": "0\n", "memory.peak": "4096\n",
		"memory.events": memoryEvents, "cgroup.kill": "",
	})
	require.NoError(t, g.SetMemory(1<<20))
	require.Equal(t, "1048576", read(g.dir, "memory.max"))
	require.Equal(t, "0", read(g.dir, "memory.swap.max"))
	require.Equal(t, "1", read(g.dir, "memory.oom.group"))
	require.EqualValues(t, 4096, g.Peak())
	kills, err := g.OOMKills()
	require.NoError(t, err)
	require.EqualValues(t, 2, kills)
	require.NoError(t, g.Kill())
	require.Equal(t, "1", read(g.dir, "cgroup.kill"))
}

func TestOpenTurnsTheMemoryControllerOn(t *testing.T) {
	dir := fake(t, t.TempDir(), map[string]string{"cgroup.controllers": "cpu memory\n", "cgroup.subtree_control": "cpu\n"})
	_, err := Open(dir)
	require.NoError(t, err)
	require.Equal(t, "+memory", read(dir, "cgroup.subtree_control"))
}

func TestOpenSaysWhatIsMissing(t *testing.T) {
	plain := t.TempDir()
	otherV1 := fake(t, filepath.Join(plain, "cpu"), map[string]string{"cgroup.procs": ""})
	noMemory := fake(t, filepath.Join(plain, "v2"), map[string]string{"cgroup.controllers": "cpu pids\n"})
	nothing := fake(t, filepath.Join(plain, "v2b"), map[string]string{"cgroup.controllers": "\n"})
	for dir, want := range map[string]string{
		"":                               "cgroup: no directory was given",
		filepath.Join(plain, "missing"):  "there is no such directory",
		plain:                            "it is no cgroup directory: it has neither cgroup.controllers (v2) nor memory.limit_in_bytes (v1)",
		otherV1:                          "it belongs to a v1 hierarchy without memory controller",
		noMemory:                         "the memory controller is not available in it, only cpu, pids",
		nothing:                          "the memory controller is not available in it: unsupported",
		filepath.Join(nothing, "x", "y"): "there is no such directory",
	} {
		p, err := Open(dir)
		require.Nil(t, p)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, dir)
	}
}

func TestOpenOfAHierarchyWithoutMemoryNamesTheOneThatHasIt(t *testing.T) {
	dir := base(t, second)
	if strings.Contains(read(dir, "cgroup.controllers"), "memory") {
		t.Skip("this system has the memory controller in v2")
	}
	_, err := Open(dir)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, elsewhere())
	left, err := filepath.Glob(filepath.Join(dir, "procpool-probe-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestRefusalsOfTheKernelAreExplained(t *testing.T) {
	for _, c := range []struct {
		explain func(string, error) error
		errno   unix.Errno
		want    string
	}{
		{cannotEnable, unix.EBUSY, `"no internal processes" rule): first move them, this program included`},
		{cannotEnable, unix.EACCES, "Delegate=yes"},
		{cannotEnable, unix.EROFS, "mounted writable"},
		{cannotEnable, unix.EOPNOTSUPP, "threaded"},
		{cannotEnable, unix.EIO, unix.EIO.Error()},
		{cannotCreate, unix.EPERM, "Delegate=yes"},
		{cannotCreate, unix.EROFS, "mounted writable"},
		{cannotCreate, unix.EAGAIN, "cgroup.max.descendants"},
		{cannotCreate, unix.ENOSPC, "remove some"},
		{cannotCreate, unix.EIO, unix.EIO.Error()},
	} {
		err := c.explain("/cg", &fs.PathError{Op: "write", Path: "/cg/x", Err: c.errno})
		require.ErrorContains(t, err, "cgroup /cg: ")
		require.ErrorContains(t, err, c.want)
		require.ErrorIs(t, err, c.errno)
	}
}

func TestAUserCanWorkInADirectoryThatWasDelegated(t *testing.T) {
	dir := base(t, first)
	asUser := asNobody(t, dir)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "locked"), 0o700))
	_, line := start(t, "locked", asUser)
	require.Contains(t, line, "it cannot be looked at: permission denied")

	_, line = start(t, "user", asUser)
	require.Contains(t, line, "no group can be created in it: permission denied (have it delegated")

	require.NoError(t, own(dir, nobody))
	_, line = start(t, "user", asUser)
	require.Equal(t, "<nil>", line)
}

func TestAUserOutsideOfWhatWasDelegatedIsToldSo(t *testing.T) {
	dir := base(t, second)
	require.NoError(t, own(dir, nobody))
	outside, inside := filepath.Join(dir, "outside"), filepath.Join(dir, "inside")
	asUser := asNobody(t, inside)
	require.NoError(t, os.Mkdir(inside, 0o755))
	require.NoError(t, own(inside, nobody))
	g, err := (&Parent{dir, second}).New("outside")
	require.NoError(t, err)
	defer g.file.Close()

	// The right to write cgroup.procs of what is above both decides, as the kernel has it.
	place := []place{{outside, second}, {"/elsewhere", first}}
	require.NoError(t, mayMove(inside, place))
	require.Equal(t, dir, common(inside, outside))
	require.Equal(t, dir, common(dir, outside))
	require.Equal(t, "/", common("/a", "/b"))

	_, line := start(t, "move", asUser)
	require.Contains(t, line, "this process is in ")
	require.Contains(t, line, "permission denied (start the program inside the directory that was delegated")

	_, line = start(t, "move", asUser, func(c *exec.Cmd) {
		c.SysProcAttr.UseCgroupFD, c.SysProcAttr.CgroupFD = true, int(g.file.Fd())
	})
	require.Equal(t, "<nil>", line)
}

func TestTheOwnGroupIsFoundBelowAnotherRoot(t *testing.T) {
	root := t.TempDir()
	require.Empty(t, Own(root))
	fake(t, filepath.Join(root, "proc", "self"), map[string]string{"cgroup": hybrid, "mountinfo": hybridMounts})
	require.Empty(t, Own(root)) // not there
	v1 := fake(t, filepath.Join(root, "sys/fs/cgroup/cpu,mem ory/a:b"), nil)
	v2 := fake(t, filepath.Join(root, "sys/fs/cgroup/unified/user.slice"), nil)
	require.Equal(t, []string{v1, v2}, Own(root))
}

func TestTheOwnGroupIsTheOneThatHoldsThisProcess(t *testing.T) {
	dirs := Own("/")
	if len(dirs) == 0 {
		t.Skip("this process sees no cgroup of its own")
	}
	for _, dir := range dirs {
		require.Contains(t, pids(read(dir, "cgroup.procs")), os.Getpid())
	}
}
