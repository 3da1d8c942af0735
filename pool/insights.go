package pool

import (
	"time"
)

// Insights is where the time of a pool went since New: by function, by worker, and in its slowest and its failed tasks. Everything is a copy.
//
// Without WithInsights it is drawn from what the pool knows anyway, frame by frame: counts, bytes, times that worked and idled are exact, and
// percentiles take the tasks of one frame for equally long. WithInsights adds what has to be asked of the workers: the stages of single
// tasks, the slowest of them and the beginning of their arguments.
type Insights struct {
	Name    string    // of the pool: WithName
	Began   time.Time // when New was called
	Taken   time.Time // when this was
	Sampled bool      // WithInsights, or a monitor, asks the workers for single tasks

	Stats     Stats
	Functions []FuncInsights   // by name
	Workers   []WorkerInsights // by slot; those that Resize took away are at the end
	Slowest   []TaskRecord     // longest first, at most 10; of the sampled tasks and of those that travelled alone
	Failures  []TaskRecord     // latest first, at most 50
	Advice    []string         // in words, most important first; empty where the figures suggest nothing
}

// FuncInsights is what the tasks of one function cost.
type FuncInsights struct {
	Func        string
	Tasks       int           // that were answered
	Failed      int           // of these
	Exec        time.Duration // in the workers, all tasks together
	ArgBytes    int64         // encoded arguments
	ResultBytes int64         // encoded results

	Queue    Distribution // from its submission until it was sent to a worker
	Run      Distribution // in the worker
	Transfer Distribution // what was neither: encoding, pipes, waiting in the worker behind others of the same batch, decoding
	Total    Distribution // the three together

	Stages  Timing // the mean of each stage of the sampled tasks; zero where none was sampled
	Samples int    // how many tasks were sampled
}

// WorkerInsights is how one slot spent its time, over all processes that it had.
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
	Exit    time.Duration // from when a process was told to leave, or died, until it was gone

	Spans []Span // the last that it did, oldest first, at most 64
}

// Span is what one frame of results tells of a worker's time: tasks of one function, one after another.
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
	Slot, PID, Attempt int
	Ended              time.Time
	Timing             Timing // as far as it is known: Exec at the least
	Arg                string // the beginning of its argument, made readable; "" where it is not kept
	Err                error  // a *TaskError; nil of one that succeeded
}

// Distribution is how a duration was spread. Percentiles are those of a histogram whose buckets are an eighth wide.
type Distribution struct {
	Count               int64
	Mean, P50, P90, P99 time.Duration
	Max                 time.Duration
	Buckets             []Bucket // those of the histogram that are not empty, ascending
}

// Bucket counts durations that are at most UpTo, and more than that of the bucket below it.
type Bucket struct {
	UpTo  time.Duration
	Count int64
}
