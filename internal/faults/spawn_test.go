//go:build linux

package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/internal/proc"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

// A scarcity refuses to start processes, with an error number, as long as it holds.
type scarcity struct {
	errno   syscall.Errno
	after   atomic.Int64 // starts that still succeed
	refused atomic.Int64
}

var scarce atomic.Pointer[scarcity]

func init() {
	proc.StartHook = func(proc.Spec) error {
		s := scarce.Load()
		if s == nil || s.after.Add(-1) >= 0 {
			return nil
		}
		s.refused.Add(1)
		return s.errno
	}
}

// refuse lets the given number of starts succeed and refuses all after them, until the
// returned function is called.
func refuse(t testing.TB, errno syscall.Errno, after int64) (*scarcity, func()) {
	s := &scarcity{errno: errno}
	s.after.Store(after)
	scarce.Store(s)
	lift := func() { scarce.Store(nil) }
	t.Cleanup(lift)
	return s, lift
}

var scarcities = []syscall.Errno{syscall.EMFILE, syscall.EAGAIN, syscall.ENOMEM}

func TestRow059To061NewThatCannotStartAllWorkersStartsNone(t *testing.T) {
	for _, errno := range scarcities {
		t.Run(errno.Error(), func(t *testing.T) {
			leaktest.Check(t)
			warm, err := pool.New(t.Context(), helperOptions(1)...) // opens what stays open for ever
			require.NoError(t, err)
			require.NoError(t, warm.Close())
			for _, after := range []int64{0, 1, 4} {
				before := descriptors(t)
				refuse(t, errno, after)
				_, err := tryStart(t, 5)
				var failed *pool.StartError
				require.ErrorAs(t, err, &failed)
				assert.Equal(t, "spawn", failed.Stage)
				assert.ErrorIs(t, err, errno)
				assert.NotEmpty(t, failed.Path)
				eventually(t, patience, "no descriptor is left", func() bool { return len(newDescriptors(t, before)) == 0 })
			}
		})
	}
}

// newDescriptors returns the pipes and the like that are open now and were not before.
func newDescriptors(t testing.TB, before map[int]string) []string {
	t.Helper()
	var found []string
	for fd, target := range descriptors(t) {
		if before[fd] != target {
			found = append(found, fmt.Sprintf("%d -> %s", fd, target))
		}
	}
	return found
}

func TestRow059To061PoolLivesWithTheWorkersItHasAndHeals(t *testing.T) {
	for _, errno := range scarcities {
		t.Run(errno.Error(), func(t *testing.T) {
			f := start(t, 3)
			s, lift := refuse(t, errno, 0)
			_, err := call(f, obey, order{Do: "signal 9"})
			fate{signal: syscall.SIGKILL}.check(t, err)
			for s.refused.Load() < 3 { // while it tries again and again, two workers serve
				f.works()
			}
			f.meet(2)
			lift()
			f.replaced()
		})
	}
}

func TestRow059To061PoolWithoutAWorkerIsBrokenAndSaysWhyAndHeals(t *testing.T) {
	for _, errno := range scarcities {
		t.Run(errno.Error(), func(t *testing.T) {
			f := start(t, 2)
			s, lift := refuse(t, errno, 0)
			victims := []*pool.Future[answer]{submit(f, obey, order{Do: "signal 9"}), submit(f, obey, order{Do: "signal 9"})}
			pending := submit(f, double, 1)
			for _, victim := range victims {
				await(t, victim)
			}
			begin := time.Now()
			_, err := await(t, pending)
			assert.Less(t, time.Since(begin), 15*time.Second)
			if err != nil { // a quick worker may have done it before it died
				require.ErrorIs(t, err, pool.ErrBroken)
			}
			eventually(t, 15*time.Second, "the pool is broken", func() bool {
				_, err = call(f, double, 1)
				return err != nil
			})
			assert.ErrorIs(t, err, pool.ErrBroken)
			assert.ErrorIs(t, err, errno)
			assert.Positive(t, s.refused.Load())
			lift()
			eventually(t, patience, "the pool heals", func() bool {
				_, err := call(f, double, 1)
				return err == nil
			})
		})
	}
}

