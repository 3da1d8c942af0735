package pool

import (
	"fmt"
	"math"
	"runtime"
	"time"
)

// Advice is drawn from a table of rules. Each looks at one thing, says nothing on too little data, and speaks of the largest case alone; what it says names the figures that it comes from and
// what to do. The rules stand in the order of how much there is to gain as a rule.

// facts are what the rules look at: the figures, and what sums they make.
type facts struct {
	in      *Insights
	cpus    int
	spares  bool // WithSpare
	recycle bool // WithMaxTasksPerWorker, WithMaxWorkerAge or WithMaxWorkerMemory
	inline  bool

	workers []WorkerInsights // of slots that the pool has
	singly  map[string]int   // by function: tasks that travelled alone because Chunk(1) says so
	frames  map[string]int   // by function: frames of results
	starved time.Duration    // workers' idle time until a Stream had the next task
	life    time.Duration    // of all processes together
	busy    time.Duration    // working and waiting
	tasks   int
}

const (
	// Below these nothing is said: the first tasks of a pool are not like those that come after them.
	leastTasks = 100
	leastLife  = 200 * time.Millisecond

	tinyTask  = 50 * time.Microsecond // what a round trip costs is of that order
	largeArgs = 64 << 10              // bytes of a mean argument from which on it is worth to share something
)

type rule struct {
	name string
	says func(*facts) string // "" for nothing
}

// rules are all that is advised upon.
var rules = []rule{
	{"restarts", adviseRestarts},
	{"arguments", adviseArguments},
	{"chunk", adviseChunk},
	{"boundary", adviseBoundary},
	{"feeder", adviseFeeder},
	{"skew", adviseSkew},
	{"workers", adviseWorkers},
	{"encoding", adviseEncoding},
	{"startup", adviseStartup},
	{"retries", adviseRetries},
	{"failures", adviseFailures},
}

// advice is what the rules say.
func (f *facts) advice() (all []string) {
	if f.inline || f.life < leastLife {
		return nil
	}
	for _, r := range rules {
		if text := r.says(f); text != "" {
			all = append(all, text)
		}
	}
	return all
}

func (s *snapshot) advice(cfg *config, in *Insights) []string {
	f := &facts{
		in: in, cpus: runtime.GOMAXPROCS(0), inline: cfg.inline, spares: cfg.spare > 0,
		recycle: cfg.maxTasks > 0 || cfg.maxAge > 0 || cfg.maxMemory > 0,
		singly:  map[string]int{}, frames: map[string]int{}, workers: in.Workers[:s.slots],
	}
	for i := range s.functions {
		one := &s.functions[i]
		f.singly[one.fn], f.frames[one.fn] = one.singly, one.frames
	}
	for i := range s.ledgers[:s.slots] {
		f.starved += s.ledgers[i].starved
	}
	f.sum()
	return f.advice()
}

// sum adds up what the rules compare with.
func (f *facts) sum() {
	for _, w := range f.workers {
		f.life += w.Start + w.Init + w.Working + w.Waiting + w.Idle + w.Exit
		f.busy += w.Working + w.Waiting
		f.tasks += w.Tasks
	}
}

// mean is the mean execution time of a function's tasks.
func (f *FuncInsights) mean() time.Duration { return f.Exec / time.Duration(max(f.Tasks, 1)) }

// largest returns the function of which size is largest, nil where it is not positive for any.
func (f *facts) largest(size func(*FuncInsights) time.Duration) (best *FuncInsights) {
	most := time.Duration(0)
	for i := range f.in.Functions {
		if one := &f.in.Functions[i]; size(one) > most {
			best, most = one, size(one)
		}
	}
	return best
}

// adviseRestarts: workers that die cost their start, and the tasks that they had.
func adviseRestarts(f *facts) string {
	n := f.in.Stats.Restarts
	if n < 5 || n*20 < f.tasks && f.starting() < 10 {
		return ""
	}
	return fmt.Sprintf("%d workers have died and were replaced, over %d tasks: Failures says why they died. If that cannot be avoided, keep spare processes ready (WithSpare), and the pool waits less for the new ones.", n, f.tasks)
}

// starting is how much of the workers' life was spent starting, in percent.
func (f *facts) starting() int {
	var t time.Duration
	for _, w := range f.workers {
		t += w.Start + w.Init
	}
	return percent(t, f.life)
}

