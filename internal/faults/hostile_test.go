//go:build linux

package faults

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/internal/shm"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

// A scribble is how a worker damages the memory that it shares with its parent.
type scribble struct {
	Seed   uint64
	What   string // "claims", "published", "ring" or "all"
	For    time.Duration
	Finish string // see perform
}

// statusPage finds the page in this process.
func statusPage() ([]byte, error) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(maps)) {
		var from, to uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x rw-s", &from, &to); n == 2 && strings.Contains(line, "rw-s") && strings.Contains(line, "memfd:") {
			return unsafe.Slice(pointer(from), to-from), nil
		}
	}
	return nil, fmt.Errorf("no shared page among the mappings")
}

// vandal scribbles on the status page while the parent uses it.
var vandal = worker.Register("faults.vandal", func(ctx context.Context, s scribble) (int, error) {
	page, err := statusPage()
	if err != nil {
		return 0, err
	}
	random := rand.New(rand.NewPCG(s.Seed, 0))
	for end := time.Now().Add(s.For); time.Now().Before(end); {
		offset := 64 * random.IntN(20)
		switch s.What {
		case "published":
			offset = 64
		case "claims":
			offset = 128 + 64*random.IntN(shm.Claims)
		}
		if s.What == "ring" || s.What == "all" {
			at := 4096 + random.IntN(shm.RingSize-64)
			for i := range 64 {
				page[at+i] = byte(random.Uint32())
			}
		}
		if s.What != "ring" {
			word := []uint64{0, 1, 1 << 32, 1<<32 + 1, 1<<64 - 1, 1<<63 - 1, 64, random.Uint64(), uint64(random.IntN(100))<<32 | uint64(random.IntN(100))}
			(*atomic.Uint64)(unsafe.Pointer(&page[offset])).Store(word[random.IntN(len(word))])
		}
	}
	return 1, perform(ctx, s.Finish)
})

// The vandalised is a helper, since what its worker does may not bring down this process if it brings
// down a parent.
var _ = role("vandalised", func() int {
	ctx := context.Background()
	for seed := range uint64(envInt("FAULTS_SEEDS", 0)) {
		for _, what := range []string{"claims", "published", "ring", "all"} {
			report(vandalise(ctx, seed, what))
		}
	}
	return 0
})

