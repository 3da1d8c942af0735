package pool

import (
	"bytes"
	"cmp"
	"reflect"
	"runtime"
	"slices"
	"time"

	"github.com/procpool/procpool/internal/codec"
	"github.com/procpool/procpool/internal/registry"
)

// Insights is where the time of a pool went since New: by function, by worker, and in its slowest and its failed tasks. Everything is a copy.
//
// Without WithInsights it is drawn from what the pool knows anyway, frame by frame: counts and bytes are exact, and so are the times that workers were busy and idle; percentiles take the tasks of
// one frame for equally long. WithInsights adds what has to be asked of the workers: the stages of single
// tasks, the slowest of them and the beginning of their arguments.
//
// A task counts once for each attempt that came to an end in a worker, also where another was made, and where nobody waited for it any more. Initializers and finalizers are no tasks.
type Insights struct {
	Name    string    // of the pool: WithName
	Began   time.Time // when New was called
	Taken   time.Time // when this was
	Sampled bool      // WithInsights, or a monitor, asks the workers for single tasks

	Stats     Stats
	Functions []FuncInsights   // by name, OtherFuncs last
	Workers   []WorkerInsights // by slot; those that Resize took away are behind them, and what all spares (WithSpare) did together, as slot -1, is last
	Slowest   []TaskRecord     // longest first, at most 10; of the sampled tasks and of those that were answered alone
	Failures  []TaskRecord     // latest first, at most 50
	Advice    []string         // in words, most important first; empty where the figures suggest nothing
}

// OtherFuncs stands for all functions of a pool together that have run after the first 64: those are told apart.
const OtherFuncs = "(others)"

// FuncInsights is what the tasks of one function cost.
type FuncInsights struct {
	Func        string
	Tasks       int           // that came to an end
	Failed      int           // of these
	Exec        time.Duration // in the workers, all tasks together
	ArgBytes    int64         // encoded arguments, and a byte or more for each that tells its length
	ResultBytes int64         // encoded results, likewise

	Queue    Distribution // from its submission until it was sent to a worker
	Run      Distribution // in the worker
	Transfer Distribution // from then until its result came, less Run: pipes, and waiting in the worker behind others
	Total    Distribution // the three together

	Stages  Timing // the mean of each stage of the sampled tasks; zero where none was sampled
	Samples int    // how many tasks that is the mean of
}

// WorkerInsights is how one slot spent its time, over all processes that it had: the times from Start to Exit are together how long those have lived. While a worker is
// renewed that is two at a time, and none while its slot waits after a failed start or is parked (WithIdleTimeout).
type WorkerInsights struct {
	Slot      int
	Processes int // that it had
	Tasks     int
	Failed    int

	Start   time.Duration // from the start of a process until its hello
	Init    time.Duration // in initializers (WithInitializer)
	Working time.Duration // in tasks
	Waiting time.Duration // had tasks, and ran none: the boundary
	Idle    time.Duration // had nothing to do
	Exit    time.Duration // from when a process was told to leave and had nothing more to do, or died, until it was gone

	Spans []Span // the last that it did, oldest first, at most 64
}

// Span is what frames of results tell of a worker's time: tasks of one function, one after another. Frames of tiny tasks that followed each other are put together, up to a millisecond.
type Span struct {
	Func   string
	PID    int
	Index  int // of the first task in its job; -1 for Call and Go
	Tasks  int
	Failed int
	Began  time.Time
	Ended  time.Time
}

// TaskRecord is one task that stood out.
type TaskRecord struct {
	Func               string
	Index              int // -1 for Call and Go
	Slot, PID, Attempt int // Slot is -1 where it reached no worker
	Ended              time.Time
	Timing             Timing // as far as it is known: Exec at the least
	Arg                string // the beginning of its argument, made readable, at most 120 bytes; "" where WithInsights or a monitor did not ask for it
	Err                error  // a *TaskError; nil of one that succeeded
}

// Distribution is how a duration was spread. Percentiles are those of a histogram whose buckets are an eighth wide; Count, Mean and Max are exact.
type Distribution struct {
	Count               int64
	Mean, P50, P90, P99 time.Duration
	Max                 time.Duration
	Buckets             []Bucket // those of the histogram that are not empty, ascending
}

// Bucket counts durations that are less than Below, and not less than that of the bucket before it, empty ones included. The last bucket has what is longer too.
type Bucket struct {
	Below time.Duration
	Count int64
}

