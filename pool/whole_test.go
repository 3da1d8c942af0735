package pool_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/pooltest"
	"github.com/procpool/procpool/worker"
)

var plusOne = worker.Register("plus one", func(_ context.Context, n int) (int, error) { return n + 1, nil })

// Where nothing is said to be wrong everything is there, at whatever moment the context or the pool ends.
func TestWhatEndsWithoutAnErrorIsWhole(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	args := make([]int, 300)
	want := make([]int, len(args))
	for i := range args {
		args[i], want[i] = i, i+1
	}
	rounds := map[string]func(ctx context.Context, p *pool.Pool) ([]int, error){
		"Map": func(ctx context.Context, p *pool.Pool) ([]int, error) { return pool.Map(ctx, p, plusOne, args) },
		"GoMap": func(ctx context.Context, p *pool.Pool) ([]int, error) {
			return pool.GoMap(ctx, p, plusOne, args).Wait(context.Background())
		},
		"Stream": func(ctx context.Context, p *pool.Pool) (all []int, failed error) {
			for n, err := range pool.Stream(ctx, p, plusOne, slices.Values(args)) {
				if err != nil {
					failed = err
					continue
				}
				all = append(all, n)
			}
			return all, failed
		},
		"Results": func(ctx context.Context, p *pool.Pool) (all []int, failed error) {
			all = make([]int, len(args))
			for one := range pool.Results(ctx, p, plusOne, slices.Values(args)) {
				if one.Err != nil {
					failed = one.Err
					continue
				}
				all[one.Index] = one.Value
			}
			return all, failed
		},
	}
	for name, run := range rounds {
		whole, cut := 0, 0
		look := func(got []int, err error) {
			if err != nil {
				cut++
				return
			}
			whole++
			require.Equal(t, want, got, name)
		}
		p := pooltest.New(t, pool.WithWorkers(2))
		for range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(300))*time.Microsecond)
			look(run(ctx, p))
			cancel()
		}
		for i := range 20 {
			p := pooltest.New(t, pool.WithWorkers(2), pool.WithInline(), pool.WithName(name))
			end := time.AfterFunc(time.Duration(r.IntN(1000))*time.Microsecond, func() {
				if i%2 == 0 {
					_ = p.Close()
				} else {
					_ = p.Shutdown(context.Background(), pool.DropQueued())
				}
			})
			look(run(t.Context(), p))
			end.Stop()
		}
		t.Logf("%s: %d whole, %d cut short", name, whole, cut)
	}
}
