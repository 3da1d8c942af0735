package pool

import (
	"io"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/procpool/procpool/worker"
)

// Option changes a pool from its defaults. New checks all options together and names everything that is wrong.
type Option func(*config)

func option(name string, set func(*config)) Option {
	return func(c *config) {
		c.set[name] = true
		set(c)
	}
}

// WithWorkers sets the number of worker processes. The default is GOMAXPROCS, which knows the CPU affinity and
// the container's quota.
func WithWorkers(n int) Option { return option("WithWorkers", func(c *config) { c.workers = n }) }

// WithName names the pool in log records. The default is no name.
func WithName(name string) Option { return option("WithName", func(c *config) { c.name = name }) }

// WithInline runs the tasks on goroutines of this process, through the same encoding, for debugging: a
// breakpoint in a function works, and a crash takes the program down. Options that need a process are ignored and a log
// record says so.
func WithInline() Option { return option("WithInline", func(c *config) { c.inline = true }) }

// WithCommand runs another program as the worker: one that speaks the protocol of package wire. Call its functions through
// worker.Named. The program is looked up in PATH as by os/exec.
func WithCommand(argv ...string) Option {
	return option("WithCommand", func(c *config) { c.command = append([]string(nil), argv...) })
}

// WithEnv adds NAME=value pairs to the environment of the workers. By default they have the parent's.
func WithEnv(kv ...string) Option {
	return option("WithEnv", func(c *config) { c.env = append(c.env, kv...) })
}

// WithCleanEnv starts the workers with nothing in their environment but what WithEnv gives.
func WithCleanEnv() Option { return option("WithCleanEnv", func(c *config) { c.cleanEnv = true }) }

// WithDir sets the working directory of the workers. By default they have the parent's.
func WithDir(dir string) Option { return option("WithDir", func(c *config) { c.dir = dir }) }

// WithNice sets the nice value of the workers, -20 to 19; below the parent's it needs privileges. By default they have
// the parent's.
func WithNice(n int) Option {
	return option("WithNice", func(c *config) { c.nice, c.niceSet = n, true })
}

// WithCPUAffinity ties workers to CPUs: slot i to set i modulo the number of sets. By default the system decides. It
// works on Linux; elsewhere New fails.
func WithCPUAffinity(cpus ...[]int) Option {
	return option("WithCPUAffinity", func(c *config) { c.cpus = cpus })
}

// WithSpare keeps n processes ready beside the workers: started, greeted, initialised, and without a slot. A slot whose worker has died, is to be renewed, or was ended
// for want of work takes one instead of waiting for a start, and the spare is replaced; so do the slots that Resize adds. It hides what a start costs, initializer
// included, for n processes more. The default is 0.
//
// New does not wait for spares, and one that cannot be started is logged, tried again with growing pauses, and harms no slot. In an initializer that runs in a
// spare, worker.Info gives the slot -1; every task after it sees the slot that took the spare. Processes that the initializer has started do not move to the CPUs of the slot
// (WithCPUAffinity). Spares are no workers: Broadcast does not reach them, and they are counted apart in Stats. With WithCommand the program must say that it
// can be a spare: see package wire.
func WithSpare(n int) Option { return option("WithSpare", func(c *config) { c.spare = n }) }

// WithWorkerProcs sets GOMAXPROCS of the workers. The default is 2, so that a worker reacts while a task runs; give more
// to functions that use goroutines for speed.
func WithWorkerProcs(n int) Option { return option("WithWorkerProcs", func(c *config) { c.procs = n }) }

// WithMaxTasksPerWorker renews a worker after n tasks. It counts tasks, not batches. The replacement is started before the
// old worker leaves. By default workers stay.
func WithMaxTasksPerWorker(n int) Option {
	return option("WithMaxTasksPerWorker", func(c *config) { c.maxTasks = n })
}

// WithRecycleJitter spreads renewals: each worker's limits are lowered by a random fraction up to this one, so that not all are
// renewed together. The default is 0.1 where workers are renewed at all; 0 renews exactly at the limits.
func WithRecycleJitter(fraction float64) Option {
	return option("WithRecycleJitter", func(c *config) { c.jitter = fraction })
}

// WithMaxWorkerAge renews a worker that has been ready for d: at once if it is idle, after its task if it is busy. By default workers stay.
func WithMaxWorkerAge(d time.Duration) Option {
	return option("WithMaxWorkerAge", func(c *config) { c.maxAge = d })
}

