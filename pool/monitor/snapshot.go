package monitor

import "time"

// Snapshot is what can be seen of a pool at one moment: what the page, "procpool top" and scripts are fed with, as JSON. Durations are in seconds, sizes in bytes.
type Snapshot struct {
	Pool     string    `json:"pool"`    // WithName
	Program  string    `json:"program"` // the path of the executable
	PID      int       `json:"pid"`
	Began    time.Time `json:"began"`
	Taken    time.Time `json:"taken"`
	Ended    bool      `json:"ended"`     // no worker is left, and none will come
	ReadOnly bool      `json:"read_only"` // workers cannot be killed by this way
	Sampled  bool      `json:"sampled"`   // stages, arguments and the slowest of short tasks are known: pool.WithInsights

	Queue     Queue      `json:"queue"`
	Totals    Totals     `json:"totals"`
	Rates     Rates      `json:"rates"`   // over the last seconds
	Latency   Spread     `json:"latency"` // of single tasks, over the last seconds: queue, run and transfer together
	Workers   []Worker   `json:"workers"`
	Functions []Function `json:"functions"`
	Failures  []Record   `json:"failures"` // latest first
	Slowest   []Record   `json:"slowest"`  // longest first
	Advice    []string   `json:"advice"`

	Now Point `json:"now"` // what goes into the History
}

// History is the past that somebody watched, as long as maxPoints: a point for each second. Nobody looked where points are missing.
type History struct {
	Points []Point `json:"points"` // oldest first
}

// Point is what a pool did since the point before, which is about a second.
type Point struct {
	Time      time.Time `json:"time"`
	Completed float64   `json:"completed"` // per second
	Failed    float64   `json:"failed"`    // per second
	Queued    int       `json:"queued"`
	Running   int       `json:"running"`
	Busy      int       `json:"busy"`
	Workers   int       `json:"workers"`
	Mean      float64   `json:"mean"` // of the latency; 0 where no task ended
	P50       float64   `json:"p50"`
	P90       float64   `json:"p90"`
	P99       float64   `json:"p99"`
	CPU       float64   `json:"cpu"` // processors that the workers kept busy
	RSS       int64     `json:"rss"` // of the workers together
}

// Queue is what is under way.
type Queue struct {
	Queued  int `json:"queued"`  // tasks that no worker has
	Running int `json:"running"` // tasks that a worker has and has not answered
	Workers int `json:"workers"` // slots that have a ready worker
	Busy    int `json:"busy"`
	Spares  int `json:"spares"`
}

// Totals are counts since the pool began.
type Totals struct {
	Submitted     int   `json:"submitted"`
	Completed     int   `json:"completed"`
	Failed        int   `json:"failed"`
	Cancelled     int   `json:"cancelled"`
	Retried       int   `json:"retried"`
	Restarts      int   `json:"restarts"`
	Recycles      int   `json:"recycles"`
	TimedOut      int   `json:"timed_out"`
	BytesSent     int64 `json:"bytes_sent"`
	BytesReceived int64 `json:"bytes_received"`
}

// Rates are per second.
type Rates struct {
	Over      float64 `json:"over"` // the seconds that they are taken over: the last few, or all since the pool began where nobody has watched
	Completed float64 `json:"completed"`
	Failed    float64 `json:"failed"`
	Sent      float64 `json:"sent"`
	Received  float64 `json:"received"`
}

// Spread is how a duration was spread, in seconds. In a Function, Max is exact. In the latency over the last seconds no task took longer than Max; it is exact if none took
// as long since the pool began, else it may be an eighth too much. No percentile exceeds it.
type Spread struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

// Worker is one slot and its process.
type Worker struct {
	Slot     int      `json:"slot"` // -1 for a spare
	PID      int      `json:"pid"`
	State    string   `json:"state"`     // as in pool.WorkerInfo; "ended" once the pool has: what only a living process tells is then as it was seen last
	Func     string   `json:"func"`      // of the running task; "" while it is idle
	Index    int      `json:"index"`     // of the running task; -1 for a single call
	TaskTime float64  `json:"task_time"` // how long it has run
	Since    float64  `json:"since"`     // how long the state has lasted
	Tasks    int      `json:"tasks"`     // that this process has answered
	Restarts int      `json:"restarts"`
	CPU      float64  `json:"cpu"`                 // CPU time in all
	CPUShare *float64 `json:"cpu_share,omitempty"` // of one processor, over the last seconds; nil, and not in the JSON, until two looks at the process have told it
	RSS      int64    `json:"rss"`

	Time  WorkerTime `json:"time"`
	Spans []Span     `json:"spans"` // oldest first
}

// WorkerTime is how a slot has spent its time, in seconds.
type WorkerTime struct {
	Start   float64 `json:"start"`
	Init    float64 `json:"init"`
	Working float64 `json:"working"`
	Waiting float64 `json:"waiting"`
	Idle    float64 `json:"idle"`
	Exit    float64 `json:"exit"`
}

// Span is some tasks that a worker ran one after another.
type Span struct {
	Func   string    `json:"func"`
	Index  int       `json:"index"`
	Tasks  int       `json:"tasks"`
	Failed int       `json:"failed"`
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended"`
}

// Function is what the tasks of a function cost.
type Function struct {
	Func     string             `json:"func"`
	Tasks    int                `json:"tasks"`
	Failed   int                `json:"failed"`
	Exec     float64            `json:"exec"` // all tasks together
	Queue    Spread             `json:"queue"`
	Run      Spread             `json:"run"`
	Transfer Spread             `json:"transfer"`
	Stages   map[string]float64 `json:"stages"` // the mean of each stage of the sampled tasks, by the field's name in pool.Timing
	Samples  int                `json:"samples"`
	ArgBytes int64              `json:"arg_bytes"`
	ResBytes int64              `json:"result_bytes"`
}

// Record is a task that stood out.
type Record struct {
	Func    string    `json:"func"`
	Index   int       `json:"index"`
	Slot    int       `json:"slot"`
	PID     int       `json:"pid"`
	Attempt int       `json:"attempt"`
	Ended   time.Time `json:"ended"`
	Exec    float64   `json:"exec"`
	Total   float64   `json:"total"`
	Arg     string    `json:"arg"`              // the beginning of its argument; "" where it is not kept
	Kind    string    `json:"kind,omitempty"`   // of the failure: returned, panic, exit, timeout, ...
	Error   string    `json:"error,omitempty"`  // in one line
	Stderr  string    `json:"stderr,omitempty"` // what it wrote
	Stack   string    `json:"stack,omitempty"`  // where it was
}
