package main

import (
	"context"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// A load is what tasks are to take, in the order of the input.
type load struct {
	name  string
	takes []time.Duration
}

const (
	tinyTasks = 20_000
	// tinyTakes makes the tiny tasks 100 ms of work for two workers: enough that it would be seen if they waited behind the long one.
	tinyTakes = 10 * time.Microsecond
	longTakes = 500 * time.Millisecond
)

func loads() []load {
	return []load{
		{"heavy-tailed times", heavyTailed()},
		{"one 500 ms task first", tinyWith(0)},
		{"one 500 ms task in the middle", tinyWith(tinyTasks / 2)},
		{"one 500 ms task last", tinyWith(tinyTasks)},
	}
}

// tinyWith has a long task among the tiny ones.
func tinyWith(at int) []time.Duration {
	return slices.Insert(slices.Repeat([]time.Duration{tinyTakes}, tinyTasks), at, longTakes)
}

// heavyTailed draws 2000 times of a Pareto distribution (exponent 1.1) from 50 µs to 100 ms: 0.84 s in all, two fifths of it in the
// ten longest. The same ones each time.
func heavyTailed() []time.Duration {
	rng := rand.New(rand.NewPCG(1, 1))
	takes := make([]time.Duration, 2000)
	for i := range takes {
		drawn := 50e3 * math.Pow(1-rng.Float64(), -1/1.1)
		takes[i] = min(time.Duration(drawn), 100*time.Millisecond)
	}
	return takes
}

// greedy is the makespan of list scheduling: each task, in order, goes to the worker that is free first.
func greedy(took []time.Duration) time.Duration {
	var free [workers]time.Duration
	for _, t := range took {
		first := 0
		for i := range free {
			if free[i] < free[first] {
				first = i
			}
		}
		free[first] += t
	}
	return slices.Max(free[:])
}

// skewRow compares with a computed schedule of the times that the tasks themselves measured in that round: no overhead, no idle moment. What
// the parent's work takes away from running tasks is in their measured times, and so on both sides.
func skewRow(b *bench, p *pool.Pool) (all []finding, err error) {
	for _, l := range loads() {
		args := make([]worker.Args2[int, int], len(l.takes))
		for i, d := range l.takes {
			args[i] = worker.Pack2(i, int(d))
		}
		for _, api := range []struct {
			name string
			run  func([]worker.Args2[int, int], []time.Duration) error
		}{{"Map", b.skewedMap(p)}, {"StreamUnordered", b.skewedStream(p)}} {
			var ours, ideal, ratio []float64
			took := make([]time.Duration, len(args))
			for round := -1; round < b.rounds(7); round++ {
				begin := time.Now()
				err := api.run(args, took)
				makespan := time.Since(begin).Seconds()
				if err != nil {
					return all, err
				}
				if round >= 0 {
					best := greedy(took).Seconds()
					ours, ideal, ratio = append(ours, makespan), append(ideal, best), append(ratio, makespan/best)
				}
			}
			all = append(all, finding{
				Work: api.name + ": " + l.name, Ours: seconds(ours), Against: "greedy list scheduling, computed", Theirs: seconds(ideal),
				Figure: summarize(ratio, times), Target: atMost(1.05, times),
			}.judge())
		}
	}
	return all, nil
}

func (b *bench) skewedMap(p *pool.Pool) func([]worker.Args2[int, int], []time.Duration) error {
	return func(args []worker.Args2[int, int], took []time.Duration) error {
		got, err := pool.Map(b.ctx, p, take, args)
		for i, r := range got {
			took[i] = time.Duration(r.B)
		}
		return err
	}
}

func (b *bench) skewedStream(p *pool.Pool) func([]worker.Args2[int, int], []time.Duration) error {
	return func(args []worker.Args2[int, int], took []time.Duration) error {
		n := 0
		for r, err := range pool.StreamUnordered(b.ctx, p, take, slices.Values(args)) {
			if err != nil {
				return err
			}
			took[r.A] = time.Duration(r.B)
			n++
		}
		return check(nil, n == len(args), "StreamUnordered")
	}
}

// inGoroutines has as many goroutines as there are workers elsewhere do the work.
func inGoroutines(args []int) time.Duration {
	var next atomic.Int64
	results := make([]int, len(args))
	var all sync.WaitGroup
	begin := time.Now()
	for range workers {
		all.Go(func() {
			for i := next.Add(1); int(i) <= len(args); i = next.Add(1) {
				results[i-1] = burn(args[i-1])
			}
		})
	}
	all.Wait()
	return time.Since(begin)
}

// p99Row calls one task after another, beside a Stream that never has enough.
func p99Row(b *bench, p *pool.Pool) ([]finding, error) {
	var p99s, medians, calls, rates []float64
	for round := -1; round < b.rounds(7); round++ {
		latencies, rate, err := b.besideStream(p, 1500*time.Millisecond)
		if err != nil {
			return nil, err
		}
		if round < 0 {
			continue
		}
		slices.Sort(latencies)
		p99s = append(p99s, latencies[len(latencies)*99/100].Seconds())
		medians = append(medians, latencies[len(latencies)/2].Seconds())
		calls, rates = append(calls, float64(len(latencies))), append(rates, rate)
	}
	f := absolute(summarize(p99s, inSeconds), atMost(5e-3, inSeconds))
	f.Note = fmt.Sprintf("the median Call %s; %.0f Calls a round; meanwhile the Stream did %s",
		seconds(medians), summarize(calls, perSecond).Median, summarize(rates, perSecond))
	return []finding{f}, nil
}

// besideStream returns how long each Call took while a Stream ran, and how many tasks a second the Stream did meanwhile.
func (b *bench) besideStream(p *pool.Pool, d time.Duration) (latencies []time.Duration, rate float64, err error) {
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	var done atomic.Int64
	var streaming sync.WaitGroup
	running := make(chan struct{})
	streaming.Go(func() {
		for _, err := range pool.Stream(ctx, p, successor, endless()) {
			if err != nil {
				return // ctx has ended
			}
			if done.Add(1) == 200_000 {
				close(running)
			}
		}
	})
	defer streaming.Wait()
	defer cancel()
	<-running
	before, begin := done.Load(), time.Now()
	for time.Since(begin) < d {
		start := time.Now()
		if _, err := pool.Call(b.ctx, p, successor, 1); err != nil {
			return nil, 0, err
		}
		latencies = append(latencies, time.Since(start))
	}
	return latencies, float64(done.Load()-before) / time.Since(begin).Seconds(), nil
}

func endless() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; yield(i); i++ {
		}
	}
}