// WithInsights has the pool ask its workers about single tasks, at most some two hundred a second of those that are short and all that are long, so that Insights can tell where their time
// went. It keeps the beginning of the arguments of the slowest tasks and of those that failed. What a task that is asked about costs more is about a microsecond.
func WithInsights() Option {
	return option("WithInsights", func(c *config) { c.insights = true })
}

// Insights returns where the time went until now. It costs some ten microseconds for each function and each worker, and holds up the pool for a small part of that.
func (p *Pool) Insights() Insights {
	defer runtime.KeepAlive(p)
	c := p.core
	c.mu.Lock()
	s := c.snapshotLocked()
	in := Insights{Name: c.cfg.name, Began: c.figures.began, Taken: s.taken, Sampled: c.observed(), Stats: c.statsLocked()}
	c.mu.Unlock()
	c.completeStats(&in.Stats)

	for _, f := range s.functions {
		in.Functions = append(in.Functions, f.insights())
	}
	slices.SortStableFunc(in.Functions, func(a, b FuncInsights) int {
		if a.Func == OtherFuncs || b.Func == OtherFuncs {
			return cmp.Compare(boolInt(a.Func == OtherFuncs), boolInt(b.Func == OtherFuncs))
		}
		return cmp.Compare(a.Func, b.Func)
	})
	for i := range s.ledgers {
		in.Workers = append(in.Workers, s.ledgers[i].insights())
	}
	for i := range s.slowest {
		in.Slowest = append(in.Slowest, s.slowest[i].record())
	}
	for i := range s.failures {
		in.Failures = append(in.Failures, s.failures[i].record())
	}
	in.Advice = s.advice(c.cfg, &in)
	return in
}

// snapshot is a copy of the figures.
type snapshot struct {
	taken     time.Time
	functions []costs
	ledgers   []ledger // in the order of Insights.Workers
	slots     int      // the first of them are of slots that the pool has
	slowest   []taskMark
	failures  []taskMark // latest first
}

func (c *core) snapshotLocked() snapshot {
	f := &c.figures
	s := snapshot{taken: time.Now(), slots: len(c.slots), slowest: slices.Clone(f.slowest)}
	for _, one := range f.functions {
		s.functions = append(s.functions, *one)
	}
	if f.others != nil {
		s.functions = append(s.functions, *f.others)
	}
	at := map[*ledger]int{}
	add := func(l *ledger) {
		if _, twice := at[l]; twice || l == nil {
			return
		}
		at[l] = len(s.ledgers)
		one := *l
		one.spans = slices.Clone(l.spans)
		s.ledgers = append(s.ledgers, one)
	}
	for _, slot := range slices.SortedFunc(slices.Values(c.slots), func(a, b *slot) int { return a.id - b.id }) {
		add(slot.ledger)
	}
	for _, l := range f.ledgers {
		add(l)
	}
	add(f.spares)
	for p := range c.live {
		s.ledgers[at[p.slot.ledger]].addLocked(p, s.taken)
	}
	for i := range f.failures {
		m := f.failures[(f.oldest+len(f.failures)-1-i)%len(f.failures)]
		m.value, m.arg = bytes.Clone(m.value), bytes.Clone(m.arg) // their memory is used again
		s.failures = append(s.failures, m)
	}
	return s
}

func (f *costs) insights() FuncInsights {
	return FuncInsights{
		Func: f.fn, Tasks: f.tasks, Failed: f.failed, Exec: f.exec, ArgBytes: f.args, ResultBytes: f.results,
		Queue: f.queue.distribution(), Run: f.run.distribution(), Transfer: f.transfer.distribution(), Total: f.total.distribution(),
		Stages: f.stages.mean(), Samples: f.stages.n,
	}
}

// shownArg is how long what is shown of an argument is at the most.
const shownArg = 120

func (m *taskMark) record() TaskRecord {
	r := TaskRecord{
		Func: m.fn, Index: m.index, Slot: m.at.slot, PID: m.at.pid, Attempt: m.at.attempt, Ended: m.ended, Timing: m.timing,
	}
	if m.arg != nil {
		var t reflect.Type
		if types, ok := registry.TypesOf(m.fn); ok {
			t = types.Arg
		}
		r.Arg = codec.Preview(m.arg, t, shownArg)
	}
	if m.outcome != 0 || m.err != nil {
		r.Err = m.failure()
	}
	return r
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
