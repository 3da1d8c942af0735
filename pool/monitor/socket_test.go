//go:build unix

package monitor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/internal/sockdir"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

var (
	socketEcho = worker.Register("socket echo", func(_ context.Context, n int) (int, error) { return n, nil })

	// socketNested counts the sockets of a process that has a pool of its own.
	socketNested = worker.Register("socket nested", func(ctx context.Context, asked bool) (int, error) {
		p, err := pool.New(ctx, socketOptions(asked)...)
		if err != nil {
			return 0, err
		}
		defer func() { _ = p.Close() }()
		sockets, err := filepath.Glob(filepath.Join(os.Getenv(sockdir.Var), strconv.Itoa(os.Getpid())+"-*"))
		return len(sockets), err
	})
)

// socketPlace has a test's pools put their sockets into a directory of its own.
func socketPlace(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "ms") // short: t.TempDir has the test's name in it
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Setenv(sockdir.Var, dir)
	return dir
}

// socketOptions are those of a small pool. Asked is one that asks for a socket.
func socketOptions(asked bool) []pool.Option {
	opts := []pool.Option{pool.WithWorkers(1), pool.WithName("sockets"), pool.WithLogger(hclog.NewNullLogger())}
	if asked {
		opts = append(opts, Socket())
	}
	return opts
}

func newWatched(t *testing.T, asked bool) *pool.Pool {
	t.Helper()
	p, err := pool.New(t.Context(), socketOptions(asked)...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func socketsIn(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	return paths
}

// client is one that talks to a socket. Its connections are closed when the test ends.
func client(t *testing.T, path string) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return sockdir.Dial(ctx, path) }}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func snapshotFrom(t *testing.T, c *http.Client) (s Snapshot) {
	t.Helper()
	resp, err := c.Get("http://pool/snapshot")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&s))
	return s
}

func TestASocketTellsWhatThePoolDoes(t *testing.T) {
	leaktest.Check(t)
	dir := socketPlace(t)
	p := newWatched(t, true)
	for i := range 3 {
		_, err := pool.Call(t.Context(), p, socketEcho, i)
		require.NoError(t, err)
	}
	paths := socketsIn(t, dir)
	require.Len(t, paths, 1, "the variable asks for one, and so does the program")
	s := snapshotFrom(t, client(t, paths[0]))
	require.Equal(t, os.Getpid(), s.PID)
	require.Equal(t, 3, s.Totals.Completed)
	require.Len(t, s.Workers, 1)
	require.Equal(t, p.Workers()[0].PID, s.Workers[0].PID)
	require.False(t, s.ReadOnly, "whoever gets here may kill workers")
}

func TestWithoutBeingAskedForThereIsNoSocket(t *testing.T) {
	dir := socketPlace(t)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv(sockdir.Var, "0")
	newWatched(t, false)
	require.Empty(t, socketsIn(t, dir))
	t.Setenv(sockdir.Var, "1")
	newWatched(t, false)
	require.Len(t, socketsIn(t, filepath.Join(dir, "procpool")), 1)
}

func TestTheSocketGoesWithThePoolHoweverItEnds(t *testing.T) {
	for name, end := range map[string]func(t *testing.T){
		"Close":    func(t *testing.T) { require.NoError(t, newWatched(t, true).Close()) },
		"Shutdown": func(t *testing.T) { require.NoError(t, newWatched(t, true).Shutdown(t.Context())) },
		"collection": func(t *testing.T) {
			p, err := pool.New(t.Context(), socketOptions(true)...)
			require.NoError(t, err)
			runtime.KeepAlive(p)
		},
	} {
		t.Run(name, func(t *testing.T) {
			leaktest.Check(t)
			dir := socketPlace(t)
			end(t)
			require.Eventually(t, func() bool {
				runtime.GC()
				return len(socketsIn(t, dir)) == 0
			}, 10*time.Second, 10*time.Millisecond)
		})
	}
}