func vandalise(ctx context.Context, seed uint64, what string) verdict {
	p, err := pool.New(ctx, helperOptions(2)...)
	if err != nil {
		return judged(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(ctx, 400*time.Millisecond*raceFactor)
	defer cancel()
	scribbles := make([]scribble, 40)
	for i := range scribbles {
		finish := []string{"", "", "signal 9", "exit 7"}[(uint64(i)+seed)%4]
		scribbles[i] = scribble{Seed: seed*100 + uint64(i), What: what, For: 300 * time.Microsecond, Finish: finish}
	}
	others := pool.GoMap(ctx, p, double, make([]int, 500), pool.Chunk(25))
	results, _ := pool.Map(ctx, p, vandal, scribbles, pool.Chunk(8))
	if len(results) != len(scribbles) {
		return verdict{Err: fmt.Sprintf("%d results of %d tasks", len(results), len(scribbles))}
	}
	select {
	case <-others.Done():
	case <-time.After(10 * time.Second):
		return verdict{Err: "a neighbour hangs\n" + stacks()}
	}
	s := p.Stats()
	if done := s.Completed + s.Failed + s.Cancelled; done > s.Submitted {
		return verdict{Err: fmt.Sprintf("more answers than tasks: %+v", s)}
	}
	if err := p.Close(); err != nil {
		return judged(err)
	}
	return verdict{}
}

// What a worker writes to the shared page is as hostile as its frames: the tasks that it runs may be answered
// wrongly, but the parent lives, and everything is answered once.
func TestRowS20WorkerThatScribblesOnTheStatusPageHarmsNobodyElse(t *testing.T) {
	bounded(t, 2*time.Minute)
	leaktest.Check(t)
	seeds := envInt("FAULTS_SEEDS", 2/raceFactor)
	h := startHelper(t, "vandalised", fmt.Sprint("FAULTS_SEEDS=", seeds))
	for seed := range seeds {
		for _, what := range []string{"claims", "published", "ring", "all"} {
			var v verdict
			h.hear(&v)
			assert.Empty(t, v.Err, "seed %d, %s", seed, what)
		}
	}
	assert.True(t, h.wait().Success(), "the parent lives")
}

// truncater tries to take the page away under its parent.
var truncater = worker.Register("faults.truncater", func(context.Context, struct{}) (string, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return "", err
	}
	var tried []string
	for _, entry := range entries {
		target, _ := os.Readlink("/proc/self/fd/" + entry.Name())
		if strings.Contains(target, "memfd:") {
			fd := number(entry.Name())
			tried = append(tried, fmt.Sprint(syscall.Ftruncate(fd, 0), " ", syscall.Ftruncate(fd, 1<<30)))
		}
	}
	page, err := statusPage()
	if err != nil {
		return "", err
	}
	// By the mapping as well, if the descriptor has been closed.
	path := fmt.Sprintf("/proc/self/map_files/%x-%x", uintptr(unsafe.Pointer(&page[0])), uintptr(unsafe.Pointer(&page[0]))+uintptr(len(page)))
	if f, err := os.OpenFile(path, os.O_RDWR, 0); err == nil {
		tried = append(tried, fmt.Sprint(f.Truncate(0)))
		f.Close()
	}
	return strings.Join(tried, "; "), nil
})

func TestRowS20WorkerCannotTruncateTheStatusPage(t *testing.T) {
	f := start(t, 1)
	tried, err := call(f, truncater, struct{}{})
	require.NoError(t, err)
	assert.NotContains(t, tried, "<nil>")
	t.Log(tried)
	for range 100 {
		f.works()
	}
}

// flood writes to stderr what no terminal likes.
var flood = worker.Register("faults.flood", func(_ context.Context, n int) (int, error) {
	block := bytes.Repeat([]byte("\x00\x1b[31mnoise\xff"), 1<<12)
	for written := 0; written < n; written += len(block) {
		if err := writeAll(2, block); err != nil {
			return written, err
		}
	}
	return n, nil
})

// A gatedWriter takes nothing until it is opened.
type gatedWriter struct {
	open  chan struct{}
	bytes atomic.Int64
}

func (w *gatedWriter) Write(p []byte) (int, error) {
	<-w.open
	w.bytes.Add(int64(len(p)))
	return len(p), nil
}

func TestRow083FloodOfStderrCostsNoMemoryAndBlocksNobody(t *testing.T) {
	size := 64 << 20
	t.Run("into a writer that keeps up", func(t *testing.T) {
		w := &gatedWriter{open: make(chan struct{})}
		close(w.open)
		f := start(t, 2, pool.WithStderr(w))
		before := heap()
		n, err := call(f, flood, size)
		assert.NoError(t, err)
		assert.Equal(t, size, n)
		assert.Less(t, heap(), before+8<<20)
	})
	t.Run("into a writer that takes nothing", func(t *testing.T) {
		w := &gatedWriter{open: make(chan struct{})}
		f := start(t, 2, pool.WithStderr(w))
		before := heap()
		flooding := submit(f, flood, size)
		for range 100 {
			f.works()
		}
		n, err := await(t, flooding)
		assert.NoError(t, err, "the worker is not blocked for ever")
		assert.Equal(t, size, n)
		assert.Less(t, heap(), before+8<<20)
		close(w.open)
	})
	t.Run("and then death", func(t *testing.T) {
		f := start(t, 1)
		future := submit(f, flood, 1<<20)
		_, err := await(t, future)
		require.NoError(t, err)
		_, err = call(f, doAsTold, "log.Fatal "+strings.Repeat("last words ", 10_000))
		exit := fate{code: 1, stderr: "last words"}.check(t, err)
		assert.NotContains(t, string(exit.Stderr), "noise", "only what came since its task began")
	})
}

var racyMap = worker.Register("faults.racyMap", func(context.Context, struct{}) (int, error) {
	m := map[int]int{}
	for range 4 {
		go func() {
			for i := 0; ; i++ {
				m[i%10]++
			}
		}()
	}
	select {}
})

func TestRow014ConcurrentMapWritesCostTheTaskAndTheProcess(t *testing.T) {
	if raceFactor > 1 {
		t.Skip("the race detector reports it instead")
	}
	if runtime.NumCPU() < 2 {
		t.Skip("needs two processors to happen")
	}
	f := start(t, 2)
	_, err := call(f, racyMap, struct{}{})
	fate{code: 2, reason: pool.ReasonCrash, stderr: "concurrent map"}.check(t, err)
}

// The returner is a helper that is given a large result, and stopped half way.
var _ = role("returner", func() int {
	ctx := context.Background()
	p, err := pool.New(ctx, helperOptions(1)...)
	if err != nil {
		report(judged(err))
		return 1
	}
	defer p.Close()
	report(p.Workers()[0].PID)
	lost := pool.Go(ctx, p, largeResult, os.Getenv(gateVar))
	kept := pool.Go(ctx, p, double, 21)
	_, err = lost.Wait(ctx)
	report(judged(err))
	n, err := kept.Wait(ctx)
	report(judged(err))
	report(n)
	return 0
})

func TestRow004DeathHalfWayThroughALargeResultIsALoss(t *testing.T) {
	bounded(t, time.Minute)
	leaktest.Check(t)
	g := newGate(t)
	h := startHelper(t, "returner", gateVar+"="+g.addr)
	var pid int
	h.hear(&pid)
	w := watchPID(t, pid)
	v := g.next(t)
	stop(t, h.pid())
	v.order("")
	eventually(t, patience, "the worker waits in write", func() bool { return pipesFull(pid, os.O_WRONLY) })
	w.signal(t, syscall.SIGKILL)
	w.ended(t, patience)
	require.NoError(t, h.cmd.Process.Signal(syscall.SIGCONT))
	var lost, kept verdict
	h.hear(&lost)
	assert.Contains(t, lost.Err, "signal: killed")
	h.hear(&kept)
	assert.Empty(t, kept.Err)
	var n int
	h.hear(&n)
	assert.Equal(t, 42, n)
	h.wait()
}

func TestRowS10TextsOfAWorkerCannotDriveATerminalNorFillMemory(t *testing.T) {
	s := newSpoiler(t)
	evil := "\x1b[2J\x07\x00evil\xff\r" + strings.Repeat("x", 200<<10)
	s.spoil(func(p *puppet, j job) {
		record, err := wire.AppendMap(nil, wire.Log, j.ID, 0, &wire.LogBody{Level: 4, Name: evil[:20], Msg: evil, Args: []any{evil[:20], []any{evil[:20]}}})
		if err != nil {
			p.t.Error(err)
		}
		p.write(append(j.started(0), record...))
		p.write(j.results(0, wire.Panicked, pack(map[string]string{"value": evil, "stack": evil})))
	})
	_, err := call(s.fixture, double, 21)
	var panicked *pool.PanicError
	require.ErrorAs(t, err, &panicked)
	assert.LessOrEqual(t, len(panicked.Value), 64<<10+3)
	assert.LessOrEqual(t, len(panicked.Stack), 64<<10+3)
	assert.True(t, utf8.ValidString(panicked.Value))
	assert.LessOrEqual(t, len(err.Error()), 4<<10)
	assert.NotContains(t, err.Error(), "\x1b", "the error may be printed")
	eventually(t, patience, "the record is logged", func() bool { return strings.Contains(s.log.String(), "evil") })
	assert.NotContains(t, s.log.String(), "\x1b")
	assert.NotContains(t, s.log.String(), "\x07")
	assert.Less(t, len(s.log.String()), 100<<10)

	s.spoil(func(p *puppet, j job) {
		p.write(append(j.started(0), j.results(0, wire.Failed, pack(map[string]any{"type": evil, "msg": evil, "is": []string{evil}, "as": evil}))...))
	})
	_, err = call(s.fixture, double, 21)
	var remote *pool.RemoteError
	require.ErrorAs(t, err, &remote)
	assert.NotContains(t, err.Error(), "\x1b")
	assert.LessOrEqual(t, len(remote.Message), 65<<10)
}

// beginElse claims that the task that runs began at another time, and spins.
var beginElse = worker.Register("faults.beginElse", func(ctx context.Context, at int64) (struct{}, error) {
	page, err := statusPage()
	if err != nil {
		return struct{}{}, err
	}
	(*atomic.Int64)(unsafe.Pointer(&page[1152])).Store(at) // see package shm
	return struct{}{}, spin(ctx, "")
})

func TestRow032AWorkerThatLiesAboutItsBeginningIsKilledAtTheHardLimit(t *testing.T) {
	for _, at := range []int64{math.MinInt64, -1, 0, 1 << 60, math.MaxInt64} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			f := start(t, 1)
			begin := time.Now()
			_, err := call(f, beginElse, at, pool.Timeout(hard))
			timedOut(t, err, "faults.spin")
			assert.Less(t, time.Since(begin), 2*hard+killing) // twice: from the first look, which cannot know better
		})
	}
}