// adviseStartup: processes are renewed so often that starting them takes a large part of their lives.
func adviseStartup(f *facts) string {
	processes := 0
	for _, w := range f.workers {
		processes += w.Processes
	}
	share := f.starting()
	if processes < 3*len(f.workers) || share < 20 || f.in.Stats.Recycles < len(f.workers) {
		return ""
	}
	text := fmt.Sprintf("%d %% of the workers' time is their start, %d processes in all: let them live longer (WithMaxTasksPerWorker, WithMaxWorkerAge, WithMaxWorkerMemory)", share, processes)
	if !f.spares {
		text += ", or have others ready (WithSpare)"
	}
	return text + "."
}

// adviseArguments: the way of the arguments takes most of the time of a function's tasks.
func adviseArguments(f *facts) string {
	large := f.largest(func(one *FuncInsights) time.Duration {
		if one.Tasks < leastTasks/5 || one.ArgBytes/int64(one.Tasks) < largeArgs || f.argumentShare(one) < 50 {
			return 0
		}
		return one.Transfer.Mean * time.Duration(one.Tasks)
	})
	if large == nil {
		return ""
	}
	return fmt.Sprintf("%s: arguments of %s are %d %% of the time of its tasks: share what many tasks read (pool.Share), or send a path or a part instead.",
		large.Func, sizeText(large.ArgBytes/int64(large.Tasks)), f.argumentShare(large))
}

// argumentShare is how much of a task's time goes to its argument, in percent: by its stages where it was sampled, else by what is no execution, as far as it is likely to be the argument.
func (f *facts) argumentShare(one *FuncInsights) int {
	if s := &one.Stages; one.Samples >= 10 && s.Total() > s.Queued {
		return percent(s.EncodeArg+s.Write+s.Pipe+s.DecodeArg, s.Total()-s.Queued)
	}
	if one.ResultBytes > one.ArgBytes {
		return 0
	}
	return percent(one.Transfer.Mean, one.Transfer.Mean+one.Run.Mean)
}

// adviseEncoding: packing and unpacking in the worker takes more than the function.
func adviseEncoding(f *facts) string {
	share := func(one *FuncInsights) int {
		return percent(one.Stages.DecodeArg+one.Stages.EncodeResult, one.Stages.Exec)
	}
	slow := f.largest(func(one *FuncInsights) time.Duration {
		if one.Samples < leastTasks/2 || one.Stages.Exec < 20*time.Microsecond || share(one) < 50 {
			return 0
		}
		return one.Exec
	})
	if slow == nil {
		return ""
	}
	return fmt.Sprintf("%s: %d %% of its time in the workers is decoding the argument and encoding the result: send less, or simpler types ([]byte instead of structures).", slow.Func, share(slow))
}

// adviseChunk: tiny tasks travel one by one because the caller says so.
func adviseChunk(f *facts) string {
	tiny := f.largest(func(one *FuncInsights) time.Duration {
		if n := f.singly[one.Func]; n < leastTasks || n*2 < one.Tasks || one.mean() > tinyTask {
			return 0
		}
		return time.Duration(one.Tasks)
	})
	if tiny == nil {
		return ""
	}
	return fmt.Sprintf("%s: tasks of %v travel one by one (Chunk(1)): leave that to the pool (Chunk(0)), which sends many together.", tiny.Func, short(tiny.mean()))
}

// adviseBoundary: workers that have tasks wait for the pipes more than they work. A pool that has hardly anything to do is nobody's trouble.
func adviseBoundary(f *facts) string {
	idle := 100 - percent(f.working(), f.life)
	tiny := f.largest(func(one *FuncInsights) time.Duration {
		if one.Tasks < leastTasks || one.mean() > tinyTask || f.singly[one.Func]*2 > one.Tasks || one.Transfer.Mean < 2*one.mean() {
			return 0
		}
		return time.Duration(one.Tasks)
	})
	if tiny == nil || idle < 40 || percent(f.waiting(), f.busy) < 40 || percent(f.busy, f.life) < 10 {
		return ""
	}
	if f.frames[tiny.Func]*4 > tiny.Tasks { // few travel together
		return fmt.Sprintf("Workers idle %d %%: %s's tasks of %v are dominated by the boundary; batch them (Map, Stream) or stay in-process.", idle, tiny.Func, short(tiny.mean()))
	}
	return fmt.Sprintf("Workers idle %d %%: %s's tasks of %v are dominated by the boundary, though they travel together; give each more to do, or stay in-process.", idle, tiny.Func, short(tiny.mean()))
}

