package pool

import (
	"context"
	"os"
	"runtime/debug"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/worker"
)

var scarceMake = worker.Register("scarce.make", func(_ context.Context, text string) (worker.Blob, error) {
	return worker.NewBlob([]byte(text))
})

// forgetful returns a pool of which some Blobs were forgotten, in a process in which the collector does not run by itself.
func forgetful(t *testing.T, forgotten int) *Pool {
	percent := debug.SetGCPercent(-1)
	t.Cleanup(func() { debug.SetGCPercent(percent) })
	p, err := New(t.Context(), WithWorkers(1), WithLogger(hclog.NewNullLogger()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	_, err = Call(t.Context(), p, scarceMake, "x")
	require.NoError(t, err)
	for range forgotten - 1 {
		_, err := p.Share([]byte("x"))
		require.NoError(t, err)
	}
	return p
}

// withoutDescriptors calls f while this process has every descriptor in use that it may have, and could collect garbage for want of them.
func withoutDescriptors(t *testing.T, f func()) {
	var was unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &was))
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	fill := []int{fd}
	defer func() {
		for _, fd := range fill {
			_ = unix.Close(fd)
		}
	}()
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(fd) + 64, Max: was.Max}))
	defer func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &was)) }()
	for {
		fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			require.ErrorIs(t, err, unix.EMFILE)
			break
		}
		fill = append(fill, fd)
	}
	collections.mu.Lock()
	collections.last = time.Time{}
	collections.mu.Unlock()
	f()
}

func TestForgottenBlobsAreFreedWhenShareFindsNoDescriptor(t *testing.T) {
	p := forgetful(t, 3)
	var b worker.Blob
	var err error
	withoutDescriptors(t, func() { b, err = p.Share([]byte("more")) })
	require.NoError(t, err)
	require.NoError(t, b.Release())
}

func TestForgottenBlobsAreFreedWhenAResultFindsNoDescriptor(t *testing.T) {
	p := forgetful(t, 3)
	var first, second error
	var b worker.Blob
	withoutDescriptors(t, func() {
		_, first = Call(t.Context(), p, scarceMake, "more")
		b, second = Call(t.Context(), p, scarceMake, "more")
	})
	require.ErrorContains(t, first, "no descriptor left")
	require.ErrorContains(t, first, "the pool has 3 Blobs that are not released")
	require.NoError(t, second)
	require.NoError(t, b.Release())
}

func TestBlobsThatAreHeldAreCountedWhereThereIsNoDescriptor(t *testing.T) {
	p := forgetful(t, 1)
	held, err := p.Share([]byte("held"))
	require.NoError(t, err)
	withoutDescriptors(t, func() {
		_, err = p.Share([]byte("more")) // in place of the forgotten one
		require.NoError(t, err)
		began := time.Now()
		_, err = p.Share([]byte("more"))
		require.ErrorIs(t, err, unix.EMFILE)
		require.ErrorContains(t, err, "the pool has 2 Blobs that are not released")
		require.Less(t, time.Since(began), collectEvery)
	})
	require.NoError(t, held.Release())
}
