package pool_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/pooltest"
	"github.com/procpool/procpool/worker"
)

const blobName = "procpool-blob"

// blobsOf counts the descriptors and the mappings of shared memory that a process has.
func blobsOf(t testing.TB, pid int) (fds, mappings int) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/", pid)
	entries, err := os.ReadDir(dir + "fd")
	require.NoError(t, err)
	for _, e := range entries {
		if target, _ := os.Readlink(dir + "fd/" + e.Name()); strings.Contains(target, blobName) {
			fds++
		}
	}
	maps, err := os.ReadFile(dir + "maps")
	require.NoError(t, err)
	return fds, strings.Count(string(maps), blobName)
}

func nothingLeft(t testing.TB, pid int) {
	t.Helper()
	fds, mappings := blobsOf(t, pid)
	require.Zero(t, fds, "descriptors of %d", pid)
	require.Zero(t, mappings, "mappings of %d", pid)
}

// status returns a line of /proc/PID/status in bytes.
func status(t testing.TB, pid int, key string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(text), "\n"+key+":")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(t, err)
	return n << 10
}

var (
	shareTouch = worker.Register("share.touch", func(_ context.Context, b worker.Blob) (byte, error) {
		data, err := b.Bytes()
		var x byte
		for i := 0; i < len(data); i += 4096 {
			x |= data[i]
		}
		return x, err
	})
	shareTouchAndHoard = worker.Register2("share.touchAndHoard", func(ctx context.Context, b worker.Blob, bytes int) (byte, error) {
		data, err := b.Bytes()
		if err != nil {
			return 0, err
		}
		var x byte
		for i := 0; i < len(data); i += 4096 {
			x |= data[i]
		}
		if bytes == 0 {
			time.Sleep(350 * time.Millisecond) // the pool looks ten times a second
			return x, nil
		}
		mem, err := unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON)
		if err != nil {
			return 0, err
		}
		for i := 0; i < len(mem); i += 4096 {
			mem[i] = 1
		}
		<-ctx.Done()
		return x, nil
	})
	shareHold = worker.Register("share.hold", func(ctx context.Context, b worker.Blob) (int, error) {
		data, err := b.Bytes()
		if err != nil {
			return 0, err
		}
		worker.Report(ctx, os.Getpid())
		<-ctx.Done()
		time.Sleep(50 * time.Millisecond) // Forget comes now; and the task reads on
		total := 0
		for _, x := range data {
			total += int(x)
		}
		worker.Report(ctx, total)
		return total, nil
	})
)

func TestReleasedBlobsLeaveNothingBehind(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1))
	pid, err := pool.Call(t.Context(), p, shareNothing, 1)
	require.NoError(t, err)
	for range 3 {
		b, c := share(t, p, 1<<20), share(t, p, 1<<20)
		made, err := pool.Call(t.Context(), p, shareMake, 1<<20)
		require.NoError(t, err)
		for _, b := range []worker.Blob{b, c, made} {
			_, err := pool.Call(t.Context(), p, shareSum, b)
			require.NoError(t, err)
			_, err = b.Bytes()
			require.NoError(t, err)
		}
		fds, mappings := blobsOf(t, os.Getpid())
		require.Equal(t, 3, fds)
		require.Equal(t, 3, mappings)
		fds, mappings = blobsOf(t, pid)
		require.Zero(t, fds, "a mapping needs none")
		require.Equal(t, 3, mappings)
		for _, b := range []worker.Blob{b, c, made} {
			require.NoError(t, b.Release())
		}
		nothingLeft(t, os.Getpid())
		_, err = pool.Call(t.Context(), p, shareNothing, 1) // after Forget
		require.NoError(t, err)
		nothingLeft(t, pid)
	}
}