func (f *facts) working() (t time.Duration) {
	for _, w := range f.workers {
		t += w.Working
	}
	return t
}

func (f *facts) waiting() time.Duration { return f.busy - f.working() }

// adviseFeeder: the input of a Stream does not keep up with the workers.
func adviseFeeder(f *facts) string {
	share := percent(f.starved, f.life)
	if f.tasks < leastTasks/5 || share < 40 || f.in.Stats.Queued > 0 {
		return ""
	}
	return fmt.Sprintf("Workers wait %d %% of their time for the input of a Stream: the sequence yields too slowly, or its consumer takes too long; fewer workers would do as well.", share)
}

// adviseSkew: one worker has much more to do than the others, which have nothing.
func adviseSkew(f *facts) string {
	if len(f.workers) < 2 || f.tasks < leastTasks/2 {
		return ""
	}
	most, rest := 0, time.Duration(0)
	for i, w := range f.workers {
		if w.Working > f.workers[most].Working {
			most = i
		}
		rest += w.Working
	}
	top := f.workers[most]
	rest = (rest - top.Working) / time.Duration(len(f.workers)-1)
	life := top.Start + top.Init + top.Working + top.Waiting + top.Idle + top.Exit
	if percent(top.Working, life) < 60 || top.Working < 3*rest {
		return ""
	}
	return fmt.Sprintf("Worker %d works %d %% of its time, the others %d %%: many tasks have the same Key, or are few and long; spread the keys, or cut long tasks.",
		top.Slot, percent(top.Working, life), percent(rest, life))
}

// adviseWorkers: tasks wait for longer than they run while processors have nothing to do.
func adviseWorkers(f *facts) string {
	n := len(f.workers)
	if n == 0 || n >= f.cpus || f.tasks < leastTasks/5 || percent(f.working(), f.life) < 85 {
		return ""
	}
	long := f.largest(func(one *FuncInsights) time.Duration {
		if one.Tasks < leastTasks/5 || one.Queue.P50 < 2*one.Run.P50 {
			return 0
		}
		return one.Queue.Mean * time.Duration(one.Tasks)
	})
	if long == nil {
		return ""
	}
	return fmt.Sprintf("%s work %d %% of their time, and half of %s's tasks wait for more than %v: there are %d processors, use more workers (WithWorkers, Resize).",
		counted(n, "worker"), percent(f.working(), f.life), long.Func, short(long.Queue.P50), f.cpus)
}

// adviseRetries: many attempts are made again.
func adviseRetries(f *facts) string {
	s := &f.in.Stats
	done := s.Completed + s.Failed
	if s.Retried < 10 || s.Retried*10 < done {
		return ""
	}
	return fmt.Sprintf("%d attempts were made again, for %d tasks: Failures says why; each costs its time once more, and a RetryDelay keeps what fails for a while from being hammered.", s.Retried, done)
}

// adviseFailures: most tasks of a function fail.
func adviseFailures(f *facts) string {
	bad := f.largest(func(one *FuncInsights) time.Duration {
		if one.Failed < leastTasks/5 || one.Failed*2 < one.Tasks {
			return 0
		}
		return time.Duration(one.Failed)
	})
	if bad == nil {
		return ""
	}
	return fmt.Sprintf("%s: %d of %d tasks fail: FailFast ends a Map or Stream at the first.", bad.Func, bad.Failed, bad.Tasks)
}

// percent is how much of the whole a part is; 0 of nothing.
func percent(part, whole time.Duration) int {
	if whole <= 0 {
		return 0
	}
	return int(math.Round(100 * part.Seconds() / whole.Seconds()))
}

// short rounds a duration to what is worth reading.
func short(d time.Duration) time.Duration {
	for unit := time.Duration(1); ; unit *= 10 {
		if d < 100*unit {
			return d + unit/2 - (d+unit/2)%unit
		}
	}
}

// sizeText is a number of bytes as a person reads it.
func sizeText(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.0f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

// counted is a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
