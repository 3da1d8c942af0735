package pool

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/procpool/procpool/wire"
)

// trail is one call or job that the tracer was told of. It is nil where there is no tracer, or nothing comes of it.
//
// What happens is written down under core.mu, batch by batch, and told later by the goroutine that the trace belongs to: the caller's, the
// consumer's, or the one that runs the callbacks of a Future. So the tracer, which is the user's, never holds up a worker.
type trail struct {
	core    *core
	fn      string
	carrier wire.Carrier
	to      Trace // nil where only the carrier is of use
	future  bool  // it ends by itself: Shutdown waits for that

	waiting atomic.Int32 // how many done there are

	// Under core.mu.
	held bool // Shutdown does wait
	over bool
	open []*leg // of batches that workers have
	done []*leg // that are to be told
}

// manyLegs is how many batches may wait to be told before a consumer that rests is woken for it.
const manyLegs = 256

// trace tells the tracer, if there is one, that a job begins.
func (c *core) trace(ctx context.Context, api, fn string, tasks int) *trail {
	if c.cfg.tracer == nil {
		return nil
	}
	return c.beginTrace(ctx, JobInfo{API: api, Pool: c.cfg.name, Func: fn, Tasks: tasks})
}

func (c *core) beginTrace(ctx context.Context, job JobInfo) *trail {
	t := &trail{core: c, fn: job.Func, future: job.API == "Go"}
	var pairs map[string]string
	c.guard("WithTracer", func() { t.to, pairs = c.cfg.tracer.Begin(ctx, job) })
	var err error
	if t.carrier, err = wire.NewCarrier(pairs); err != nil {
		c.carrierLost.Do(func() { c.log.Warn("what the tracer wants to travel does not; this is logged once", "error", err) })
	}
	if t.to == nil && t.carrier == "" {
		return nil
	}
	return t
}

// told reports whether the tracer is to be told of batches and of the end.
func (t *trail) told() bool { return t != nil && t.to != nil }

// holdLocked returns by how much a call that is admitted adds to what Shutdown waits for, beyond itself.
func (t *trail) holdLocked() int64 {
	if t == nil || !t.future || t.to == nil {
		return 0
	}
	t.held = true
	return 1
}

// travelsWith reports whether calls can share a frame as far as tracing goes: they are of one trace, or nobody looks at them and the same travels.
func (t *trail) travelsWith(other *trail) bool {
	if t == other {
		return true
	}
	return t != nil && other != nil && t.to == nil && other.to == nil && t.carrier == other.carrier
}

// follow makes a batch part of the trace.
func (t *trail) follow(b *batch) {
	if t == nil {
		return
	}
	b.head.Carrier = t.carrier
	if t.to != nil {
		b.leg = &leg{of: t, batch: b}
	}
}

// waits reports whether there is something to be told.
func (t *trail) waits() bool { return t != nil && t.waiting.Load() > 0 }

// hasMany reports whether so much is to be told that it should not wait.
func (t *trail) hasMany() bool { return t != nil && t.waiting.Load() >= manyLegs }

// tell tells the tracer of the batches that are done. Only the goroutine that the trace belongs to calls it. failure reads what a worker has
// answered in the place of a result.
func (t *trail) tell(failure func(wire.Outcome, []byte) error) {
	t.core.mu.Lock()
	done := t.takeDoneLocked()
	t.core.mu.Unlock()
	t.tellAll(done, failure)
}

func (t *trail) takeDoneLocked() []*leg {
	done := t.done
	t.done = nil
	t.waiting.Store(0)
	return done
}

func (t *trail) tellAll(done []*leg, failure func(wire.Outcome, []byte) error) {
	for _, l := range done {
		l.read(failure)
		t.core.guard("WithTracer", func() { t.to.Batch(l.info) })
	}
}

// end tells the tracer that the job has ended. What workers still have of it is told as failed, by cause.
func (t *trail) end(end JobEnd, cause error, failure func(wire.Outcome, []byte) error) {
	if !t.told() {
		return
	}
	if _, failedFast := cause.(*TaskError); failedFast || cause == nil {
		cause = context.Canceled
	}
	c := t.core
	c.mu.Lock()
	for len(t.open) > 0 {
		t.open[0].cutLocked(cause)
	}
	t.over = true
	done := t.takeDoneLocked()
	held := t.held
	c.mu.Unlock()
	if held {
		defer c.settle(1)
	}
	t.tellAll(done, failure)
	c.guard("WithTracer", func() { t.to.End(end) })
}