func TestAPoolThatIsWatchedCanBeCollected(t *testing.T) {
	leaktest.Check(t)
	dir := socketPlace(t)
	p, err := pool.New(t.Context(), socketOptions(true)...)
	require.NoError(t, err)
	c := client(t, socketsIn(t, dir)[0])
	resp, err := c.Get("http://pool/events")
	require.NoError(t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	require.True(t, lines.Scan())
	runtime.KeepAlive(p)

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines.Scan() {
		}
	}()
	for deadline := time.Now().Add(20 * time.Second); ; runtime.GC() {
		select {
		case <-ended:
			return
		case <-time.After(10 * time.Millisecond):
			require.True(t, time.Now().Before(deadline), "the stream holds the pool")
		}
	}
}

func TestClosingEndsWhatIsStillWatchedAndAsked(t *testing.T) {
	leaktest.Check(t)
	dir := socketPlace(t)
	p := newWatched(t, true)
	path := socketsIn(t, dir)[0]
	var watching sync.WaitGroup
	begun := make(chan struct{}, 100)
	for range 20 {
		c := client(t, path)
		watching.Go(func() {
			resp, err := c.Get("http://pool/events")
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			_, _ = resp.Body.Read(make([]byte, 1))
			begun <- struct{}{}
			_, _ = io.Copy(io.Discard, resp.Body)
		})
		watching.Go(func() {
			for {
				resp, err := c.Get("http://pool/snapshot")
				if err != nil {
					return // the pool has ended
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
	mute, err := net.Dial("unix", path) // says nothing, for ever
	require.NoError(t, err)
	defer mute.Close()
	for range 20 {
		<-begun
	}
	began := time.Now()
	require.NoError(t, p.Close())
	require.Less(t, time.Since(began), 5*time.Second)
	watching.Wait()
	_, err = os.Stat(path)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestAnUnsafeDirectoryIsTheErrorOfNew(t *testing.T) {
	leaktest.Check(t)
	dir := socketPlace(t)
	require.NoError(t, os.Chmod(dir, 0o755))
	for _, asked := range []bool{true, false} {
		_, err := pool.New(t.Context(), socketOptions(asked)...)
		require.ErrorContains(t, err, "is open to other users (mode 0755): chmod 700 it")
	}
	t.Setenv(sockdir.Var, "perhaps")
	_, err := pool.New(t.Context(), socketOptions(false)...)
	require.ErrorContains(t, err, `PROCPOOL_MONITOR="perhaps"`)
}

func TestThePoolsOfWorkersHaveNoSocketForTheVariable(t *testing.T) {
	dir := socketPlace(t)
	p := newWatched(t, false)
	require.Len(t, socketsIn(t, dir), 1)
	for asked, want := range map[bool]int{false: 0, true: 1} {
		n, err := pool.Call(t.Context(), p, socketNested, asked)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
}

func TestPoolsOfOneNameHaveSocketsOfTheirOwn(t *testing.T) {
	dir := socketPlace(t)
	a, b := newWatched(t, true), newWatched(t, true)
	paths := socketsIn(t, dir)
	require.Len(t, paths, 2)
	pids := []int{a.Workers()[0].PID, b.Workers()[0].PID}
	for _, path := range paths {
		s := snapshotFrom(t, client(t, path))
		require.Contains(t, pids, s.Workers[0].PID)
	}
	require.NoError(t, a.Close())
	require.Len(t, socketsIn(t, dir), 1)
}

func TestAWorkerIsKilledThroughTheSocketIfItIsTheOneThatIsMeant(t *testing.T) {
	dir := socketPlace(t)
	p := newWatched(t, true)
	if errors.Is(p.KillWorker(0, 1), errors.ErrUnsupported) {
		t.Skip("KillWorker is not there yet")
	}
	c := client(t, socketsIn(t, dir)[0])
	pid := p.Workers()[0].PID
	kill := func(pid int) (status int, text string) {
		resp, err := c.Post("http://pool/workers/0/kill?pid="+strconv.Itoa(pid), "", nil)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	status, text := kill(pid + 1)
	require.GreaterOrEqual(t, status, 400, text)
	require.Equal(t, pid, p.Workers()[0].PID)
	status, text = kill(pid)
	require.Equal(t, http.StatusOK, status, text)
	require.Eventually(t, func() bool {
		s := snapshotFrom(t, c)
		return len(s.Workers) == 1 && s.Workers[0].PID != pid && s.Workers[0].PID != 0 && s.Workers[0].Restarts == 1
	}, 20*time.Second, 10*time.Millisecond)
}
