package main

import (
	"fmt"
	"time"
)

func startRow(b *bench) ([]finding, error) {
	m, err := b.minimal()
	if err != nil {
		return nil, err
	}
	defer m.close()
	var py python // of its own: what is forked is as small as can be, and no other pool has threads in it
	defer py.close()
	ours := m.side("New", "start", workers)
	fork := py.side("Python Pool by fork", request{Do: "start", Method: "fork"})
	spawn := py.side("Python Pool by spawn", request{Do: "start", Method: "spawn"})
	bare := m.side("the program twice, bare, up to Main", "bare", workers)
	err = b.alternate(b.rounds(21), ours, fork, bare, spawn)
	return []finding{
		faster(ours, fork, seconds, atLeast(1.5, times)),
		faster(ours, spawn, seconds, atLeast(12, times)),
		slower(ours, bare, seconds, atMost(2, times)),
	}, err
}

// repeat gives a command to a fresh minimal program each time.
func (b *bench) repeat(rounds int, command string, n int) (first, second []float64, err error) {
	for range b.rounds(rounds) {
		m, err := b.minimal()
		if err != nil {
			return nil, nil, err
		}
		x, y, err := m.ask(command, n)
		m.close()
		if err != nil {
			return nil, nil, err
		}
		first, second = append(first, float64(x)), append(second, float64(y))
	}
	return first, second, nil
}

func parentRow(b *bench) ([]finding, error) {
	before, most, err := b.repeat(7, "stream", b.count(10_000_000))
	if err != nil {
		return nil, err
	}
	grown := make([]float64, len(most))
	for i := range grown {
		grown[i] = most[i] - before[i]
	}
	f := absolute(summarize(grown, inBytes), atMost(16<<20, inBytes))
	f.Note = fmt.Sprintf("resident after 1 M: %s", summarize(before, inBytes).spread())
	return []finding{f}, nil
}

func workerRow(b *bench) ([]finding, error) {
	fresh, idle, err := b.repeat(7, "memory", b.count(1_000_000))
	if err != nil {
		return nil, err
	}
	a := absolute(summarize(fresh, inBytes), atMost(1.5*(1<<20), inBytes))
	a.Work = "a worker's private memory (RssAnon), a minimal program: fresh"
	c := absolute(summarize(idle, inBytes), atMost(6<<20, inBytes))
	c.Work = "the same: idle for a second after 1 M tiny tasks"
	return []finding{a, c}, nil
}

// manyRow starts the pool as it is: where it does not start fewer processes at a time than it is asked for, the operating system has to cope.
func manyRow(b *bench) ([]finding, error) {
	const many = 512
	m, err := b.minimal()
	if err != nil {
		return nil, err
	}
	defer m.close()
	var starts, closes []float64
	for round := range b.rounds(7) + 1 {
		first, closing, err := m.ask("start", many)
		if err != nil {
			return nil, err
		}
		if round > 0 {
			starts = append(starts, time.Duration(first).Seconds()/many)
			closes = append(closes, time.Duration(closing).Seconds()/many)
		}
	}
	a := absolute(summarize(starts, inSeconds), atMost(4e-3, inSeconds))
	a.Work = "512 workers, a minimal program: New to first result, for each worker"
	c := absolute(summarize(closes, inSeconds), atMost(1e-3, inSeconds))
	c.Work = "the same: Close, for each worker"
	return []finding{a, c}, nil
}
