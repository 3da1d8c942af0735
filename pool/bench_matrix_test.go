package pool_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// A profile of the parent: make bench-profile BENCH='Matrix/api=stream/payload=int/batch=auto/workers=2'. Workers write none; perf sees
// them as well, since they are the same program: the Makefile says how.

// benchMany runs n tasks of one function and counts the results.
type benchMany[T any] func(ctx context.Context, p *pool.Pool, fn worker.Func[T, T], args []T, chunk int) (n int, err error)

// benchAPIs are the ways to run many tasks, in the order of the doc comment of package pool.
func benchAPIs[T any]() []struct {
	name    string
	batches bool // Chunk means something
	run     benchMany[T]
} {
	return []struct {
		name    string
		batches bool
		run     benchMany[T]
	}{
		{"call", false, func(ctx context.Context, p *pool.Pool, fn worker.Func[T, T], args []T, _ int) (n int, err error) {
			for _, arg := range args {
				if _, err := pool.Call(ctx, p, fn, arg); err != nil {
					return n, err
				}
				n++
			}
			return n, nil
		}},
		{"go", false, func(ctx context.Context, p *pool.Pool, fn worker.Func[T, T], args []T, _ int) (n int, err error) {
			futures := make([]*pool.Future[T], len(args))
			for i, arg := range args {
				futures[i] = pool.Go(ctx, p, fn, arg)
			}
			for _, f := range futures {
				if _, err := f.Wait(ctx); err != nil {
					return n, err
				}
				n++
			}
			return n, nil
		}},
		{"map", true, func(ctx context.Context, p *pool.Pool, fn worker.Func[T, T], args []T, chunk int) (int, error) {
			results, err := pool.Map(ctx, p, fn, args, pool.Chunk(chunk))
			return len(results), err
		}},
		{"stream", true, func(ctx context.Context, p *pool.Pool, fn worker.Func[T, T], args []T, chunk int) (n int, err error) {
			for _, err := range pool.Stream(ctx, p, fn, slices.Values(args), pool.Chunk(chunk)) {
				if err != nil {
					return n, err
				}
				n++
			}
			return n, nil
		}},
		{"unordered", true, func(ctx context.Context, p *pool.Pool, fn worker.Func[T, T], args []T, chunk int) (n int, err error) {
			for _, err := range pool.StreamUnordered(ctx, p, fn, slices.Values(args), pool.Chunk(chunk)) {
				if err != nil {
					return n, err
				}
				n++
			}
			return n, nil
		}},
		{"results", true, func(ctx context.Context, p *pool.Pool, fn worker.Func[T, T], args []T, chunk int) (n int, err error) {
			for r := range pool.Results(ctx, p, fn, slices.Values(args), pool.Chunk(chunk)) {
				if r.Err != nil {
					return n, r.Err
				}
				n++
			}
			return n, nil
		}},
	}
}

// BenchmarkMatrix is every way to run tasks, with each size of payload, size of batch and number of workers. An operation is as many tasks as
// the metric tasks/op says; BenchmarkFloor has the same without a pool.
func BenchmarkMatrix(b *testing.B) {
	matrix(b, "int", benchSuccessor, 7, map[bool]int{true: 100_000, false: 5_000})
	matrix(b, "record", benchRecord, benchItem{1, "somebody", "somebody@example.com", 0.5, true, []string{"a", "b"}}, map[bool]int{true: 20_000, false: 5_000})
	matrix(b, "1KiB", benchEcho, make([]byte, 1<<10), map[bool]int{true: 20_000, false: 5_000})
	matrix(b, "64KiB", benchEcho, make([]byte, 64<<10), map[bool]int{true: 500, false: 500})
}

// matrix runs the column of one payload. n is how many tasks an operation has, with batches and without.
func matrix[T any](b *testing.B, payload string, fn worker.Func[T, T], arg T, n map[bool]int) {
	for _, api := range benchAPIs[T]() {
		for _, batch := range []struct {
			name  string
			chunk int
		}{{"auto", 0}, {"1", 1}, {"256", 256}} {
			for _, workers := range []int{1, 2} {
				if batch.chunk != 0 && (!api.batches || workers == 1) {
					continue // what is forced is looked at with two workers only
				}
				b.Run(fmt.Sprintf("api=%s/payload=%s/batch=%s/workers=%d", api.name, payload, batch.name, workers), func(b *testing.B) {
					p := benchPool(b, pool.WithWorkers(workers))
					args := slices.Repeat([]T{arg}, n[api.batches && batch.chunk != 1])
					b.ReportAllocs()
					for b.Loop() {
						if got, err := api.run(b.Context(), p, fn, args, batch.chunk); err != nil || got != len(args) {
							b.Fatal(got, err)
						}
					}
					b.ReportMetric(float64(len(args)), "tasks/op")
					perSecond(b, len(args))
				})
			}
		}
	}
}

// BenchmarkFloor is what stands at both ends of BenchmarkMatrix: a plain call of the function and goroutines in this process. The raw pipes
// are in bench_floor_unix_test.go.
func BenchmarkFloor(b *testing.B) {
	const n = 100_000
	plain := func(_ context.Context, n int) (int, error) { return n + 1, nil }
	b.Run("kind=function/payload=int", func(b *testing.B) {
		ctx, got := b.Context(), 0
		b.ReportAllocs()
		for b.Loop() {
			for range n {
				got, _ = plain(ctx, got)
			}
		}
		b.ReportMetric(n, "tasks/op")
		perSecond(b, n)
	})
	for _, batch := range []int{1, 256} {
		b.Run(fmt.Sprintf("kind=goroutines/payload=int/batch=%d/workers=2", batch), func(b *testing.B) {
			args, results := make([]int, n), make([]int, n)
			b.ReportAllocs()
			for b.Loop() {
				goroutinePool(b.Context(), 2, batch, args, results, plain)
			}
			b.ReportMetric(n, "tasks/op")
			perSecond(b, n)
		})
	}
}

// goroutinePool is a pool as one writes it in a program: workers that take the beginnings of batches from a channel.
func goroutinePool(ctx context.Context, workers, batch int, args, results []int, fn func(context.Context, int) (int, error)) {
	todo := make(chan int, 4*workers) // so many that no worker has to wait for the feeder
	done := make(chan struct{}, workers)
	for range workers {
		go func() {
			for first := range todo {
				for i := first; i < min(first+batch, len(args)); i++ {
					results[i], _ = fn(ctx, args[i])
				}
			}
			done <- struct{}{}
		}()
	}
	for first := 0; first < len(args); first += batch {
		todo <- first
	}
	close(todo)
	for range workers {
		<-done
	}
}