func TestCloseLeavesNothingOfLiveBlobs(t *testing.T) {
	for name, end := range map[string]func(*pool.Pool) error{
		"Close": (*pool.Pool).Close, "Shutdown": func(p *pool.Pool) error { return p.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			p := pooltest.New(t, pool.WithWorkers(1))
			b, c := share(t, p, 1<<20), share(t, p, 1<<20)
			made, err := pool.Call(t.Context(), p, shareMake, 1<<20)
			require.NoError(t, err)
			_, _ = b.Bytes()
			_, _ = made.Bytes()
			require.NoError(t, end(p))
			nothingLeft(t, os.Getpid())
			for _, b := range []worker.Blob{b, c, made} {
				_, err := b.Bytes()
				require.ErrorIs(t, err, worker.ErrReleased)
				require.NoError(t, b.Release())
			}
		})
	}
}

func TestResultsThatNobodyCollectsAreCollected(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithBlobThreshold(4096))
	<-pool.Go(t.Context(), p, shareMake, 1<<20).Done()
	<-pool.Go(t.Context(), p, shareGrow, 1<<20).Done()
	_ = share(t, p, 1<<20) // and dropped
	for range pool.Stream(t.Context(), p, shareMake, upTo(20)) {
		break
	}
	for range pool.Stream(t.Context(), p, shareGrow, func(yield func(int) bool) {
		for yield(1 << 20) {
		}
	}) {
		break
	}
	within(t, "the collection", func() {
		for {
			fds, _ := blobsOf(t, os.Getpid())
			if fds == 0 && p.Stats().Blobs == 0 {
				return
			}
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
	})
}

// A stream of long values is bounded by what they take, not by their references.
func TestTheWindowCountsSharedMemory(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithBlobThreshold(4096))
	const size = 8 << 20
	read := 0
	input := func(yield func([]byte) bool) {
		for range 40 {
			read++
			if !yield(make([]byte, size)) {
				return
			}
		}
	}
	most := int64(0)
	for b, err := range pool.Stream(t.Context(), p, shareBytes, input) {
		require.NoError(t, err)
		require.Len(t, b, size)
		most = max(most, p.Stats().BlobBytes)
	}
	require.Equal(t, 40, read)
	require.LessOrEqual(t, most, int64(64<<20+2*size))
}

func TestATaskThatWasCancelledReadsOnAfterRelease(t *testing.T) {
	reports := make(chan int, 2)
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithOnReport(func(_ worker.TaskInfo, value worker.Raw) {
		var n int
		if value.Decode(&n) == nil {
			reports <- n
		}
	}))
	b := share(t, p, 1<<20)
	ctx, cancel := context.WithCancel(t.Context())
	f := pool.Go(ctx, p, shareHold, b)
	pid := <-reports
	cancel()
	_, err := f.Wait(t.Context())
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, b.Release())
	nothingLeft(t, os.Getpid())
	after, err := pool.Call(t.Context(), p, shareNothing, 1)
	require.NoError(t, err)
	require.Equal(t, pid, after, "the worker lives")
	nothingLeft(t, pid)
}

func TestSharedMemoryIsNoPrivateMemoryOfAnybody(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(2))
	const size = 256 << 20
	pids, err := pool.Broadcast(t.Context(), p, shareNothing, 1)
	require.NoError(t, err)
	var before []int
	for _, r := range pids {
		before = append(before, status(t, r.Value, "RssAnon"))
	}
	b, err := p.Share(make([]byte, size))
	require.NoError(t, err)
	_, err = pool.Broadcast(t.Context(), p, shareTouch, b)
	require.NoError(t, err)
	for i, r := range pids {
		require.Less(t, status(t, r.Value, "RssAnon")-before[i], 8<<20)
		require.Greater(t, status(t, r.Value, "RssShmem"), size-1)
	}
	require.NoError(t, b.Release())
}

