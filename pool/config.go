package pool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/procpool/procpool/internal/codec"
	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

// config is what the options set. Defaults stand in defaults, rules in validate, both called by New alone.
type config struct {
	workers int
	name    string
	inline  bool
	command []string

	env      []string
	cleanEnv bool
	dir      string
	nice     int
	niceSet  bool
	cpus     [][]int
	procs    int
	spare    int

	maxTasks int
	jitter   float64
	maxAge   time.Duration
	idleMin  int
	idleFor  time.Duration // 0: idle workers stay

	taskTimeout time.Duration // 0: none
	softTimeout time.Duration // 0: none
	retries     int

	heartbeat    time.Duration // 0: none
	maxMemory    int64         // 0: none
	memoryLimit  int64         // 0: none
	restartLimit int
	restartPer   time.Duration

	hardening Hardening

	stopGrace    time.Duration
	startTimeout time.Duration
	queueSize    int // 0: unbounded
	maxPayload   int

	blobThreshold int // 0: none

	logger   hclog.Logger
	stdout   io.Writer
	stderr   io.Writer
	onExit   func(WorkerExit)
	onReport func(worker.TaskInfo, worker.Raw)
	insights bool
	onStart  []func(*Pool) (stop func(), err error)
	tracer   Tracer // nil: none

	initializer *hook
	finalizer   *hook

	set       map[string]bool // the options that were given, by name
	complaint []error         // of options that could not even be stored
}

// hook is an initializer or finalizer: a function and its argument, as one encoded task item.
type hook struct {
	fn   string
	item []byte
}

const (
	defaultWorkerProcs  = 2 // with 1, the read loop beside a busy task takes up to 30 ms to react
	defaultJitter       = 0.1
	defaultHeartbeat    = 10 * time.Second
	leastHeartbeat      = time.Second
	defaultRestartLimit = 5
	defaultRestartPer   = 10 * time.Second
	defaultStopGrace    = 5 * time.Second
	defaultStartTimeout = 30 * time.Second
	defaultMaxPayload   = 128 << 20
)

func defaults() *config {
	return &config{
		workers:      runtime.GOMAXPROCS(0),
		procs:        defaultWorkerProcs,
		jitter:       defaultJitter,
		heartbeat:    defaultHeartbeat,
		restartLimit: defaultRestartLimit,
		restartPer:   defaultRestartPer,
		stopGrace:    defaultStopGrace,
		startTimeout: defaultStartTimeout,
		maxPayload:   defaultMaxPayload,
		logger:       hclog.L(),
		stdout:       os.Stdout,
		stderr:       os.Stderr,
		set:          map[string]bool{},
	}
}

