package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/procpool/procpool/cmd/procpool/numeral"
	"github.com/procpool/procpool/pool"
)

// shownFailures is how many of the latest failures are shown.
const shownFailures = 10

// insightsText shows where the time of a pool went: tables by function, by worker and by stage, the tasks that stood out, and what to do about it.
func insightsText(in pool.Insights) string {
	var b strings.Builder
	for _, part := range []string{functionInsights(in), workerInsights(in), stageInsights(in), slowestTasks(in), latestFailures(in), advice(in)} {
		if part != "" {
			b.WriteString(part + "\n")
		}
	}
	return b.String()
}

func functionInsights(in pool.Insights) string {
	if len(in.Functions) == 0 {
		return "no task has come to its end\n"
	}
	w := newTable("function", "tasks", "failed", "in tasks", "arguments", "results")
	w.SetTitle("by function")
	for _, f := range in.Functions {
		w.AppendRow(table.Row{
			printable(f.Func), numeral.Thousands(int64(f.Tasks)), numeral.Thousands(int64(f.Failed)), seconds(f.Exec), byteSize(f.ArgBytes), byteSize(f.ResultBytes),
		})
	}
	return w.Render() + "\n\n" + distributions(in)
}

// leastForPercentiles is the number of tasks below which a high percentile is only another name for the longest of them.
const leastForPercentiles = 10

// highPercentile is a percentile near the end of a distribution; a dash where it is of too few.
func highPercentile(of pool.Distribution, p time.Duration) string {
	if of.Count < leastForPercentiles {
		return "-"
	}
	return seconds(p)
}

// distributions shows how long the tasks of each function waited, ran and travelled.
func distributions(in pool.Insights) string {
	w := newTable("function", "of a task", "mean", "p50", "p90", "p99", "max")
	w.SetTitle("how long")
	for _, f := range in.Functions {
		name := printable(f.Func)
		for _, part := range []struct {
			name string
			of   pool.Distribution
		}{{"in the queue", f.Queue}, {"run", f.Run}, {"transfer", f.Transfer}} {
			w.AppendRow(table.Row{
				name, part.name, seconds(part.of.Mean), seconds(part.of.P50), highPercentile(part.of, part.of.P90), highPercentile(part.of, part.of.P99), seconds(part.of.Max),
			})
			name = ""
		}
		w.AppendSeparator()
	}
	return w.Render() + "\n"
}

func workerInsights(in pool.Insights) string {
	w := newTable("worker", "starts", "tasks", "failed", "start", "init", "working", "waiting", "idle", "exit")
	w.SetTitle("by worker")
	for _, one := range in.Workers {
		name := fmt.Sprintf("%d", one.Slot)
		if one.Slot < 0 {
			name = "spares"
		}
		w.AppendRow(table.Row{
			name, one.Processes, numeral.Thousands(int64(one.Tasks)), numeral.Thousands(int64(one.Failed)),
			seconds(one.Start), seconds(one.Init), seconds(one.Working), seconds(one.Waiting), seconds(one.Idle), seconds(one.Exit),
		})
	}
	return w.Render() + "\n"
}

// stage is one stage of a task, as a person calls it.
type stage struct {
	name string
	of   func(*pool.Timing) time.Duration
}

var stages = []stage{
	{"encode argument", func(t *pool.Timing) time.Duration { return t.EncodeArg }},
	{"queue", func(t *pool.Timing) time.Duration { return t.Queued }},
	{"write", func(t *pool.Timing) time.Duration { return t.Write }},
	{"pipe", func(t *pool.Timing) time.Duration { return t.Pipe }},
	{"wait in worker", func(t *pool.Timing) time.Duration { return t.Waiting }},
	{"decode argument", func(t *pool.Timing) time.Duration { return t.DecodeArg }},
	{"run", func(t *pool.Timing) time.Duration { return t.Run }},
	{"encode result", func(t *pool.Timing) time.Duration { return t.EncodeResult }},
	{"held", func(t *pool.Timing) time.Duration { return t.Held }},
	{"return", func(t *pool.Timing) time.Duration { return t.Return }},
	{"pick up", func(t *pool.Timing) time.Duration { return t.Pickup }},
	{"decode result", func(t *pool.Timing) time.Duration { return t.DecodeResult }},
}

// stageInsights shows what the stages of the sampled tasks took in the mean.
func stageInsights(in pool.Insights) string {
	var b strings.Builder
	for _, f := range in.Functions {
		if f.Samples == 0 {
			continue
		}
		w := newTable("stage", "mean", "share")
		w.SetTitle("a task of " + printable(f.Func))
		for _, s := range stages {
			d := s.of(&f.Stages)
			w.AppendRow(table.Row{s.name, seconds(d), share(d, f.Stages.Total())})
		}
		w.AppendFooter(table.Row{"mean of " + numeral.Of(f.Samples, "task"), seconds(f.Stages.Total()), ""})
		b.WriteString(w.Render() + "\n")
	}
	return b.String()
}

func slowestTasks(in pool.Insights) string {
	if len(in.Slowest) == 0 {
		return ""
	}
	w := newTable("function", "item", "worker", "in task", "argument")
	w.SetTitle("slowest tasks")
	for _, r := range in.Slowest {
		w.AppendRow(table.Row{printable(r.Func), itemText(r.Index), r.Slot, seconds(r.Timing.Exec), printable(r.Arg)})
	}
	return w.Render() + "\n"
}

func latestFailures(in pool.Insights) string {
	if len(in.Failures) == 0 {
		return ""
	}
	w := newTable("function", "item", "worker", "in task", "argument", "error")
	w.SetTitle("latest failures")
	for i, r := range in.Failures {
		if i == shownFailures {
			w.AppendRow(table.Row{fmt.Sprintf("and %d more", len(in.Failures)-i)})
			break
		}
		slot := any(r.Slot)
		if r.Slot < 0 {
			slot = "none"
		}
		w.AppendRow(table.Row{printable(r.Func), itemText(r.Index), slot, seconds(r.Timing.Exec), printable(r.Arg), failureText(r.Err)})
	}
	return w.Render() + "\n"
}

// failureText is what happened to a task, in one line; the other columns say to which.
func failureText(err error) string {
	if task, ok := errors.AsType[*pool.TaskError](err); ok {
		err = task.Err
	}
	text, _, _ := strings.Cut(plainFailure(err), "\n")
	return printable(clipped(text, 200))
}

// itemText is the number of an item; a single call has none.
func itemText(index int) string {
	if index < 0 {
		return "call"
	}
	return "#" + numeral.Thousands(int64(index))
}

func advice(in pool.Insights) string {
	if len(in.Advice) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("advice:\n")
	for _, a := range in.Advice {
		b.WriteString("- " + printable(inFlags(a)) + "\n")
	}
	return b.String()
}

// share is how much of the whole a part is.
func share(part, whole time.Duration) string {
	if whole <= 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*part.Seconds()/whole.Seconds())
}
