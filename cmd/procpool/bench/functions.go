package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/procpool/procpool/worker"
)

// What the workers run.
var (
	successor = worker.Register("bench-successor", func(_ context.Context, n int) (int, error) { return n + 1, nil })
	echo      = worker.Register("bench-echo", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
	mirror    = worker.Register("bench-record", func(_ context.Context, r record) (record, error) { return r, nil })
	spinner   = worker.Register("bench-spin", func(_ context.Context, turns int) (uint64, error) { return spin(turns), nil })
	sleeper   = worker.Register("bench-sleep", func(_ context.Context, d time.Duration) (int, error) {
		time.Sleep(d)
		return 1, nil
	})
)

// record is what an application would send.
type record struct {
	ID     int
	Name   string
	Price  float64
	Active bool
	Tags   []string
	Note   *string
}

func newRecord(n int) record {
	return record{ID: n, Name: fmt.Sprintf("record %d", n), Price: float64(n) / 4, Active: n%2 == 0, Tags: []string{"a", "b"}}
}

// spin keeps a processor busy for so many turns, without memory.
func spin(turns int) uint64 {
	x := uint64(turns)*2 + 1
	for range turns {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// turnTime measures how long one turn of spin takes at best.
func turnTime() time.Duration {
	const turns = 1 << 20
	best := time.Hour
	for range 8 {
		began := time.Now()
		spend(spin(turns))
		best = min(best, time.Since(began))
	}
	return max(best/(turns>>10), 1) // of 1024 turns
}

// spend takes what nobody needs, so that the compiler leaves the work in.
//
//go:noinline
func spend(uint64) {}

// turnsFor returns how many turns of spin take that long, where 1024 take unit.
func turnsFor(d, unit time.Duration) int { return int(float64(d) / float64(unit) * 1024) }