// WithMaxWorkerMemory renews a worker after the task that left it with more private memory (RssAnon) than this, in bytes, whatever it has had
// before. It is a soft limit against leaks; see WithMemoryLimit for a hard one. By default workers stay. Linux only. It costs a look into /proc, some
// microseconds, after a Results frame.
func WithMaxWorkerMemory(bytes int64) Option {
	return option("WithMaxWorkerMemory", func(c *config) { c.maxMemory = bytes })
}

// WithMemoryLimit limits the private memory of a worker, in bytes, while a task runs. It is enforced by the kernel (RLIMIT_DATA, above what a fresh worker has mapped
// and does not use); Go's collector is told of 90 % of it, so that it tries first. An allocation in Go beyond it ends the process, and the task fails with an *ExitError of
// ReasonMemoryLimit; in C, malloc fails. Shared mappings that a task makes are looked at ten times a second. New refuses a limit that
// leaves less than 32 MiB above what a ready worker has, initializer included, with a *LowLimitError. The default is no limit. Linux only.
func WithMemoryLimit(bytes int64) Option {
	return option("WithMemoryLimit", func(c *config) { c.memoryLimit = bytes })
}

// WithHeartbeat sets how long a worker may leave a question of the pool unanswered, busy or not, before it is killed as ReasonUnresponsive: it is stopped or wedged, or
// sends or takes a frame so slowly that it might as well be. The default is 10 seconds, the least 1 second; 0 asks nothing. A task that computes, in Go or in C,
// does not keep its worker from answering. Time in which a debugger holds the worker, or this process was stopped, does not count.
func WithHeartbeat(d time.Duration) Option {
	return option("WithHeartbeat", func(c *config) { c.heartbeat = d })
}

// WithRestartLimit sets how many starts of a slot's workers may fail within a time, or one after another, before the slot is broken: starts that ended before the worker was ready, or after
// that without its having begun a task. A broken slot is tried again with growing pauses; while no slot is healthy every call gets ErrBroken. The default is
// 5 in 10 seconds. A death under a task does not count.
func WithRestartLimit(n int, per time.Duration) Option {
	return option("WithRestartLimit", func(c *config) { c.restartLimit, c.restartPer = n, per })
}

// WithIdleTimeout ends workers that had nothing to do for d, down to min of them. They are started again
// when there is work for them. By default idle workers stay.
func WithIdleTimeout(min int, d time.Duration) Option {
	return option("WithIdleTimeout", func(c *config) { c.idleMin, c.idleFor = min, d })
}

// WithStopGrace sets how long a worker that is asked to stop, and a task that is cancelled, has before it is killed. The
// default is 5 seconds.
func WithStopGrace(d time.Duration) Option {
	return option("WithStopGrace", func(c *config) { c.stopGrace = d })
}

// WithStartTimeout sets how long a worker may take from its start until it is ready, initializer included. No more workers than twice the processors
// start at the same time, initializers apart; the time counts from when it is a worker's turn. The default is 30 seconds.
func WithStartTimeout(d time.Duration) Option {
	return option("WithStartTimeout", func(c *config) { c.startTimeout = d })
}

// WithTaskTimeout sets the hard time limit of every task, counted from its start: a worker whose task takes longer writes down its goroutines, is killed with
// its process group and replaced, and the task fails with a *TimeoutError that is Hard. It works whatever the task does: endless loops in Go and C, blocked
// system calls, a stopped process. The tasks behind it run elsewhere. The default is no limit; Timeout sets that of one call.
func WithTaskTimeout(d time.Duration) Option {
	return option("WithTaskTimeout", func(c *config) { c.taskTimeout = d })
}

// WithSoftTimeout sets the soft time limit of every task, counted from its start: its context ends. A value that the function returns after that is a success,
// an error becomes a *TimeoutError. It never kills: a function that does not heed its context goes on, up to the hard limit if there is one. It must be below the hard limit. The default is no limit; SoftTimeout sets that of one call.
func WithSoftTimeout(d time.Duration) Option {
	return option("WithSoftTimeout", func(c *config) { c.softTimeout = d })
}

// WithRetries starts a task again, up to n times, when its process died or was killed at the hard time limit: at the head of the queue, in another process. The
// default is 0, since a task that was started may have had effects. Retries, RetryIf and RetryDelay say it for one call.
func WithRetries(n int) Option { return option("WithRetries", func(c *config) { c.retries = n }) }

