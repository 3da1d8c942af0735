package pool_test

import (
	"context"
	"io"
	"iter"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// testdata/peers/pool_peer.py has Python's pools do the same work; see its README for the names.

var (
	benchSuccessor = worker.Register("bench.successor", func(_ context.Context, n int) (int, error) { return n + 1, nil })
	benchEcho      = worker.Register("bench.echo", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
	benchRecord    = worker.Register("bench.record", func(_ context.Context, r benchItem) (benchItem, error) { return r, nil })
)

// benchItem is a record of six fields, as an application would send it.
type benchItem struct {
	ID     int
	Name   string
	Email  string
	Score  float64
	Active bool
	Tags   []string
}

func benchPool(b *testing.B, opts ...pool.Option) *pool.Pool {
	b.Helper()
	p, err := pool.New(b.Context(), append([]pool.Option{pool.WithWorkers(2), pool.WithLogger(hclog.NewNullLogger())}, opts...)...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.Close() }) // always nil
	return p
}

func upTo(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// BenchmarkPingPong is the floor of a round trip: 16 bytes through two pipes between two goroutines of one process.
func BenchmarkPingPong(b *testing.B) {
	down, downW, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	up, upW, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		_, _ = io.CopyBuffer(struct{ io.Writer }{upW}, struct{ io.Reader }{down}, make([]byte, 16))
		_ = upW.Close()
	}()
	buf := make([]byte, 16)
	for b.Loop() {
		if _, err := downW.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(up, buf); err != nil {
			b.Fatal(err)
		}
	}
	_ = downW.Close()
	_, _ = io.Copy(io.Discard, up)
	_ = down.Close()
	_ = up.Close()
}

func BenchmarkCall(b *testing.B) {
	for _, workers := range []int{1, 2} {
		b.Run("workers="+string(rune('0'+workers)), func(b *testing.B) {
			p := benchPool(b, pool.WithWorkers(workers))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := pool.Call(b.Context(), p, benchSuccessor, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkGo submits futures and waits for them in order, 30 000 at a time.
func BenchmarkGo(b *testing.B) {
	const n = 30_000
	p := benchPool(b)
	b.ReportAllocs()
	for b.Loop() {
		futures := make([]*pool.Future[int], n)
		for i := range futures {
			futures[i] = pool.Go(b.Context(), p, benchSuccessor, i)
		}
		for i, f := range futures {
			if got, err := f.Wait(b.Context()); err != nil || got != i+1 {
				b.Fatal(got, err)
			}
		}
	}
	perSecond(b, n)
}

func BenchmarkMap(b *testing.B) {
	for _, chunk := range []int{0, 1, 100, 4096} {
		b.Run("chunk="+chunkName(chunk), func(b *testing.B) {
			n := 1_000_000
			if chunk == 1 {
				n = 20_000
			}
			p := benchPool(b)
			args := make([]int, n)
			for i := range args {
				args[i] = i
			}
			b.ReportAllocs()
			for b.Loop() {
				if got, err := pool.Map(b.Context(), p, benchSuccessor, args, pool.Chunk(chunk)); err != nil || got[n-1] != n {
					b.Fatal(err)
				}
			}
			perSecond(b, n)
		})
	}
}

func chunkName(chunk int) string {
	return map[int]string{0: "adaptive", 1: "1", 100: "100", 4096: "4096"}[chunk]
}

func BenchmarkStream(b *testing.B) {
	const n = 1_000_000
	for name, stream := range map[string]func(context.Context, *pool.Pool, worker.Func[int, int], iter.Seq[int], ...pool.CallOption) iter.Seq2[int, error]{
		"order=kept": pool.Stream[int, int], "order=none": pool.StreamUnordered[int, int],
	} {
		b.Run(name, func(b *testing.B) {
			p := benchPool(b)
			b.ReportAllocs()
			for b.Loop() {
				got := 0
				for _, err := range stream(b.Context(), p, benchSuccessor, upTo(n)) {
					if err != nil {
						b.Fatal(err)
					}
					got++
				}
				if got != n {
					b.Fatal(got)
				}
			}
			perSecond(b, n)
		})
	}
}

func BenchmarkEcho(b *testing.B) {
	for name, size := range map[string]int{"bytes=1KiB": 1 << 10, "bytes=64KiB": 64 << 10, "bytes=1MiB": 1 << 20, "bytes=16MiB": 16 << 20} {
		b.Run(name, func(b *testing.B) {
			p := benchPool(b)
			value := make([]byte, size)
			b.SetBytes(int64(size)) // one way
			b.ReportAllocs()
			for b.Loop() {
				if got, err := pool.Call(b.Context(), p, benchEcho, value); err != nil || len(got) != size {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRecords(b *testing.B) {
	const n = 100_000
	p := benchPool(b)
	args := make([]benchItem, n)
	for i := range args {
		args[i] = benchItem{ID: i, Name: "somebody", Email: "somebody@example.com", Score: 0.5, Active: true, Tags: []string{"a", "b"}}
	}
	b.ReportAllocs()
	for b.Loop() {
		if got, err := pool.Map(b.Context(), p, benchRecord, args); err != nil || got[n-1].ID != n-1 {
			b.Fatal(err)
		}
	}
	perSecond(b, n)
}

// BenchmarkStart is from New to the first result, and Close. Many workers are left out
// of short runs.
func BenchmarkStart(b *testing.B) {
	for _, workers := range []int{1, 2, 8, 64, 512} {
		b.Run("workers="+strconv.Itoa(workers), func(b *testing.B) {
			if workers > 8 && testing.Short() {
				b.Skip("many workers are for the full run")
			}
			for b.Loop() {
				startOnce(b, workers)
			}
			b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N*workers), "ms/worker")
		})
	}
}

// BenchmarkReplace is from the death of the only worker to the next result, with and without a spare.
func BenchmarkReplace(b *testing.B) {
	for _, spares := range []int{0, 1} {
		b.Run("spares="+strconv.Itoa(spares), func(b *testing.B) {
			p := benchPool(b, pool.WithWorkers(1), pool.WithSpare(spares))
			for b.Loop() {
				b.StopTimer()
				for p.Stats().Spares < spares {
					time.Sleep(time.Millisecond)
				}
				b.StartTimer()
				if _, err := pool.Call(b.Context(), p, benchExit, 0); err == nil {
					b.Fatal("the worker lives")
				}
				if _, err := pool.Call(b.Context(), p, benchSuccessor, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

var benchExit = worker.Register("bench.exit", func(_ context.Context, code int) (int, error) { os.Exit(code); return 0, nil })

func startOnce(b *testing.B, workers int) {
	b.Helper()
	p, err := pool.New(b.Context(), pool.WithWorkers(workers), pool.WithLogger(hclog.NewNullLogger()))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := pool.Call(b.Context(), p, benchSuccessor, 1); err != nil {
		b.Fatal(err)
	}
	if err := p.Close(); err != nil {
		b.Fatal(err)
	}
}

func perSecond(b *testing.B, n int) {
	b.Helper()
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
}
