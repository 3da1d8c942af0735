package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/procpool/procpool/cmd/procpool/top"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/monitor"
	"github.com/procpool/procpool/worker"
)

// The functions of a pool that has something to show: it works, waits, fails and dies.
var (
	livelyPrimes = worker.Register("count primes", func(_ context.Context, n int) (int, error) {
		count := 0
		for i := 2; i < n; i++ {
			prime := true
			for d := 2; d*d <= i && prime; d++ {
				prime = i%d != 0
			}
			if prime {
				count++
			}
		}
		return count, nil
	})
	livelyFetch = worker.Register("fetch page", func(ctx context.Context, n int) (int, error) {
		select {
		case <-time.After(time.Duration(n) * time.Millisecond):
		case <-ctx.Done():
		}
		if n%13 == 0 {
			return 0, fmt.Errorf("GET https://example.org/%d: 503 Service Unavailable", n)
		}
		return n, nil
	})
	livelyParse = worker.Register("parse image", func(_ context.Context, n int) (int, error) {
		time.Sleep(3 * time.Millisecond)
		switch n % 400 {
		case 100:
			panic("index out of range [7] with length 7")
		case 200:
			fmt.Fprintln(os.Stderr, "libpng error: IDAT: CRC error\nAborted in \x1b[31mpng_read_row\x1b[0m")
			segfault()
		}
		return n, nil
	})
)

// lively runs such a pool until it is interrupted, and returns the exit code. With the argument calm no worker dies.
func lively(workers int) int {
	calm := len(os.Args) > 1 && os.Args[1] == "calm"
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p, err := pool.New(ctx, pool.WithName("lively"), pool.WithWorkers(workers), pool.WithLogger(hclog.NewNullLogger()), pool.WithInsights(), monitor.Socket())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitBroken
	}
	defer func() { _ = p.Close() }()
	var feeding sync.WaitGroup
	feeding.Go(func() { feedLively(ctx, p, livelyPrimes, func(i int) int { return 20_000 + rand.IntN(1_000_000) }) })
	feeding.Go(func() { feedLively(ctx, p, livelyFetch, func(i int) int { return 50 + rand.IntN(700) }) })
	feeding.Go(func() {
		feedLively(ctx, p, livelyParse, func(i int) int {
			if calm {
				return 1
			}
			return i
		})
	})
	feeding.Wait()
	return exitOK
}

// feedLively runs a function without end, whatever fails.
func feedLively(ctx context.Context, p *pool.Pool, fn worker.Func[int, int], arg func(int) int) {
	inputs := func(yield func(int) bool) {
		for i := 0; yield(arg(i)); i++ {
		}
	}
	for range pool.Results(ctx, p, fn, inputs) {
	}
}

// panics is a pool that ends top by a bug.
type panics struct{ top.Pool }

func (panics) Watch(context.Context) (top.Stream, error) { return panicsLater{}, nil }

type panicsLater struct{}

func (panicsLater) Next() (top.News, error) { panic("a bug of the test") }
func (panicsLater) Close()                  {}

// panicInTop is a program whose view panics while it is shown, and returns the exit code.
func panicInTop() int {
	err := top.Run(context.Background(), os.Stdin, os.Stdout, []top.Choice{{Pool: panics{}, PID: 1, Snapshot: monitor.Snapshot{Program: filepath.Base(os.Args[0])}}})
	if err == nil {
		return exitOK
	}
	complain(os.Stderr, err)
	return exitBroken
}
