package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/procpool/procpool/pool"
)

// taskTimes of the section "pays".
var taskTimes = []time.Duration{
	0, 300 * time.Nanosecond, time.Microsecond, 3 * time.Microsecond, 10 * time.Microsecond,
	30 * time.Microsecond, 100 * time.Microsecond, time.Millisecond,
}

// pays asks from which task time on processes are faster than a plain loop.
func (b *bench) pays(ctx context.Context, budget time.Duration) (Section, error) {
	s := Section{
		Title: "When do processes pay?",
		About: fmt.Sprintf("The same tasks, each busy for the time below, in a plain loop, on %d goroutines, by Map on %d worker processes, and by one Call "+
			"at a time. What is told is the time for each task; less than the task itself takes is what working side by side brings.", b.Workers, b.Workers),
		Axis: "ns of work in a task", Unit: "ns",
	}
	var trials []trial
	for _, d := range taskTimes {
		turns := turnsFor(d, b.unit)
		trials = append(trials, trial{name: d.String(), x: float64(d), contenders: []contender{
			b.mapSpin(b.pool, turns), spinLoop(turns), spinGoroutines(b.Workers, turns), calls(b.pool, spinner, turns).called("procpool Call").unsplit(),
		}})
	}
	return s, race(ctx, &s, trials, budget)
}

func (c contender) called(name string) contender {
	c.name = name
	return c
}

func (c contender) unsplit() contender {
	c.split = nil
	return c
}

func (b *bench) mapSpin(p *pool.Pool, turns int) contender {
	return contender{name: procpool, run: func(ctx context.Context, n int) (time.Duration, error) {
		args := slices.Repeat([]int{turns}, n)
		began := time.Now()
		_, err := pool.Map(ctx, p, spinner, args)
		return time.Since(began), err
	}}
}

func spinLoop(turns int) contender {
	return contender{name: loop, run: since(func(_ context.Context, n int) error {
		for range n {
			spend(spin(turns))
		}
		return nil
	})}
}

func spinGoroutines(workers, turns int) contender {
	return contender{name: goroutines, run: since(func(_ context.Context, n int) error {
		results := make([]uint64, n)
		chunk := max(1, min(1024, n/(8*workers)))
		spread(workers, n, chunk, func(i int) { results[i] = spin(turns) })
		spend(results[n-1])
		return nil
	})}
}

// cpuTask is how long a task of the section "cpu" is busy.
const cpuTask = time.Millisecond

// cpu asks how much faster more workers are.
func (b *bench) cpu(ctx context.Context, budget time.Duration) (Section, error) {
	s := Section{
		Title: "Busy tasks, by workers",
		About: "Tasks that are busy for a millisecond, by Map on so many worker processes and on as many goroutines. Twice the workers are twice as fast " +
			"until the processors are all busy.",
		Axis: "workers", Unit: "ns",
	}
	turns := turnsFor(cpuTask, b.unit)
	counts := b.workerCounts()
	for _, n := range counts {
		p, err := b.newPool(ctx, n)
		if err != nil {
			return s, err
		}
		t := trial{name: fmt.Sprint(n), x: float64(n), contenders: []contender{b.mapSpin(p, turns), spinGoroutines(n, turns)}}
		rows, err := measure(ctx, &t, budget/time.Duration(len(counts)))
		_ = p.Close()
		if err != nil {
			return s, err
		}
		s.Rows = append(s.Rows, rows...)
	}
	return s, nil
}

// workerCounts are powers of two up to twice the number of workers, and that number.
func (b *bench) workerCounts() (counts []int) {
	for n := 1; n <= 2*b.Workers; n *= 2 {
		counts = append(counts, n)
	}
	if !slices.Contains(counts, b.Workers) {
		counts = append(counts, b.Workers)
		slices.Sort(counts)
	}
	return counts
}

const (
	skewLong  = 40 * time.Millisecond
	skewShort = time.Millisecond
	skewTasks = 60
)

// skew asks whether one long task makes others wait.
func (b *bench) skew(ctx context.Context, budget time.Duration) (Section, error) {
	s := Section{
		Title: "One long task among short ones",
		About: fmt.Sprintf("%d tasks sleep for %v, one for %v; it comes first, in the middle, or last. What is told is the time until all are done, as a multiple "+
			"of what a perfect queue without any cost would take with the times that the tasks were measured to take. 1 is perfect.", skewTasks, skewShort, skewLong),
		Axis: "", Unit: "ratio",
	}
	places := []string{"first", "middle", "last"}
	for i, place := range places {
		tasks := slices.Repeat([]time.Duration{skewShort}, skewTasks)
		tasks = slices.Insert(tasks, i*skewTasks/2, skewLong)
		t := trial{name: place, x: float64(i), most: 1, contenders: []contender{b.skewed(tasks)}}
		if b.python != nil {
			t.contenders = append(t.contenders, b.python.skewed(tasks, b.Workers))
		}
		rows, err := measure(ctx, &t, budget/time.Duration(len(places)))
		if err != nil {
			return s, err
		}
		for j := range rows {
			rows[j].scale(1 / float64(ratioUnit))
		}
		s.Rows = append(s.Rows, rows...)
	}
	return s, nil
}

// skewed runs the tasks and answers with the ratio, as nanoseconds, which is what a block is measured in.
func (b *bench) skewed(tasks []time.Duration) contender {
	return contender{name: procpool, run: func(ctx context.Context, n int) (time.Duration, error) {
		times := make([]time.Duration, len(tasks))
		began := time.Now()
		for r := range pool.Results(ctx, b.pool, sleeper, slices.Values(tasks)) {
			if r.Err != nil {
				return 0, r.Err
			}
			times[r.Index] = r.Timing.Run
		}
		return time.Duration(n) * ratio(time.Since(began), greedy(times, b.Workers)), nil
	}}
}

// ratioUnit is what a ratio of 1 is as a duration.
const ratioUnit = time.Second

func ratio(took, ideal time.Duration) time.Duration {
	return time.Duration(float64(took) / float64(ideal) * float64(ratioUnit))
}

// greedy is how long the tasks take in their order, each on the worker that is free first.
func greedy(times []time.Duration, workers int) time.Duration {
	free := make([]time.Duration, workers)
	for _, d := range times {
		i := slices.Index(free, slices.Min(free))
		free[i] += d
	}
	return slices.Max(free)
}
