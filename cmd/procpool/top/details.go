package top

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/procpool/procpool/pool/monitor"
)

// facts are lines of a name and a value each.
type facts struct{ strings.Builder }

func (f *facts) add(name, format string, args ...any) {
	fmt.Fprintf(f, "%-14s %s\n", name, fmt.Sprintf(format, args...))
}

// addText adds a text of several lines, if there is any.
func (f *facts) addText(name, text string) {
	if text = strings.TrimRight(text, "\n"); text != "" {
		fmt.Fprintf(f, "\n%s\n\n%s\n", name, text)
	}
}

func failureDetails(r monitor.Record) *pager {
	var f facts
	f.record(r)
	f.add("kind", "%s", r.Kind)
	f.addText("Cause", r.Error)
	f.addText("What it wrote to standard error", r.Stderr)
	f.addText("Where it was", r.Stack)
	return &pager{title: "Failure of " + taskName(r.Func, r.Index), text: f.String()}
}

func slowDetails(r monitor.Record) *pager {
	var f facts
	f.record(r)
	return &pager{title: "Slow task " + taskName(r.Func, r.Index), text: f.String()}
}

func (f *facts) record(r monitor.Record) {
	f.add("task", "%s", taskName(r.Func, r.Index))
	f.add("worker", "slot %d, pid %d", r.Slot, r.PID)
	f.add("attempt", "%d", r.Attempt)
	f.add("ended", "%s", r.Ended.Local().Format("2006-01-02 15:04:05.000"))
	f.add("ran", "%s", shortTime(r.Exec))
	if r.Total > 0 {
		f.add("in all", "%s", shortTime(r.Total))
	}
	if r.Arg != "" {
		f.add("argument", "%s", r.Arg)
	}
}

func workerDetails(w monitor.Worker) *pager {
	var f facts
	f.add("pid", "%d", w.PID)
	f.add("state", "%s for %s", w.State, shortTime(w.Since))
	if w.Func != "" {
		f.add("task", "%s for %s", taskName(w.Func, w.Index), shortTime(w.TaskTime))
	}
	f.add("tasks done", "%d by this process", w.Tasks)
	f.add("restarts", "%d", w.Restarts)
	f.add("CPU", "%s, lately %s of a processor", shortTime(w.CPU), cpuText(w, "%"))
	f.add("memory", "%s resident", shortBytes(float64(w.RSS)))
	f.WriteString("\nHow the slot has spent its time\n\n")
	f.times(w.Time)
	if len(w.Spans) > 0 {
		f.WriteString("\nWhat it did last\n\n")
	}
	for _, s := range slices.Backward(w.Spans) {
		failed := ""
		if s.Failed > 0 {
			failed = fmt.Sprintf(", %d failed", s.Failed)
		}
		fmt.Fprintf(&f, "%s  %6s  %s, %d tasks%s\n", s.Began.Local().Format("15:04:05.000"), shortTime(s.Ended.Sub(s.Began).Seconds()), taskName(s.Func, s.Index), s.Tasks, failed)
	}
	return &pager{title: "Worker of " + slotName(w.Slot), text: f.String()}
}

func (f *facts) times(t monitor.WorkerTime) {
	sum := t.Start + t.Init + t.Working + t.Waiting + t.Idle + t.Exit
	for _, part := range []struct {
		name string
		time float64
		what string
	}{
		{"starting", t.Start, "from the start of a process until it was there"},
		{"initializer", t.Init, ""},
		{"working", t.Working, "in tasks"},
		{"waiting", t.Waiting, "had tasks and ran none: pipes, encoding"},
		{"idle", t.Idle, "had nothing to do"},
		{"ending", t.Exit, ""},
	} {
		share := 0.0
		if sum > 0 {
			share = part.time / sum
		}
		f.add(part.name, "%6s %4.0f%%  %s", shortTime(part.time), 100*share, part.what)
	}
}

func functionDetails(fn monitor.Function) *pager {
	var f facts
	f.add("tasks", "%d, of which %d failed", fn.Tasks, fn.Failed)
	f.add("ran", "%s, all tasks together", shortTime(fn.Exec))
	f.add("arguments", "%s", shortBytes(float64(fn.ArgBytes)))
	f.add("results", "%s", shortBytes(float64(fn.ResBytes)))
	fmt.Fprintf(&f, "\n%-14s %8s %8s %8s %8s %8s\n", "", "p50", "p90", "p99", "max", "mean")
	for _, s := range []struct {
		name string
		monitor.Spread
	}{{"queue", fn.Queue}, {"run", fn.Run}, {"transfer", fn.Transfer}} {
		fmt.Fprintf(&f, "%-14s %8s %8s %8s %8s %8s\n", s.name, shortTime(s.P50), shortTime(s.P90), shortTime(s.P99), shortTime(s.Max), shortTime(s.Mean))
	}
	if fn.Samples > 0 {
		fmt.Fprintf(&f, "\nMean of each stage, of %d sampled tasks\n\n", fn.Samples)
		for _, stage := range slices.Sorted(maps.Keys(fn.Stages)) {
			f.add(stage, "%s", shortTime(fn.Stages[stage]))
		}
	}
	return &pager{title: "Function " + fn.Func, text: f.String()}
}

func adviceDetails(advice []string) *pager {
	return &pager{title: "Advice", text: strings.Join(advice, "\n\n")}
}

// slotName is "slot 3", or "a spare".
func slotName(slot int) string {
	if slot < 0 {
		return "a spare"
	}
	return fmt.Sprintf("slot %d", slot)
}

const helpText = `The picture shows a pool of worker processes, once a second.

Keys
  tab, shift+tab   go to the next or previous panel
  ↑ ↓ pgup pgdn    select; home and end go to the first and the last
  enter            details of what is selected: a failure's stderr and stack
  s, S             sort the workers by the next, the previous column
  r                reverse the order
  g                what the worker's goroutines do: the stack of its task
  p                profile the worker's CPU for 5 s, into a file
  k                kill the worker, after a question
  space            pause and go on
  q                quit; the pool does not notice

Words
  slot             a place in the pool; it gets another process when one dies
  FOR              how long the worker has been in its task, or in its state
  DONE             tasks that this process has answered
  CPU%             of one processor, over the last seconds; - until it is known
  RSS              resident memory
  RESTARTS         processes that the slot had before this one
  work wait idle   how the slot has spent its time: in tasks; with tasks but
                   in none (pipes, encoding); with nothing to do
  queue            waiting: no worker has them; running: a worker has them
  latency          of single tasks: queue, run and transfer together
                   over the last seconds; max may be an eighth too much
  rate             tasks done per second, with what it was lately

States
  idle busy        ready; with a task
  starting         the process starts, or runs its initializer
  stopping         it was told to leave
  backoff, broken  starts failed; it is tried again
  spare            ready, and in no slot yet`

// taskFirst is a dump with the goroutine of the running task first, and the worker's own ones last: what they do is not what the viewer is after.
func taskFirst(dump string) string {
	const own = "github.com/procpool/procpool/internal/serve."
	rank := func(stack string) int {
		switch {
		case strings.Contains(stack, own+"(*Server).execLoop"):
			return 0
		case strings.Contains(stack, own), strings.Contains(stack, "os/signal.loop"):
			return 2
		}
		return 1
	}
	stacks := strings.Split(strings.TrimSpace(dump), "\n\n")
	slices.SortStableFunc(stacks, func(a, b string) int { return rank(a) - rank(b) })
	return strings.Join(stacks, "\n\n")
}