func TestBlobsDoNotCountForTheMemoryLimit(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory counts against the limit")
	}
	const limit, size = 96 << 20, 256 << 20
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithMemoryLimit(limit), pool.WithLogger(hclog.NewNullLogger()))
	b, err := p.Share(bytes.Repeat([]byte{1}, size))
	require.NoError(t, err)
	x, err := pool.Call(t.Context(), p, shareTouchAndHoard, worker.Pack2(b, 0))
	require.NoError(t, err)
	require.EqualValues(t, 1, x)
	_, err = pool.Call(t.Context(), p, shareTouchAndHoard, worker.Pack2(b, limit+1<<20))
	var exit *pool.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, pool.ReasonMemoryLimit, exit.Reason, "what a task maps itself counts")
	require.NoError(t, b.Release())
}

func TestAParentWithoutDescriptorsGetsAnErrorAndGoesOn(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithBlobThreshold(4096))
	_, err := pool.Call(t.Context(), p, shareNothing, 1)
	require.NoError(t, err)
	var was unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &was))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: was.Max}))
	_, shared := p.Share([]byte("x"))
	_, made := pool.Call(t.Context(), p, shareMake, 10)
	sent, small := pool.Call(t.Context(), p, shareBytes, make([]byte, 8192)) // by the pipe; the result cannot be taken
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &was))
	require.ErrorIs(t, shared, unix.EMFILE)
	require.ErrorContains(t, made, "no descriptor left")
	var decode *pool.DecodeError
	require.ErrorAs(t, made, &decode)
	require.ErrorContains(t, small, "no descriptor left")
	require.Nil(t, sent)
	b, err := pool.Call(t.Context(), p, shareMake, 10)
	require.NoError(t, err)
	require.NoError(t, b.Release())
	nothingLeft(t, os.Getpid())
}

func TestHardenedWorkersShareMemory(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithBlobThreshold(4096), pool.WithHardening(pool.Hardening{
		Files: pool.BestEffort, Network: pool.BestEffort, Signals: pool.BestEffort, FileSize: 1 << 20,
	}))
	b := share(t, p, 2<<20)
	_, err := pool.Call(t.Context(), p, shareTouch, b)
	require.NoError(t, err)
	made, err := pool.Call(t.Context(), p, shareMake, 1<<19)
	require.NoError(t, err)
	n, err := pool.Call(t.Context(), p, shareSum, made)
	require.NoError(t, err)
	require.Equal(t, 1<<19, n)
	_, err = pool.Call(t.Context(), p, shareMake, 2<<20)
	require.ErrorIs(t, err, unix.EFBIG)
	grown, err := pool.Call(t.Context(), p, shareGrow, 2<<20)
	require.NoError(t, err, "it goes through the pipe")
	require.Len(t, grown, 2<<20)
}

// shareOwner is set where this program is the parent that is to be killed.
const shareOwner = "PROCPOOL_TEST_SHARE_OWNER"

func init() {
	if os.Getenv(shareOwner) == "" || len(os.Args) > 1 && os.Args[1] == "procpool-worker" {
		return
	}
	ownerOfBlobs = func() {
		p, err := pool.New(context.Background(), pool.WithWorkers(1))
		if err != nil {
			panic(err)
		}
		b, err := p.Share(make([]byte, 64<<20))
		if err != nil {
			panic(err)
		}
		if _, err := pool.Call(context.Background(), p, shareTouch, b); err != nil {
			panic(err)
		}
		fmt.Println(p.Workers()[0].PID)
		select {}
	}
}

func TestSharedMemoryDiesWithItsParent(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), shareOwner+"=1", "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var pid int
	_, err = fmt.Fscan(out, &pid)
	require.NoError(t, err)
	fds, _ := blobsOf(t, cmd.Process.Pid)
	require.Equal(t, 1, fds)
	_, mappings := blobsOf(t, pid)
	require.Equal(t, 1, mappings)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	within(t, "the worker", func() {
		for leaktest.Alive(pid) {
			time.Sleep(time.Millisecond)
		}
	})
	left, err := os.ReadDir(cmd.Env[len(cmd.Env)-1][len("TMPDIR="):])
	require.NoError(t, err)
	require.Empty(t, left)
}
