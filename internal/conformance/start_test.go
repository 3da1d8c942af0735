//go:build unix

package conformance_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

func TestC038AWorkerThatCannotBeStartedFailsNewAndLeavesNone(t *testing.T) {
	inProcesses(t, func(t *testing.T, m mode) {
		forks := hookForks(t)
		forks.fail(syscall.EAGAIN, 3)
		var exits exits
		var err error
		within(t, limit/2, "New", func() {
			_, err = pool.New(t.Context(), m.options(5, []pool.Option{pool.WithOnExit(exits.add)})...)
		})
		require.ErrorIs(t, err, syscall.EAGAIN)
		var start *pool.StartError
		require.ErrorAs(t, err, &start)
		require.Equal(t, "spawn", start.Stage)
		gone(t, append(exits.pids(), 0))
		require.Empty(t, children(t))
	})
}

// exits remembers which workers ended.
type exits struct {
	mu  sync.Mutex
	all []pool.WorkerExit
}

func (e *exits) add(x pool.WorkerExit) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, x)
}

func (e *exits) pids() (s []int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, x := range e.all {
		s = append(s, x.PID)
	}
	return s
}

// note appends a line to a file, which counts calls across processes.
var note = worker.Register2("note", func(_ context.Context, path, line string) (struct{}, error) {
	return struct{}{}, appendLine(path, line)
})

func TestC039AnInitializerRunsOncePerWorkerAndBeforeAnyTask(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		path := t.TempDir() + "/notes"
		lines := func() []string {
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			return strings.Fields(string(b))
		}
		p := m.pool(t, 1,
			pool.WithInitializer(note, worker.Pack2(path, "init")),
			pool.WithFinalizer(note, worker.Pack2(path, "end")))
		require.Equal(t, []string{"init"}, lines())
		_, err := pool.Map(t.Context(), p, note, []worker.Args2[string, string]{{A: path, B: "task"}, {A: path, B: "task"}})
		require.NoError(t, err)
		shut(t, p)
		require.Equal(t, []string{"init", "task", "task", "end"}, lines())
	})
}

// openFile says which of a process's descriptors refer to one file.
var openFile = worker.Register2("openFile", func(_ context.Context, dev, ino uint64) ([]int, error) {
	found := []int{}
	for fd := range 1024 {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && uint64(st.Dev) == dev && st.Ino == ino { //nolint:unconvert // 32 bits on Darwin
			found = append(found, fd)
		}
	}
	return found, nil
})

// Files that the program itself inherited are tested by a program of its own.
func TestC042AWorkerInheritsNoDescriptorOfTheProgram(t *testing.T) {
	inProcesses(t, func(t *testing.T, m mode) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { _ = l.Close() }()
		file, err := l.(*net.TCPListener).File()
		require.NoError(t, err)
		defer func() { _ = file.Close() }()
		high, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 200)
		require.NoError(t, err)
		defer func() { _ = unix.Close(high) }()
		var st unix.Stat_t
		require.NoError(t, unix.Fstat(high, &st))

		p := m.pool(t, 1)
		found, err := pool.Call(t.Context(), p, openFile, worker.Pack2(uint64(st.Dev), st.Ino)) //nolint:unconvert // as above
		require.NoError(t, err)
		require.Empty(t, found)
	})
}

func TestC043SignalsDuringATransferDoNotDisturbIt(t *testing.T) {
	inProcesses(t, func(t *testing.T, m mode) {
		p := m.pool(t, 2)
		var sent atomic.Int64
		done := make(chan struct{})
		var storm sync.WaitGroup
		storm.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				for _, pid := range append(pids(p), os.Getpid()) {
					_ = syscall.Kill(pid, syscall.SIGUSR1)
				}
				sent.Add(1)
			}
		})
		defer storm.Wait()
		defer close(done)
		eventually(t, "a signal was sent", func() bool { return sent.Load() > 0 })
		for size := range 10 {
			arg := make([]byte, 1<<20+size) // larger than a pipe
			for i := range arg {
				arg[i] = byte(i * (size + 1) >> 3)
			}
			got, err := pool.Call(t.Context(), p, echoBytes, arg)
			require.NoError(t, err)
			require.Equal(t, string(arg), string(got), "%d bytes came back changed", len(arg))
		}
	})
}

// nested starts a pool in a worker.
var nested = worker.Register("nested", func(ctx context.Context, n int) ([]int, error) {
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Close() }()
	return pool.Map(ctx, p, sqr, upTo(n))
})

func TestC040APoolWorksInAWorkerOfAPool(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 2)
		got, err := pool.Map(t.Context(), p, nested, []int{8, 9})
		require.NoError(t, err)
		require.Equal(t, [][]int{squares(8), squares(9)}, got)
	})
}

var shell = worker.Register("shell", func(ctx context.Context, script string) (string, error) {
	out, err := exec.CommandContext(ctx, "/bin/sh", "-c", script).Output()
	return string(out), err
})

func TestC045ATaskCanStartAProcess(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 2)
		got, err := pool.Call(t.Context(), p, shell, "cat; echo child")
		require.NoError(t, err)
		require.Equal(t, "child\n", got)
	})
}