// The starved helper has few descriptors left when it makes its pool.
var _ = role("starved", func() int {
	t := &plainT{}
	warm, err := pool.New(context.Background(), helperOptions(1)...) // what stays open for ever is open now
	if err != nil {
		report(judged(err))
		return 1
	}
	warm.Close()
	before := descriptors(t)
	var limit syscall.Rlimit
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	for spare := range uint64(48) {
		limit.Cur = uint64(len(before)) + 2 + spare
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			panic(err)
		}
		p, err := pool.New(context.Background(), helperOptions(6)...)
		v := judged(err)
		if err == nil {
			p.Close()
		}
		limit.Cur = limit.Max
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
		v.Leaked = newDescriptors(t, before)
		v.Children = len(children(t))
		report(v)
	}
	return 0
})

// plainT is a testing.TB for helpers: what fails ends the process.
type plainT struct{ testing.TB }

func (*plainT) Helper()                        {}
func (*plainT) Fatal(args ...any)              { panic(fmt.Sprint(args...)) }
func (*plainT) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }
func (*plainT) Errorf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

// Whatever the number of descriptors that are left, by one or two more each time: each
// step of a start is the one that fails once.
func TestRow059DescriptorsRunOutAtEachStepOfAStart(t *testing.T) {
	bounded(t, time.Minute)
	leaktest.Check(t)
	h := startHelper(t, "starved")
	failures := 0
	for spare := range 48 {
		var v verdict
		h.hear(&v)
		if v.Err != "" {
			failures++
			assert.True(t, v.Is["EMFILE"], "%d spare: %+v", spare, v)
			assert.Equal(t, "spawn", v.Stage, "%d spare: %+v", spare, v)
		}
		assert.Empty(t, v.Leaked, "%d spare: descriptors", spare)
		assert.Zero(t, v.Children, "%d spare: children", spare)
	}
	assert.Greater(t, failures, 10, "pools that could not start")
	assert.True(t, h.wait().Success())
}

// The mover's image is gone, or is another program by now, before it makes its pool.
var _ = role("replaced image", func() int {
	report(os.Getpid())
	listen()
	ctx := context.Background()
	p, err := pool.New(ctx, helperOptions(2)...)
	if err != nil {
		report(judged(err))
		return 1
	}
	defer p.Close()
	_, err = pool.Call(ctx, p, obey, order{Do: "exit 3"}) // and a restart
	if err == nil {
		report(verdict{Err: "a death went unnoticed"})
		return 1
	}
	if err = p.Resize(ctx, 3); err != nil {
		report(judged(err))
		return 1
	}
	_, err = pool.Map(ctx, p, double, make([]int, 100))
	report(judged(err))
	return 0
})

func TestRow062And063ImageThatIsDeletedOrReplacedStillStarts(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(path string) error
	}{
		{"deleted", os.Remove},
		{"replaced by another program", func(path string) error {
			other := path + ".new"
			if err := os.WriteFile(other, []byte("#!/bin/sh\necho wrong program\n"), 0o755); err != nil {
				return err
			}
			return os.Rename(other, path)
		}},
		{"directory renamed", func(path string) error { return os.Rename(filepath.Dir(path), filepath.Dir(path)+".moved") }},
		{"no longer executable", func(path string) error { return os.Chmod(path, 0o600) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			bounded(t, time.Minute)
			leaktest.Check(t)
			path := filepath.Join(t.TempDir(), "d", "program")
			require.NoError(t, os.Mkdir(filepath.Dir(path), 0o755))
			require.NoError(t, copySelf(path))
			h := startHelperAs(t, func(cmd *exec.Cmd) { cmd.Path = path }, "replaced image")
			var pid int
			h.hear(&pid)
			require.NoError(t, test.spoil(path))
			h.tell("go")
			var v verdict
			h.hear(&v)
			if test.name == "no longer executable" { // not even to root, without any x bit
				assert.Equal(t, "spawn", v.Stage, "%+v", v)
				assert.Contains(t, v.Err, "permission denied")
				return
			}
			assert.Empty(t, v.Err)
			assert.True(t, h.wait().Success())
		})
	}
}

