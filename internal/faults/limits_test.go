//go:build linux

package faults

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

// burn uses up the second of CPU time that it allows itself.
func burn(ctx context.Context, _ string) error {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return err
	}
	limit := uint64(used.Utime.Sec+used.Stime.Sec) + 1
	if err := unix.Setrlimit(unix.RLIMIT_CPU, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		return err
	}
	return spin(ctx, "")
}

// writeMuch writes more than it allows itself to a file.
func writeMuch(_ context.Context, path string) error {
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 4096, Max: 4096}); err != nil {
		return err
	}
	err := os.WriteFile(path, make([]byte, 8192), 0o600)
	if errors.Is(err, syscall.EFBIG) {
		return errors.New("as it should be: " + err.Error())
	}
	return err
}

// takeThreads takes more threads than it allows itself.
func takeThreads(context.Context, string) error {
	debug.SetMaxThreads(24)
	for range 100 {
		go func() {
			runtime.LockOSThread()
			select {}
		}()
	}
	select {}
}

func TestRow065LimitOnCPUTimeKillsAndLimitOnFileSizeIsTheTasksError(t *testing.T) {
	t.Run("CPU time", func(t *testing.T) {
		f := start(t, 1)
		_, err := call(f, obey, order{Do: "burn"})
		fate{signal: syscall.SIGKILL, reason: pool.ReasonSignal}.check(t, err)
		f.replaced()
	})
	t.Run("file size", func(t *testing.T) {
		f := start(t, 1)
		pid := f.pidAt(0)
		_, err := call(f, obey, order{Do: "write-much " + filepath.Join(t.TempDir(), "file")})
		fails[*pool.RemoteError]("as it should be")(t, err)
		f.works()
		assert.Equal(t, pid, f.pidAt(0), "SIGXFSZ is ignored and the worker lives")
	})
}

func TestRow066WorkerThatRunsOutOfThreadsCostsTheTaskAndTheProcess(t *testing.T) {
	f := start(t, 2)
	_, err := call(f, obey, order{Do: "threads"})
	fate{code: 2, reason: pool.ReasonCrash, stderr: "thread"}.check(t, err)
	f.replaced()
}

var makeBytes = worker.Register("faults.makeBytes", func(_ context.Context, n int) ([]byte, error) { return make([]byte, n), nil })

// What is over the limit is refused where it is, before a byte of it is sent; what is under it arrives.
func TestRow085LargeValuesArriveAndTooLargeOnesAreNotSent(t *testing.T) {
	const limit = 1 << 20
	t.Run("over the limit", func(t *testing.T) {
		f := start(t, 1, pool.WithMaxPayload(limit))
		f.works()
		sent := f.Stats().BytesSent
		_, err := call(f, echo, make([]byte, limit))
		onSide("parent")(t, err)
		assert.ErrorIs(t, err, wire.ErrTooLarge)
		assert.Equal(t, sent, f.Stats().BytesSent, "nothing was sent")

		pid, received := f.pidAt(0), f.Stats().BytesReceived
		_, err = call(f, makeBytes, limit)
		onSide("worker")(t, err)
		assert.Contains(t, err.Error(), "too large", "why")
		assert.Less(t, f.Stats().BytesReceived-received, int64(limit/4), "the worker did not send it")
		f.works()
		assert.Equal(t, pid, f.pidAt(0))

		fits, err := call(f, makeBytes, limit-8)
		assert.NoError(t, err)
		assert.Len(t, fits, limit-8)
	})
	size := 8 << 20
	if !testing.Short() && raceFactor == 1 {
		size = 256 << 20
	}
	t.Run("under the limit", func(t *testing.T) {
		f := start(t, 1, pool.WithMaxPayload(size+64))
		f.works()
		arg := bytes.Repeat([]byte("0123456789abcdef"), size/16)
		var got []byte
		var err error
		grown := allocated(func() { got, err = call(f, echo, arg) })
		require.NoError(t, err)
		assert.True(t, bytes.Equal(arg, got))
		assert.Less(t, grown, uint64(6*size), "bytes allocated in the parent, one after the other")
	})
	t.Run("4 GiB", func(t *testing.T) {
		if testing.Short() || raceFactor > 1 {
			t.Skip("takes 4 GiB, and more under the race detector")
		}
		f := start(t, 1, pool.WithMaxPayload(wire.MaxPayload))
		_, err := call(f, echo, make([]byte, 1<<32))
		onSide("parent")(t, err)
		f.works()
	})
}
