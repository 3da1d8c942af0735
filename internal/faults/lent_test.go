//go:build linux

package faults

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// A long argument is sent from the caller's memory: until the call is answered, and not a moment longer.

const lentSize = 3 << 20

// tornFile is where workers write down that an argument was changed while they were sent it.
const tornFile = "FAULTS_TORN"

// uniform answers with the byte that its argument is made of. Told to by the first attempt's byte 'k', it kills its worker.
var uniform = worker.Register("uniform", func(ctx context.Context, b []byte) ([]byte, error) {
	for i := range b {
		if b[i] != b[0] {
			_ = os.WriteFile(os.Getenv(tornFile), fmt.Appendf(nil, "byte %d is %q, the first is %q", i, b[i], b[0]), 0o600)
			return nil, fmt.Errorf("byte %d is %q, the first is %q", i, b[i], b[0])
		}
	}
	if len(b) > 0 && b[0] == 'k' && worker.Info(ctx).Attempt == 1 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return b, nil
})

// startWhole is start; at the end no worker may have seen an argument that was changed.
func startWhole(t *testing.T, n int, opts ...pool.Option) *fixture {
	t.Helper()
	torn := filepath.Join(t.TempDir(), "torn")
	f := start(t, n, append(opts, pool.WithEnv(tornFile+"="+torn))...)
	t.Cleanup(func() {
		text, err := os.ReadFile(torn)
		assert.ErrorIs(t, err, os.ErrNotExist, "%s", text)
	})
	return f
}

// The argument is memory that is gone when the call is answered: who still read it would be told so by the kernel, and lose the worker.
func TestALongArgumentIsTheCallersAgainWhenHisCallIsCancelled(t *testing.T) {
	f := startWhole(t, 1)
	pid := f.Workers()[0].PID
	for range 20 {
		require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
		ctx, cancel := context.WithCancel(t.Context())
		arg, err := syscall.Mmap(-1, 0, lentSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		require.NoError(t, err)
		future := pool.Go(ctx, f.Pool, uniform, arg) // fills the pipe, and waits for the rest
		follow(f, future)
		cancel()
		_, err = await(t, future)
		require.ErrorIs(t, err, context.Canceled)
		require.NoError(t, syscall.Munmap(arg))
		require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
		got, err := call(f, uniform, bytes.Repeat([]byte{'b'}, lentSize))
		require.NoError(t, err)
		require.Len(t, got, lentSize)
	}
	require.Equal(t, pid, f.Workers()[0].PID, "no worker had to die for it")
}

func TestALongArgumentIsTheCallersAgainWhenHisMapHasEnded(t *testing.T) {
	f := startWhole(t, 2)
	for round := range 10 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(round)*3*time.Millisecond+time.Microsecond)
		args := make([][]byte, 8)
		for i := range args {
			args[i] = bytes.Repeat([]byte{byte('a' + i)}, lentSize)
		}
		results, err := pool.Map(ctx, f.Pool, uniform, args)
		cancel()
		for i, arg := range args {
			if results[i] != nil {
				require.True(t, bytes.Equal(arg, results[i]))
			} else {
				require.Error(t, err)
			}
		}
		for _, arg := range args {
			clear(arg)
		}
	}
}

func TestALongArgumentSurvivesTheDeathOfItsWorker(t *testing.T) {
	f := startWhole(t, 2)
	mortal := bytes.Repeat([]byte{'k'}, lentSize)
	got, err := pool.Call(t.Context(), f.Pool, uniform, mortal, pool.Retries(1))
	require.NoError(t, err)
	require.True(t, bytes.Equal(mortal, got))
	args := [][]byte{bytes.Repeat([]byte{'a'}, lentSize), mortal, []byte("b"), mortal, bytes.Repeat([]byte{'c'}, lentSize)}
	all, err := pool.Map(t.Context(), f.Pool, uniform, args, pool.Retries(1))
	require.NoError(t, err)
	for i := range args {
		require.True(t, bytes.Equal(args[i], all[i]), "item %d", i)
	}
	_, err = pool.Call(t.Context(), f.Pool, uniform, mortal)
	fate{signal: syscall.SIGKILL, reason: pool.ReasonSignal}.check(t, err)
}

// Callers who are answered in all the ways there are use their memory again at once.
func TestLongArgumentsOfManyCallersAreNeverMixed(t *testing.T) {
	f := startWhole(t, 2)
	var callers sync.WaitGroup
	for c := range 6 {
		callers.Go(func() {
			arg := make([]byte, 200_000+c*100_000)
			for round := range 30 {
				mark := byte('a' + (c+round)%8) // never 'k'
				for i := range arg {
					arg[i] = mark
				}
				ctx, cancel := context.WithCancel(t.Context())
				future := pool.Go(ctx, f.Pool, uniform, arg)
				if round%3 == c%3 {
					cancel()
				}
				got, err := future.Wait(t.Context())
				cancel()
				if err == nil && (len(got) != len(arg) || got[0] != mark || got[len(got)-1] != mark) {
					t.Errorf("another's result: %q, want %q", got[0], mark)
				}
				if err != nil && round%3 != c%3 {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
}

func TestCloseGivesLongArgumentsBack(t *testing.T) {
	f := startWhole(t, 1)
	f.spent = true
	require.NoError(t, syscall.Kill(f.Workers()[0].PID, syscall.SIGSTOP))
	arg := bytes.Repeat([]byte{'a'}, lentSize)
	future := pool.Go(t.Context(), f.Pool, uniform, arg)
	require.NoError(t, f.Close())
	_, err := await(t, future)
	require.ErrorIs(t, err, pool.ErrClosed)
	clear(arg)
}