func copySelf(path string) error {
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, from); err != nil {
		return err
	}
	return to.Close()
}

// What cannot be executed is named, with the reason.
func TestRow062CommandThatCannotStartIsAnExplanation(t *testing.T) {
	notExecutable := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.WriteFile(notExecutable, []byte("data"), 0o644))
	noFormat := filepath.Join(t.TempDir(), "noformat")
	require.NoError(t, os.WriteFile(noFormat, []byte("\x00\x01\x02"), 0o755))
	for _, test := range []struct {
		path  string
		errno syscall.Errno
	}{
		{"/nonexistent/program", syscall.ENOENT},
		{notExecutable, syscall.EACCES},
		{noFormat, syscall.ENOEXEC},
		{"/", syscall.EISDIR},
	} {
		t.Run(test.path, func(t *testing.T) {
			_, err := tryStart(t, 2, pool.WithCommand(test.path))
			var failed *pool.StartError
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, "spawn", failed.Stage)
			assert.Equal(t, test.path, failed.Path)
			assert.ErrorIs(t, err, test.errno)
		})
	}
	t.Run("a program that speaks no protocol", func(t *testing.T) {
		_, err := tryStart(t, 1, pool.WithCommand("/bin/echo", "I am not a worker"))
		var failed *pool.StartError
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, "hello", failed.Stage)
		assert.Contains(t, string(failed.Stdout), "I am not a worker")
		assert.Contains(t, err.Error(), "I am not a worker")
	})
}

// narrow makes every pipe that this process has opened since before hold one page.
func narrow(t testing.TB, before map[int]string) (pipes int) {
	t.Helper()
	for fd, target := range descriptors(t) {
		if before[fd] == target || len(target) < 5 || target[:5] != "pipe:" {
			continue
		}
		if size, err := unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, 4096); err == nil && size == 4096 {
			pipes++
		}
	}
	return pipes
}

func TestRow064And084EverythingPassesThroughPipesOf4KiB(t *testing.T) {
	before := descriptors(t)
	f := start(t, 2)
	f.works()
	require.GreaterOrEqual(t, narrow(t, before), 2*4, "four pipes for each worker")
	everythingPasses(t, f)
}

// everythingPasses moves in both directions at once more than any pipe holds.
func everythingPasses(t testing.TB, f *fixture) {
	t.Helper()
	size := 64 << 20
	if testing.Short() || raceFactor > 1 {
		size = 16 << 20
	}
	var futures []*pool.Future[[]byte]
	var wants [][]byte
	for i := range 6 { // the next argument goes out while the result before it comes in
		want := bytes.Repeat([]byte{byte(i), 1, 2, 3}, size/4>>(i%3*2))
		wants = append(wants, want)
		futures = append(futures, submit(f, echo, want))
	}
	for i, future := range futures {
		got, err := await(t, future)
		assert.NoError(t, err)
		assert.True(t, bytes.Equal(wants[i], got), "echo of %d bytes", len(wants[i]))
	}
	results, err := pool.Map(context.Background(), f.Pool, double, make([]int, 50_000))
	assert.NoError(t, err)
	assert.Len(t, results, 50_000)
	middling := make([][]byte, 200)
	for i := range middling {
		middling[i] = bytes.Repeat([]byte{byte(i)}, 20_000)
	}
	echoes, err := pool.Map(context.Background(), f.Pool, echo, middling)
	assert.NoError(t, err)
	assert.Equal(t, middling, echoes)
	for range 20 {
		_, err := call(f, doAsTold, "print "+string(bytes.Repeat([]byte("x"), 20_000)))
		assert.NoError(t, err)
	}
}

