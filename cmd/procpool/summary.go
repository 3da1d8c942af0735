package main

import (
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/procpool/procpool/cmd/procpool/numeral"
	"github.com/procpool/procpool/pool"
)

// tally is what a run came to.
type tally struct {
	items  int
	failed int
	exec   time.Duration // the time that the tasks ran, added up
	cpu    time.Duration // the CPU time that they took
	wall   time.Duration // from the start of the pool to the last result
}

func (t *tally) add(o outcome) {
	t.items++
	if o.err != nil {
		t.failed++
	}
	t.exec += o.timing.Exec
	t.cpu += o.timing.CPU
}

// speedUp is how many times longer the tasks would have taken one after the other.
func (t *tally) speedUp() float64 {
	if t.wall <= 0 {
		return 0
	}
	return t.exec.Seconds() / t.wall.Seconds()
}

// hasSpeedUp tells whether the speed-up says something: not where the tasks took nearly no time, and what was measured is the start of the workers or the reading of
// the inputs.
func (t *tally) hasSpeedUp() bool { return t.exec >= 10*time.Millisecond && t.exec >= t.wall/10 }

// table is the summary of a run.
func (t *tally) table(stats pool.Stats, workers int, more []func() (name, value string)) string {
	w := newTable("summary", "")
	row := func(name, value string) { w.AppendRow(table.Row{name, value}) }
	row("items", numeral.Thousands(int64(t.items)))
	row("failed", numeral.Thousands(int64(t.failed)))
	row("wall time", seconds(t.wall))
	row("time in tasks", seconds(t.exec))
	row("CPU time in tasks", seconds(t.cpu))
	if t.hasSpeedUp() {
		row("speed-up over one process", fmt.Sprintf("%.2f x with %s", t.speedUp(), numeral.Of(workers, "worker")))
	}
	row("sent to the workers", byteSize(stats.BytesSent))
	row("received from them", byteSize(stats.BytesReceived))
	if stats.Retried > 0 {
		row("tried again", numeral.Thousands(int64(stats.Retried)))
	}
	if stats.Recycles > 0 {
		row("workers renewed", numeral.Thousands(int64(stats.Recycles)))
	}
	if stats.Restarts > 0 {
		row("workers restarted", numeral.Thousands(int64(stats.Restarts)))
	}
	for _, r := range more {
		row(r())
	}
	return w.Render() + "\n"
}
