package main

import (
	"context"
	"sync"
	"time"

	"github.com/procpool/procpool/worker"
)

// What the workers run.
var (
	successor = worker.Register("peers.successor", func(_ context.Context, n int) (int, error) { return n + 1, nil })
	echo      = worker.Register("peers.echo", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
	same      = worker.Register("peers.same", func(_ context.Context, r record) (record, error) { return r, nil })
	burnFor   = worker.Register("peers.burn", func(_ context.Context, n int) (int, error) { return burn(n), nil })
	take      = worker.Register2("peers.take", func(_ context.Context, i, ns int) (worker.Args2[int, int], error) {
		return worker.Pack2(i, int(spend(time.Duration(ns)))), nil
	})
)

// record has the six fields of bench_peer.py's.
type record struct {
	ID     int
	Name   string
	Price  float64
	Active bool
	Tags   []string
	Note   *string
}

// burn does so much work. It is not inlined: the compiler would leave out what nobody looks at.
//
//go:noinline
func burn(n int) int {
	x := uint64(n) | 1
	for range n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return int(x >> 32)
}

// burnsPerMillisecond is measured once, as the fastest of some attempts.
var burnsPerMillisecond = sync.OnceValue(func() int {
	const n = 200_000
	fastest := time.Hour
	for range 50 {
		begin := time.Now()
		_ = burn(n)
		fastest = min(fastest, time.Since(begin))
	}
	return int(float64(n) * float64(time.Millisecond) / float64(fastest))
})

// spend takes about that long and returns how long it took. It sleeps where that is long: two cores would not do for two busy workers and
// their parent, and it is the spreading of the tasks that is looked at, not the cores.
func spend(d time.Duration) time.Duration {
	begin := time.Now()
	if d >= time.Millisecond {
		time.Sleep(d)
	}
	for time.Since(begin) < d {
	}
	return time.Since(begin)
}
