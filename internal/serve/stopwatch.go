package serve

import (
	"time"

	"github.com/procpool/procpool/internal/shm"
)

// monotonic is the time by the clock that parent and worker have in common.
func monotonic() time.Duration { return time.Duration(shm.Clock()) }

// lapse is what one or more tasks took.
type lapse struct{ exec, cpu time.Duration }

// stopwatch measures tasks one after another. The end of one is the beginning of the next, so that
// a task costs one reading of the clock, or less where tasks are tiny.
type stopwatch struct {
	perTask bool // exact times of each task are wanted

	last     time.Duration // when the clock was last read
	lastCPU  time.Duration // the process's CPU time then; only with perTask
	mean     time.Duration // of a task, between the last two readings
	unread   int           // tasks since
	patience int           // after how many tasks the clock is to be read
}

func (w *stopwatch) start() {
	w.last = monotonic()
	w.patience = 1 // measure the first one by itself
	if w.perTask {
		w.lastCPU = cpuTime()
	}
}

// lap returns what passed since the last reading of the clock. It is called after as many tasks as patience says, and after the last task of a batch.
func (w *stopwatch) lap() (took lapse) {
	now := monotonic()
	took.exec = now - w.last
	w.mean = took.exec / time.Duration(max(w.unread, 1))
	w.patience = 1
	if w.mean < watchEach && !w.perTask {
		w.patience = watchEvery
	}
	w.last, w.unread = now, 0
	if w.perTask {
		now := cpuTime()
		took.cpu, w.lastCPU = now-w.lastCPU, now
	}
	return took
}