// WithQueueSize bounds the tasks of Call and Go that wait for a worker. While the queue is full they wait for room, or fail
// with ErrQueueFull if they are NonBlocking. The default is unbounded.
func WithQueueSize(n int) Option { return option("WithQueueSize", func(c *config) { c.queueSize = n }) }

// WithMaxPayload bounds one encoded value, argument or result, in bytes; a larger one is an EncodeError that Is
// wire.ErrTooLarge. The default is 128 MiB, the most 4 GiB - 1.
func WithMaxPayload(bytes int) Option {
	return option("WithMaxPayload", func(c *config) { c.maxPayload = bytes })
}

// WithBlobThreshold makes byte slices of so many bytes and more, wherever they stand in arguments and results, travel as shared memory instead of through the
// pipe, by themselves: the function and its caller see ordinary []byte, which are theirs. That is one copy into shared memory and one out of it; it costs two
// descriptors for a moment, and a system call or two. Where there is no memory or no descriptor left they travel through the pipe as before. WithMaxPayload
// bounds each of them. WithInline and WithCommand ignore it. The least is 4096; the default is to use the pipe for everything, and that is no slower: a pipe, too, costs one copy in and
// one out, in memory that stays in the cache (16 MiB there and back took 0.8 of the time of shared memory on the machine this was written on; BenchmarkFresh measures it on
// yours). What it saves is room in the pipe: other frames do not wait behind a long value. For values that many tasks read see Share.
func WithBlobThreshold(bytes int) Option {
	return option("WithBlobThreshold", func(c *config) { c.blobThreshold = bytes })
}

// WithLogger sets where the pool logs, and where the records of worker.Logger go. Its level is sent to the workers. The
// default is hclog.L(). The life cycle is logged at Debug, deaths and restarts at Warn, a broken pool at Error.
func WithLogger(l hclog.Logger) Option { return option("WithLogger", func(c *config) { c.logger = l }) }

// WithStdout sets where the standard output of the workers goes, in whole lines; one of more than 64 KiB is split. The default is os.Stdout. Writes come from one
// goroutine at a time. A slow writer makes the tasks that print wait. One that is stuck, for a quarter of a second, or fails costs lines, whole ones, which are counted in
// Stats.LinesDropped; the first time the log says so. A task's result may come before what it has printed, and
// a program that ends meanwhile loses that: Close and Shutdown wait for it.
func WithStdout(w io.Writer) Option { return option("WithStdout", func(c *config) { c.stdout = w }) }

// WithStderr sets where the standard error of the workers goes, as WithStdout does. The default is os.Stderr.
func WithStderr(w io.Writer) Option { return option("WithStderr", func(c *config) { c.stderr = w }) }

// WithOnExit sets a function that is told of every worker process that ended, whatever the reason. It is called on one goroutine of the
// pool, in order; none is dropped. Shutdown and Close do not wait for it.
func WithOnExit(f func(WorkerExit)) Option {
	return option("WithOnExit", func(c *config) { c.onExit = f })
}

// WithOnReport sets a function that gets what tasks give to worker.Report. It is called on one goroutine of the pool, in order. While it does
// not keep up, the oldest waiting reports are dropped and counted in Stats.ReportsDropped. Shutdown and Close do not wait for it.
func WithOnReport(f func(worker.TaskInfo, worker.Raw)) Option {
	return option("WithOnReport", func(c *config) { c.onReport = f })
}

// WithInitializer runs fn with arg once in each worker process before its first task, within the start timeout. A failure is a failed
// start: New reports it as a *StartError of stage "init".
func WithInitializer[A, R any](fn worker.Func[A, R], arg A) Option {
	return option("WithInitializer", func(c *config) {
		h, err := newHook("WithInitializer", fn, arg)
		c.initializer = h
		if err != nil {
			c.complaint = append(c.complaint, err)
		}
	})
}

// WithFinalizer runs fn with arg in each worker process before it ends in good order, within the stop grace. Close runs no finalizers.
func WithFinalizer[A, R any](fn worker.Func[A, R], arg A) Option {
	return option("WithFinalizer", func(c *config) {
		h, err := newHook("WithFinalizer", fn, arg)
		c.finalizer = h
		if err != nil {
			c.complaint = append(c.complaint, err)
		}
	})
}
