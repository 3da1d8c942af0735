package main

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/procpool/procpool/internal/floor"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

const (
	pingSize = 16
	// pings is how many round trips are a block.
	pings = 3000
)

// pingSide is the two-pipe ping-pong.
func pingSide(child *floor.Child) *side {
	message := make([]byte, pingSize)
	return &side{name: "two-pipe ping-pong of 16 bytes", units: pings, round: timed(func() error {
		for range pings {
			if err := child.Echo(message, message); err != nil {
				return err
			}
		}
		return nil
	})}
}

func callRow(b *bench, p *pool.Pool) ([]finding, error) {
	child, err := floor.StartEcho(pingSize)
	if err != nil {
		return nil, err
	}
	defer child.Close()
	ping := pingSide(child)
	call := &side{name: "Call", units: pings, round: timed(func() error {
		for n := range pings {
			if got, err := pool.Call(b.ctx, p, successor, n); err != nil || got != n+1 {
				return check(err, false, "Call")
			}
		}
		return nil
	})}
	err = b.alternate(b.rounds(15), call, ping)
	return []finding{slower(call, ping, seconds, atMost(1.5, times))}, err
}

type streaming func(context.Context, *pool.Pool, worker.Func[int, int], iter.Seq[int], ...pool.CallOption) iter.Seq2[int, error]

func streamRow(b *bench, p *pool.Pool) ([]finding, error) {
	return b.streams(p, pool.Stream[int, int], "imap", atLeast(4e6, perSecond))
}

func unorderedRow(b *bench, p *pool.Pool) ([]finding, error) {
	return b.streams(p, pool.StreamUnordered[int, int], "imap_unordered", nil)
}

// streams compares 1 M tasks with as many of Python's as take about as long: the rate of either does not depend on how many there are.
func (b *bench) streams(p *pool.Pool, stream streaming, method string, least *target) ([]finding, error) {
	n := b.count(1_000_000)
	ours := &side{name: "Stream", units: n, round: timed(func() error { return sum(n, stream(b.ctx, p, successor, upTo(n))) })}
	var py python
	defer py.close()
	theirs := py.side("Python "+method, request{Do: method, N: 20_000})
	if err := b.alternate(b.rounds(9), ours, theirs); err != nil {
		return nil, err
	}
	all := []finding{faster(ours, theirs, rate, atLeast(50, times))}
	if least != nil {
		all = append(all, absolute(rate(ours.taken), least))
	}
	return all, nil
}

// sum takes all results, and checks that they are those of successor.
func sum(n int, results iter.Seq2[int, error]) error {
	total := 0
	for r, err := range results {
		if err != nil {
			return err
		}
		total += r
	}
	return check(nil, total == n*(n+1)/2, "a Stream")
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

func numbers(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func mapRow(b *bench, p *pool.Pool) ([]finding, error) {
	n := b.count(1_000_000)
	args, results := numbers(n), make([]int, n)
	ours := &side{name: "Map", units: n, round: timed(func() error {
		got, err := pool.Map(b.ctx, p, successor, args)
		return check(err, len(got) == n && got[n-1] == n, "Map")
	})}
	var py python
	defer py.close()
	theirs := py.side("Python Pool.map", request{Do: "map", N: n})

	var children []*floor.Child
	for range workers {
		child, err := floor.StartBatches()
		if err != nil {
			return nil, err
		}
		defer child.Close()
		children = append(children, child)
	}
	bare := &side{name: "a bare loop of msgpack/v5 batches of 4096 over two workers", units: n, round: timed(func() error {
		err := floor.Successors(children, args, results)
		return check(err, results[n-1] == n, "the bare loop")
	})}
	err := b.alternate(b.rounds(9), ours, theirs, bare)
	return []finding{faster(ours, theirs, rate, atLeast(6, times)), faster(ours, bare, rate, atLeast(1, times))}, err
}

func futuresRow(b *bench, p *pool.Pool) ([]finding, error) {
	n := b.count(30_000)
	ours := &side{name: "Go", units: n, round: timed(func() error {
		futures := make([]*pool.Future[int], n)
		for i := range futures {
			futures[i] = pool.Go(b.ctx, p, successor, i)
		}
		for i, f := range futures {
			if got, err := f.Wait(b.ctx); err != nil || got != i+1 {
				return check(err, false, "Go")
			}
		}
		return nil
	})}
	var py python
	defer py.close()
	theirs := py.side("Python apply_async", request{Do: "apply_async", N: n})
	err := b.alternate(b.rounds(9), ours, theirs)
	return []finding{faster(ours, theirs, rate, atLeast(30, times))}, err
}

func recordsRow(b *bench, p *pool.Pool) ([]finding, error) {
	n := b.count(100_000)
	args := make([]record, n)
	for i := range args {
		args[i] = record{ID: i, Name: fmt.Sprint("record ", i), Price: float64(i) / 4, Active: i%2 == 0, Tags: []string{"a", "b"}}
	}
	ours := &side{name: "Map", units: n, round: timed(func() error {
		got, err := pool.Map(b.ctx, p, same, args)
		return check(err, len(got) == n && got[n-1].Name == args[n-1].Name, "Map")
	})}
	var py python
	defer py.close()
	theirs := py.side("Python Pool.map of dicts", request{Do: "records", N: n})
	err := b.alternate(b.rounds(9), ours, theirs)
	return []finding{faster(ours, theirs, rate, atLeast(4, times))}, err
}

// cpuRow does the same number of steps in workers and in goroutines. It counts steps and not time, so that whoever has less of the cores takes
// longer.
func cpuRow(b *bench, p *pool.Pool) ([]finding, error) {
	n := b.count(400)
	args := make([]int, n)
	for i := range args {
		args[i] = burnsPerMillisecond()
	}
	ours := &side{name: "Map", units: n, round: timed(func() error {
		_, err := pool.Map(b.ctx, p, burnFor, args)
		return err
	})}
	theirs := &side{name: "the same in two goroutines", units: n, round: func() (time.Duration, error) { return inGoroutines(args), nil }}
	err := b.alternate(b.rounds(15), ours, theirs)
	return []finding{faster(ours, theirs, rate, atLeast(0.97, times))}, err
}
