package serve

import (
	"time"

	"github.com/procpool/procpool/internal/shm"
)

// monotonic is the time by the clock that parent and worker have in common.
func monotonic() time.Duration { return time.Duration(shm.Clock()) }

// stopwatch measures tasks one after another. The end of one is the beginning of the next, so that
// a task costs one reading of the clock, or less where tasks are tiny.
type stopwatch struct {
	perTask bool // exact times of each task are wanted

	last    time.Duration // when the clock was last read
	lastCPU time.Duration // the process's CPU time then; only with perTask
	mean    time.Duration // of the tasks measured last
	unread  int           // tasks since
}

func (w *stopwatch) start() {
	w.last = monotonic()
	w.mean = watchEach // measure the first one by itself
	if w.perTask {
		w.lastCPU = cpuTime()
	}
}

// lap returns what passed since the last reading of the clock, 0 where the clock is not read now:
// then the time is part of a later lap. It is always read after the last task of a batch.
func (w *stopwatch) lap(last bool) (exec, cpu time.Duration) {
	w.unread++
	if !last && !w.perTask && w.mean < watchEach && w.unread < watchEvery {
		return 0, 0
	}
	now := monotonic()
	exec = now - w.last
	w.mean = exec / time.Duration(w.unread)
	w.last, w.unread = now, 0
	if w.perTask {
		now := cpuTime()
		cpu, w.lastCPU = now-w.lastCPU, now
	}
	return exec, cpu
}
