package bench

import (
	"context"
	"slices"
	"time"

	"github.com/procpool/procpool/pool"
)

// start asks how long it takes until the first result.
func (b *bench) start(ctx context.Context, budget time.Duration) (Section, error) {
	s := Section{
		Title: "Start",
		About: "From nothing to the first result of a pool with one worker, and its end. “Program alone” is this program started and ended without any pool, which " +
			"no pool of processes can beat. Python's start methods: fork copies the running interpreter, spawn starts a new one.",
		Unit: "ns",
	}
	t := trial{name: "first result", most: 40, contenders: []contender{
		{name: procpool, run: since(func(ctx context.Context, n int) error {
			for range n {
				p, err := b.newPool(ctx, 1)
				if err != nil {
					return err
				}
				_, err = pool.Call(ctx, p, successor, 1)
				_ = p.Close()
				if err != nil {
					return err
				}
			}
			return nil
		})},
	}}
	if b.Bare != nil {
		t.contenders = append(t.contenders, contender{name: "program alone", run: since(func(ctx context.Context, n int) error {
			for range n {
				if err := b.Bare(ctx).Run(); err != nil {
					return err
				}
			}
			return nil
		})})
	}
	if b.python != nil {
		for _, method := range []string{"fork", "spawn"} {
			t.contenders = append(t.contenders, b.python.contender("Python "+method, method, "start", nil))
		}
	}
	return s, race(ctx, &s, []trial{t}, budget)
}

// memoryTasks is how many tiny tasks a worker has done that is not fresh any more.
const memoryTasks = 200_000

// memory asks what a worker takes.
func (b *bench) memory(ctx context.Context, _ time.Duration) (Section, error) {
	s := Section{
		Title: "Memory of a worker",
		About: "Memory that a worker has for itself, not shared with any other process: when it has just started, and when it has done 200,000 tiny tasks. A worker " +
			"of this program, which has more in it than a minimal one.",
		Unit: "bytes",
	}
	p, err := b.newPool(ctx, 1)
	if err != nil {
		return s, err
	}
	defer func() { _ = p.Close() }()
	fresh, err := b.privateMemory(ctx, p)
	if err != nil {
		return s, err
	}
	if _, err := pool.Map(ctx, p, successor, count(nil, memoryTasks)); err != nil {
		return s, err
	}
	used, err := b.privateMemory(ctx, p)
	if err != nil {
		return s, err
	}
	s.Rows = append(s.Rows, memoryRow("fresh", procpool, fresh), memoryRow("after 200,000 tasks", procpool, used))
	if b.python != nil {
		for _, method := range []string{"fork", "spawn"} {
			bytes, err := b.python.memory(ctx, method)
			row := memoryRow("fresh", "Python "+method, bytes)
			if err != nil {
				row.Error = err.Error()
			}
			s.Rows = append(s.Rows, row)
		}
	}
	s.Rows = slices.DeleteFunc(s.Rows, func(r Row) bool { return r.Median == 0 && r.Error == "" }) // a system that does not tell
	return s, nil
}

// privateMemory asks a worker that has answered a call: one that has not may still be starting.
func (b *bench) privateMemory(ctx context.Context, p *pool.Pool) (int64, error) {
	if _, err := pool.Call(ctx, p, successor, 1); err != nil {
		return 0, err
	}
	return privateBytes(p.Workers()[0].PID), nil
}

func memoryRow(name, contender string, bytes int64) Row {
	return Row{Case: name, Contender: contender, Runs: 1, Median: float64(bytes), Low: float64(bytes), High: float64(bytes)}
}
