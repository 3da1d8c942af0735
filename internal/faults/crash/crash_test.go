//go:build cgo && linux

package crash

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/internal/syncbuf"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

const ownerVar = "CRASH_OWNER"

func TestMain(m *testing.M) {
	worker.Main()
	if os.Getenv(ownerVar) != "" {
		own()
	}
	leaktest.Main(m)
}

// run does in C what its argument says. Where that returns, so does it.
var run = worker.Register("crash.run", func(ctx context.Context, what string) (int, error) {
	switch what {
	case "fault":
		Fault()
	case "abort":
		Abort()
	case "double free":
		DoubleFree()
	case "exit 0":
		Exit(0)
	case "exit 7":
		Exit(7)
	case "_exit 0":
		ExitAtOnce(0)
	case "spin":
		started(ctx)
		Spin()
	case "scan":
		return Scan(), nil
	default:
		Print(what)
	}
	return 0, nil
})

// started tells, on stderr, that the task is about to be beyond reach.
func started(context.Context) { fmt.Fprintln(os.Stderr, "spinning") }

// lines passes on whole lines as they are written.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		l <- strings.TrimSuffix(string(line), "\n")
	}
	return len(p), nil
}

func newPool(t *testing.T, opts ...pool.Option) *pool.Pool {
	t.Helper()
	timer := time.AfterFunc(time.Minute, func() {
		debug.SetTraceback("all")
		panic(t.Name() + " has not ended after a minute")
	})
	t.Cleanup(func() { timer.Stop() })
	leaktest.Check(t)
	p, err := pool.New(t.Context(), append([]pool.Option{pool.WithWorkers(2), pool.WithLogger(hclog.NewNullLogger()), pool.WithStopGrace(time.Second)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	return p
}

func TestRow018DeathInCCostsTheTaskAndIsNeverASuccess(t *testing.T) {
	for _, test := range []struct {
		what   string
		code   int
		reason pool.ExitReason
		stderr string
	}{
		{"fault", 2, pool.ReasonCrash, "SIGSEGV"},
		{"abort", 2, pool.ReasonCrash, "SIGABRT"},
		{"double free", 2, pool.ReasonCrash, "SIGABRT"},
		{"exit 0", 0, pool.ReasonExit, ""},
		{"exit 7", 7, pool.ReasonExit, ""},
		{"_exit 0", 0, pool.ReasonExit, ""},
	} {
		t.Run(test.what, func(t *testing.T) {
			p := newPool(t, pool.WithStderr(new(syncbuf.Buffer)))
			neighbour := pool.Go(t.Context(), p, run, "beside it")
			_, err := pool.Call(t.Context(), p, run, test.what)
			var exit *pool.ExitError
			require.ErrorAs(t, err, &exit)
			assert.Equal(t, test.code, exit.Code)
			assert.Nil(t, exit.Signal)
			assert.Equal(t, test.reason, exit.Reason)
			assert.Contains(t, string(exit.Stderr), test.stderr)
			_, err = neighbour.Wait(t.Context())
			assert.NoError(t, err)
			for range 4 {
				_, err = pool.Call(t.Context(), p, run, "afterwards")
				assert.NoError(t, err)
			}
		})
	}
}

func TestRow032EndlessLoopInCIsKilledByCloseAndByCancel(t *testing.T) {
	t.Run("Close", func(t *testing.T) {
		text := make(lines, 16)
		p := newPool(t, pool.WithStderr(text))
		future := pool.Go(t.Context(), p, run, "spin")
		<-text
		begin := time.Now()
		require.NoError(t, p.Close())
		assert.Less(t, time.Since(begin), 4*time.Second)
		_, err := future.Wait(t.Context())
		assert.ErrorIs(t, err, pool.ErrClosed)
	})
	t.Run("cancel", func(t *testing.T) {
		text := make(lines, 16)
		ended := make(chan pool.WorkerExit, 16)
		p := newPool(t, pool.WithStderr(text), pool.WithOnExit(func(e pool.WorkerExit) { ended <- e }))
		ctx, cancel := context.WithCancel(t.Context())
		future := pool.Go(ctx, p, run, "spin")
		<-text
		cancel()
		_, err := future.Wait(t.Context())
		assert.ErrorIs(t, err, context.Canceled)
		select {
		case e := <-ended:
			assert.Equal(t, pool.ReasonCancelled, e.Reason)
		case <-time.After(10 * time.Second):
			t.Error("the worker still spins")
		}
	})
}

func TestRow068WhatCPrintsArrivesAtStdout(t *testing.T) {
	out := new(syncbuf.Buffer)
	p := newPool(t, pool.WithStdout(out))
	for i := range 20 {
		_, err := pool.Call(t.Context(), p, run, fmt.Sprint("from C ", i, "."))
		require.NoError(t, err)
	}
	require.NoError(t, p.Shutdown(t.Context()))
	for i := range 20 {
		assert.Contains(t, out.String(), fmt.Sprint("from C ", i, ".\n"))
	}
}

func TestRow069ScanfInCFindsTheEndAtOnce(t *testing.T) {
	p := newPool(t)
	for range 5 {
		n, err := pool.Call(t.Context(), p, run, "scan")
		assert.NoError(t, err)
		assert.Negative(t, n)
	}
}

// own is the program whose death is looked at: its two workers are lost in C.
func own() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2), pool.WithWorkerProcs(1), pool.WithStderr(os.Stdout), pool.WithLogger(hclog.NewNullLogger()))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for _, w := range p.Workers() {
		fmt.Println("pid", w.PID)
	}
	future := pool.Go(ctx, p, run, "spin")
	pool.Go(ctx, p, run, "spin")
	future.Wait(ctx)
	p.Close()
	os.Exit(0)
}

func TestRow050ParentIsKilledWhileItsWorkersSpinInC(t *testing.T) {
	leaktest.Check(t)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), ownerVar+"=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Kill()
	text := bufio.NewScanner(out)
	var pidfds []int
	for spinning := 0; spinning < 2 && text.Scan(); {
		var pid int
		if n, _ := fmt.Sscanf(text.Text(), "pid %d", &pid); n == 1 {
			fd, err := unix.PidfdOpen(pid, 0)
			require.NoError(t, err)
			defer unix.Close(fd)
			pidfds = append(pidfds, fd)
		} else {
			assert.Equal(t, "spinning", text.Text())
			spinning++
		}
	}
	require.Len(t, pidfds, 2)
	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	for _, fd := range pidfds {
		assert.True(t, endsWithin(fd, 4*time.Second), "a worker outlives its parent")
	}
}

// endsWithin waits for the end of a process.
func endsWithin(pidfd int, within time.Duration) bool {
	for end := time.Now().Add(within); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(max(time.Until(end), 0).Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
}

func TestRow032EndlessLoopInCIsKilledAtItsTimeLimitWithItsStack(t *testing.T) {
	p := newPool(t, pool.WithStderr(new(syncbuf.Buffer)))
	begin := time.Now()
	_, err := pool.Call(t.Context(), p, run, "spin", pool.Timeout(500*time.Millisecond))
	var timeout *pool.TimeoutError
	require.ErrorAs(t, err, &timeout)
	assert.True(t, timeout.Hard)
	assert.Contains(t, timeout.Stack, "Spin", "the stack ends where C begins")
	assert.Less(t, time.Since(begin), 10*time.Second)
}