func (c *config) validate() error {
	complaints := c.complaint
	want := func(ok bool, format string, args ...any) {
		if !ok {
			complaints = append(complaints, fmt.Errorf("procpool: "+format, args...))
		}
	}
	want(c.workers >= 1, "WithWorkers(%d): want at least 1", c.workers)
	want(!c.set["WithCommand"] || len(c.command) > 0 && c.command[0] != "", "WithCommand: no program is named")
	want(!c.inline || !c.set["WithCommand"], "WithInline and WithCommand contradict each other: one runs no process, the other one of yours")
	for _, kv := range c.env {
		want(strings.IndexByte(kv, '=') > 0 && strings.IndexByte(kv, 0) < 0, "WithEnv(%q): want NAME=value", kv)
	}
	want(c.nice >= -20 && c.nice <= 19, "WithNice(%d): want -20 to 19", c.nice)
	for _, cpus := range c.cpus {
		want(len(cpus) > 0, "WithCPUAffinity: a set is empty")
		for _, cpu := range cpus {
			want(cpu >= 0 && cpu < 1024, "WithCPUAffinity: there is no CPU %d", cpu)
		}
	}
	want(c.spare >= 0, "WithSpare(%d): want 0 or more", c.spare)
	want(!c.set["WithCPUAffinity"] || len(c.cpus) > 0, "WithCPUAffinity: no CPUs are named")
	want(c.procs >= 1, "WithWorkerProcs(%d): want at least 1", c.procs)
	want(!c.set["WithMaxTasksPerWorker"] || c.maxTasks >= 1, "WithMaxTasksPerWorker(%d): want at least 1", c.maxTasks)
	want(c.jitter >= 0 && c.jitter < 1, "WithRecycleJitter(%v): want 0 or more and less than 1", c.jitter)
	want(!c.set["WithMaxWorkerAge"] || c.maxAge > 0, "WithMaxWorkerAge(%v): want more than 0", c.maxAge)
	want(!c.set["WithIdleTimeout"] || c.idleFor > 0, "WithIdleTimeout(%d, %v): want a time of more than 0", c.idleMin, c.idleFor)
	want(c.idleMin >= 0 && (c.idleMin <= c.workers || c.workers < 1), "WithIdleTimeout(%d, %v): want 0 to %d workers, the number of WithWorkers", c.idleMin, c.idleFor, c.workers)
	want(!c.set["WithTaskTimeout"] || c.taskTimeout > 0, "WithTaskTimeout(%v): want more than 0; without the option there is no limit", c.taskTimeout)
	want(!c.set["WithSoftTimeout"] || c.softTimeout > 0, "WithSoftTimeout(%v): want more than 0; without the option there is no limit", c.softTimeout)
	want(c.softTimeout <= 0 || c.taskTimeout <= 0 || c.softTimeout < c.taskTimeout, "WithSoftTimeout(%v): want less than WithTaskTimeout(%v)", c.softTimeout, c.taskTimeout)
	want(c.retries >= 0, "WithRetries(%d): want 0 or more", c.retries)
	want(c.heartbeat == 0 || c.heartbeat >= leastHeartbeat, "WithHeartbeat(%v): want at least %v, or 0 for none", c.heartbeat, leastHeartbeat)
	want(c.restartLimit >= 1 && c.restartPer > 0, "WithRestartLimit(%d, %v): want at least 1 in a time of more than 0", c.restartLimit, c.restartPer)
	want(!c.set["WithMaxWorkerMemory"] || c.maxMemory > 0, "WithMaxWorkerMemory(%d): want more than 0 bytes", c.maxMemory)
	want(!c.set["WithMemoryLimit"] || c.memoryLimit > 0, "WithMemoryLimit(%d): want more than 0 bytes", c.memoryLimit)
	if (c.maxMemory > 0 || c.memoryLimit > 0) && !c.inline {
		err := canMeasure()
		want(err == nil, "WithMaxWorkerMemory and WithMemoryLimit: %v", err)
	}
	want(c.stopGrace >= 0, "WithStopGrace(%v): want 0 or more", c.stopGrace)
	want(c.startTimeout > 0, "WithStartTimeout(%v): want more than 0", c.startTimeout)
	want(!c.set["WithQueueSize"] || c.queueSize >= 1, "WithQueueSize(%d): want at least 1", c.queueSize)
	want(c.maxPayload >= 1 && uint64(c.maxPayload) <= wire.MaxPayload, "WithMaxPayload(%d): want 1 to %d bytes", c.maxPayload, uint64(wire.MaxPayload))
	want(!c.set["WithBlobThreshold"] || c.blobThreshold >= codec.MinCarried, "WithBlobThreshold(%d): want at least %d bytes; without the option there is none", c.blobThreshold, codec.MinCarried)
	want(!c.set["WithTracer"] || c.tracer != nil, "WithTracer(nil): want a tracer; without the option there is none")
	want(c.logger != nil, "WithLogger(nil): want a logger; hclog.NewNullLogger() drops everything")
	want(c.stdout != nil, "WithStdout(nil): want a writer; io.Discard drops everything")
	want(c.stderr != nil, "WithStderr(nil): want a writer; io.Discard drops everything")
	complaints = append(complaints, c.hardening.complaints()...)
	if c.dir != "" {
		info, err := os.Stat(c.dir)
		want(err == nil, "WithDir: %v", err)
		want(err != nil || info.IsDir(), "WithDir(%q): not a directory", c.dir)
	}
	return errors.Join(complaints...)
}

func newHook[A, R any](option string, fn worker.Func[A, R], arg A) (*hook, error) {
	if fn.Name() == "" {
		return nil, fmt.Errorf("procpool: %s: the function is the zero Func; get one from worker.Register", option)
	}
	values := codec.For[A]()
	value, err := values.Append(nil, &arg)
	if err != nil {
		return nil, fmt.Errorf("procpool: %s(%s): %w", option, fn.Name(), &EncodeError{Side: "parent", Type: values.TypeName(), Err: err})
	}
	return &hook{fn: fn.Name(), item: wire.AppendItem(nil, value)}, nil
}