func TestRow084BothSidesWriteMoreThanThePipeHoldsAtOnce(t *testing.T) {
	f := start(t, 1)
	everythingPasses(t, f)
}

// pipeSizes returns the capacity of each pipe of this process's that is not in before.
func pipeSizes(before map[int]string) map[string]int {
	sizes := map[string]int{}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		target, _ := os.Readlink("/proc/self/fd/" + entry.Name())
		if fd := number(entry.Name()); strings.HasPrefix(target, "pipe:") && before[fd] != target {
			if size, err := unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0); err == nil {
				sizes[target] = size
			}
		}
	}
	return sizes
}

var workersPipes = worker.Register("faults.workersPipes", func(context.Context, struct{}) (map[string]int, error) {
	return pipeSizes(nil), nil
})

// The plumber reports the capacity of all pipes between it and its workers, seen from either side.
var _ = role("plumber", func() int {
	ctx, before := context.Background(), descriptors(&plainT{})
	p, err := pool.New(ctx, helperOptions(2)...)
	if err != nil {
		report(judged(err))
		return 1
	}
	defer p.Close()
	results, err := pool.Broadcast(ctx, p, workersPipes, struct{}{})
	report(judged(err))
	report(pipeSizes(before))
	for _, r := range results {
		report(r.Value)
	}
	return 0
})

// All tests can be run with pipes of 4 KiB, and this one looks whether they have them then.
func TestRow064PipesHaveTheSizeThatTheSettingGives(t *testing.T) {
	for _, size := range []int{4096, 32 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			bounded(t, time.Minute)
			leaktest.Check(t)
			h := startHelper(t, "plumber", fmt.Sprintf("%s=%d", leaktest.PipeVar, size))
			var v verdict
			h.hear(&v)
			require.Empty(t, v.Err)
			for i, who := range []string{"parent", "worker", "worker"} {
				var sizes map[string]int
				h.hear(&sizes)
				assert.GreaterOrEqual(t, len(sizes), []int{10, 5, 5}[i], "pipes of the %s: %v", who, sizes)
				for pipe, got := range sizes {
					assert.Equal(t, size, got, "%s of the %s", pipe, who)
				}
			}
			h.wait()
		})
	}
}

// The pauper is a user who has used up the pages that the system grants for pipes: the pipes
// that it opens from then on have 8 KiB.
var _ = role("pauper", func() int {
	p, err := hoardPipes()
	if err != nil {
		report(verdict{Err: err.Error()})
		return 0
	}
	report(verdict{Threads: p})
	ctx := context.Background()
	for range 3 {
		f := &fixture{t: &plainT{}, n: 2}
		f.Pool, err = pool.New(ctx, helperOptions(2)...)
		if err != nil {
			report(judged(err))
			return 1
		}
		if _, err = pool.Call(ctx, f.Pool, obey, order{Do: "exit 3"}); err == nil {
			report(verdict{Err: "a death went unnoticed"})
		}
		data := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
		for range 3 {
			echoes, err := pool.Map(ctx, f.Pool, echo, [][]byte{data, data, data, data})
			if err != nil || !bytes.Equal(data, echoes[3]) {
				report(judged(err))
				return 1
			}
		}
		if _, err = pool.Map(ctx, f.Pool, double, make([]int, 20_000)); err != nil {
			report(judged(err))
			return 1
		}
		if err := f.Shutdown(ctx); err != nil {
			report(judged(err))
			return 1
		}
	}
	report(verdict{})
	return 0
})

// hoardPipes opens pipes as large as they get until new ones are small, and returns the
// size of these.
func hoardPipes() (int, error) {
	for range 200 {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			return 0, err
		}
		size, err := unix.FcntlInt(uintptr(p[0]), unix.F_GETPIPE_SZ, 0)
		if err != nil {
			return 0, err
		}
		if size < 1<<16 {
			return size, nil
		}
		unix.FcntlInt(uintptr(p[0]), unix.F_SETPIPE_SZ, 1<<20) // refused when the quota is near
	}
	return 0, fmt.Errorf("pipes stay large")
}

