package pool

import (
	"context"
	"time"
)

// Tracer is told what a pool does, call by call and job by job, and says what their tasks are to know of it in the workers. Package pool/tracing has one that
// makes spans of OpenTelemetry. See WithTracer.
//
// Its methods, and those of the Traces that it returns, run on the goroutines of those who call and consume: they may take their time, and may call
// the pool, but it is the caller who waits. What panics in them is logged and goes no further.
type Tracer interface {
	// Begin is told that a job begins, before anything of it does. The Trace is told how it goes on; where it is nil nobody is, and nothing is kept in
	// mind for it. carrier travels to the workers with each task, where worker.Carrier finds it; nil for nothing. It may have 8192 bytes when encoded: a longer
	// one does not travel, and the log says so.
	//
	// Jobs whose Trace or carrier differ do not share frames.
	Begin(ctx context.Context, job JobInfo) (trace Trace, carrier map[string]string)
}

// Trace is told of one job. Its methods are called one at a time, and End is the last, exactly once, however the job ends.
type Trace interface {
	// Batch is told of tasks that travelled to a worker together and that it has come to: all of the frame, or those before what went elsewhere. Attempts
	// that are followed by others are told as well. It is called when the consumer has time for it, and at the latest before End.
	Batch(BatchInfo)
	// End is told that the job has ended: a Call has returned, a Future is about to be done, a Map has returned, the consumer of a Stream has left or come to
	// its end.
	End(JobEnd)
}

// JobInfo says which job begins.
type JobInfo struct {
	API   string // "Call", "Go", "Map", "GoMap", "Stream", "StreamUnordered", "Results" or "Broadcast"
	Pool  string // WithName
	Func  string
	Tasks int // -1 where it is not known
}

// BatchInfo says what became of tasks that travelled together.
type BatchInfo struct {
	First   int // index in the job of the first; -1 in Call, Go and Broadcast
	Tasks   int // that the worker has begun
	Failed  int // of these: the function failed, the process died, or the job ended before they were answered
	Slot    int
	PID     int
	Attempt int // from 1

	Began       time.Time     // they were sent
	Ended       time.Time     // the last of them was answered, or its process was found dead, or the job had ended
	Exec        time.Duration // that the tasks took in the worker, one after another, by its word
	CPU         time.Duration // of the process meanwhile; 0 where it was not measured
	ArgBytes    int           // encoded arguments
	ResultBytes int           // encoded results

	Err error // of the first that failed, a *TaskError; or, bare, why the job ended before they were answered
}

// JobEnd says how a job ended.
type JobEnd struct {
	Tasks  int     // that have come to an end, as far as the caller or consumer knows
	Failed int     // of these
	Timing *Timing // of a Call or Go where Timed asked for it; else nil
	Left   bool    // the consumer of a Stream left before its end
	Err    error   // what the caller got, or the Stream yielded last; nil where single items of a Stream failed
}

// WithTracer has a tracer told of every call and job, and what it says travel to the workers. It costs a pool without one nothing. With one, a job that
// it wants to know nothing of costs what Begin does; a Call or Go that it does costs about a microsecond more than that, and each has a frame of its own; a
// batch less than that. Initializers and finalizers are not traced. The default is none.
//
// Shutdown waits until the Traces of what was submitted by Call and Go have been told the end; it does not wait for consumers.
func WithTracer(t Tracer) Option { return option("WithTracer", func(c *config) { c.tracer = t }) }