// leg is what is known of a batch of such a job. It is nil for others. Under core.mu until it is done.
type leg struct {
	of    *trail
	batch *batch
	proc  *proc // that has it
	at    int   // its place in open

	info BatchInfo

	// The first answer that was a failure, where none was lost before.
	outcome wire.Outcome
	value   []byte
	index   int
}

// maxFailure is the longest failure that is kept for the tracer.
const maxFailure = 64 << 10

// beginLocked notes that a worker is sent the batch.
func (l *leg) beginLocked(p *proc) {
	if l == nil || l.of.over {
		return
	}
	b, t := l.batch, l.of
	l.proc, l.at = p, len(t.open)
	l.info = BatchInfo{First: b.head.First, Slot: b.origin.slot, PID: b.origin.pid, Attempt: b.origin.attempt, Began: b.sent}
	t.open = append(t.open, l)
}

// acceptLocked notes n answers, of which failed are failures.
func (l *leg) acceptLocked(head *wire.ResultsHead, items []byte, n, failed int) {
	if l == nil {
		return
	}
	if failed > 0 && l.info.Failed == 0 {
		l.keepFailure(items)
	}
	l.info.Tasks += n
	l.info.Failed += failed
	l.info.Exec += head.Exec
	l.info.CPU += head.CPU
	l.info.ResultBytes += len(items)
	l.info.Ended = time.Now()
}

// keepFailure keeps the first failure of some answers.
func (l *leg) keepFailure(items []byte) {
	for i := l.info.Tasks; ; i++ {
		r, rest, ok := wire.CutResult(items)
		if !ok {
			return // the frame was checked
		}
		if r.Outcome != wire.Value {
			l.outcome, l.index = r.Outcome, l.batch.head.Index(i)
			l.value = append([]byte{}, r.Value[:min(len(r.Value), maxFailure+1)]...)
			return
		}
		items = rest
	}
}

// loseLocked notes that a task died with its process.
func (l *leg) loseLocked(offset int, err error) {
	if l == nil {
		return
	}
	if l.info.Failed == 0 {
		l.info.Err = l.batch.taskError(l.batch.head.Index(offset), err)
	}
	l.info.Tasks++
	l.info.Failed++
	l.info.Ended = time.Now()
}

// cutLocked ends the leg of a batch that a worker still has.
func (l *leg) cutLocked(cause error) {
	if n := l.proc.startedLocked(l.batch) - l.batch.got; n > 0 {
		if l.info.Failed == 0 {
			l.info.Err = cause
		}
		l.info.Tasks += n
		l.info.Failed += n
		l.info.Ended = time.Now()
	}
	l.endLocked()
}

// endLocked notes that no more will be heard of the batch.
func (l *leg) endLocked() {
	if l == nil || l.proc == nil || l.of.over {
		return
	}
	b, t := l.batch, l.of
	last := t.open[len(t.open)-1]
	t.open[l.at], last.at = last, l.at
	t.open[len(t.open)-1] = nil
	t.open = t.open[:len(t.open)-1]
	l.batch, l.proc = nil, nil // it may be long until it is told
	b.leg = nil
	if l.info.Tasks == 0 {
		return // all of it went elsewhere
	}
	l.info.ArgBytes = len(b.body) + len(b.lent)
	if l.info.Tasks < b.n {
		l.info.ArgBytes = max(0, wire.SkipItems(b.body, l.info.Tasks))
	}
	t.done = append(t.done, l)
	t.waiting.Add(1)
}

// read turns the failure that was kept into an error.
func (l *leg) read(failure func(wire.Outcome, []byte) error) {
	if l.info.Err != nil || l.value == nil {
		return
	}
	err := fmt.Errorf("procpool: a failure of more than %d bytes", maxFailure)
	if len(l.value) <= maxFailure {
		err = failure(l.outcome, l.value)
	}
	l.info.Err = &TaskError{Func: l.of.fn, Index: l.index, Slot: l.info.Slot, PID: l.info.PID, Attempt: l.info.Attempt, Err: err}
}