func TestRow064UserWhoHasUsedUpThePagesForPipesIsServedAllTheSame(t *testing.T) {
	bounded(t, 2*time.Minute)
	leaktest.Check(t)
	demote := func(*exec.Cmd) {}
	if os.Getuid() == 0 { // root has no quota
		dir, err := os.MkdirTemp("", "faults")
		require.NoError(t, err)
		t.Cleanup(func() { os.RemoveAll(dir) })
		require.NoError(t, os.Chmod(dir, 0o755))
		path := filepath.Join(dir, "program") // the test's own directory may be closed to other users
		require.NoError(t, copySelf(path))
		demote = func(cmd *exec.Cmd) {
			cmd.Path, cmd.Dir = path, dir
			cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
		}
	}
	h := startHelperAs(t, demote, "pauper")
	var v verdict
	h.hear(&v)
	if v.Err != "" {
		t.Skip(v.Err)
	}
	assert.LessOrEqual(t, v.Threads, 8<<10, "bytes in a new pipe")
	h.hear(&v)
	assert.Empty(t, v.Err)
	assert.True(t, h.wait().Success())
}

// A command is looked up once, and the path that was found is the one that is named.
func TestRow062CommandIsFoundInPath(t *testing.T) {
	_, err := exec.LookPath("false")
	if err != nil {
		t.Skip("no false")
	}
	_, err = tryStart(t, 1, pool.WithCommand("false"))
	var failed *pool.StartError
	require.ErrorAs(t, err, &failed)
	assert.True(t, filepath.IsAbs(failed.Path), "%s: the exact path", failed.Path)
}

// Every worker dies as soon as it is started. The starts become rarer until the pool gives up, and it goes on trying.
func TestRow038WorkersThatAllDieAtTheirStartBreakThePoolUntilTheyDoNot(t *testing.T) {
	healed := make(chan struct{})
	th, opts := puppets(t, func(p *puppet) {
		if p.nth == 0 {
			p.greet()
			p.write(p.tasks().started(0))
			p.kill()
		}
		select {
		case <-healed:
			p.greet()
			p.serve()
		default:
			p.warn("no database\n")
			p.exit(1)
		}
	})
	f := start(t, 1, opts...)
	victim, waiting := submit(f, double, 1), submit(f, double, 2)
	_, err := await(t, victim)
	fate{signal: syscall.SIGKILL}.check(t, err)
	begin := time.Now()
	_, err = await(t, waiting)
	assert.Less(t, time.Since(begin), 15*time.Second)
	require.ErrorIs(t, err, pool.ErrBroken)
	var failed *pool.StartError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, "hello", failed.Stage)
	assert.Contains(t, string(failed.Stderr), "no database")
	assert.Contains(t, err.Error(), "no database")
	assert.LessOrEqual(t, th.started(), 1+8, "starts")
	close(healed)
	eventually(t, patience, "the pool heals", func() bool {
		four, err := call(f, double, 2)
		return err == nil && four == 4
	})
}

// A worker that leaves by itself before it has done anything has not started: the pool must not start one after the other at full speed.
func TestRow038WorkersThatLeaveAtOnceAreACrashLoop(t *testing.T) {
	theater, puppetry := puppets(t, func(p *puppet) {
		p.greet()
		p.write(control(wire.Bye, 0, 0, nil))
		p.exit(0)
	})
	f := start(t, 1, puppetry...)
	f.spent = true
	eventually(t, patience, "the slot is broken", func() bool {
		_, err := call(f, double, 1)
		return errors.Is(err, pool.ErrBroken)
	})
	assert.LessOrEqual(t, theater.started(), 12)
	require.NoError(t, f.Close()) // before settle looks for workers, which come and go
}
