package pool

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/procpool/procpool/wire"
)

// retry is what the options say about further attempts at the tasks of a call or job. It is nil where there are none.
type retry struct {
	most  int // attempts after the first
	delay time.Duration
	also  func(error) bool // RetryIf; nil where none is given

	soft            time.Duration // for errors: the soft limit and the types
	argType, result string
}

func (t *typed[A, R]) retry(cfg *callConfig) *retry {
	most := t.core.cfg.retries
	if cfg.retriesSet {
		most = cfg.retries
	}
	if most == 0 {
		return nil
	}
	return &retry{
		most: most, delay: cfg.retryDelay, also: cfg.retryIf,
		soft: t.soft, argType: t.args.TypeName(), result: t.results.TypeName(),
	}
}

// allows reports whether there may be another attempt after one that died or was killed.
func (r *retry) allows(attempt int) bool { return r != nil && attempt <= r.most }

// judges reports whether the user is asked about an answer.
func (r *retry) judges(attempt int, outcome wire.Outcome) bool {
	return outcome != wire.Value && r.allows(attempt) && r.also != nil
}

// judgesSome reports whether the user is asked about any of n answers.
func (r *retry) judgesSome(attempt int, items []byte, n int) bool {
	if r == nil || r.also == nil || !r.allows(attempt) {
		return false
	}
	failed, _ := wire.CheckResults(items, n) // the frame was checked
	return failed > 0
}

// again asks the user whether a task that failed is to be tried again. It asks on a goroutine of its own, which is all that a function that calls
// runtime.Goexit ends, as a test does that fails: the task is answered all the same.
func (r *retry) again(c *core, b *batch, index int, item wire.Result) bool {
	err := softLimit(r.soft, item.Outcome, wireFailure(item.Outcome, item.Value, r.argType, r.result))
	verdict := make(chan bool, 1)
	go func() {
		yes := false
		defer func() { verdict <- yes }()
		c.guard("RetryIf", func() { yes = r.also(b.taskError(index, err)) })
	}()
	return <-verdict
}

// retryLocked makes a call wait for another attempt. The call has no answer and is in no queue.
func (c *core) retryLocked(call *call) {
	call.batch, call.proc = nil, nil
	if call.attempt < math.MaxInt32-1 { // nobody counts further
		call.attempt++
	}
	c.stats.Retried++
	if call.retry.delay <= 0 {
		c.requeueLocked(call)
		return
	}
	c.delayed[call] = time.AfterFunc(call.retry.delay, func() {
		c.mu.Lock()
		defer c.unlock()
		if c.undelayLocked(call) {
			c.requeueLocked(call)
			c.pumpLocked()
		}
	})
}

// undelayLocked ends the waiting of a call for another attempt; false if it does not wait. The timer goes with it: the delay may be hours, and the
// timer holds all there is.
func (c *core) undelayLocked(call *call) bool {
	timer, waits := c.delayed[call]
	if waits {
		timer.Stop()
		delete(c.delayed, call)
	}
	return waits
}

// takeDelayedLocked returns the calls that wait for another attempt, which they do no longer.
func (c *core) takeDelayedLocked() []*call {
	calls := slices.Collect(maps.Keys(c.delayed))
	for _, call := range calls {
		c.undelayLocked(call)
	}
	return calls
}

// requeueLocked puts a call to the head of its queue.
func (c *core) requeueLocked(call *call) {
	q, s := &c.queue, (*slot)(nil)
	if call.keyed {
		s = c.homeLocked(call.key) // which may be another by now
		q = &s.keyed
	}
	l := q.lane(c, call.lane.at.priority)
	l.pushFirst(call)
	q.push(l, true)
	if s != nil {
		c.wakeLocked(s)
	}
}

// toJudge has judge look at a call that failed.
func (c *core) toJudge(call *call, b *batch, item wire.Result, a answer) {
	c.mu.Lock()
	c.judged[call] = struct{}{}
	c.mu.Unlock()
	go c.judge(call, b, item, a)
}

// judge asks the user about a call that failed, and answers it or tries it again. One goroutine of each such call; it ends when
// the user's function has returned.
func (c *core) judge(call *call, b *batch, item wire.Result, a answer) {
	yes := call.retry.again(c, b, -1, item)
	c.mu.Lock()
	delete(c.judged, call)
	if !yes || c.closed || c.dropping || c.broken != nil || call.dropped || call.answered() {
		c.mu.Unlock()
		call.complete(a)
		return
	}
	call.counted = false
	c.stats.Failed--
	c.demoteLocked(b.origin.slot)
	c.retryLocked(call)
	c.pumpLocked()
	c.unlock()
	a.offered.drop()
}

// demoteLocked makes an idle worker the last to be taken: another attempt is to be made by another process where one is free.
func (c *core) demoteLocked(id int) {
	for s := c.idle.top; s != nil; s = s.link.below {
		if s.id == id {
			c.idle.sink(s)
			return
		}
	}
}

// retryLocked makes one task of a job wait for another attempt; false where that is not to be.
func (j *job) retryLocked(b *batch, offset int) bool {
	c := j.core
	j.mu.Lock()
	wanted := j.retry.allows(b.head.Attempt) && !j.dead && j.failure == nil && !j.finished
	if wanted {
		j.delayed++
	}
	j.mu.Unlock()
	if !wanted {
		return false
	}
	c.stats.Retried++
	again := chunk{first: b.head.First + offset, n: 1, body: b.cut(offset, offset+1), lent: b.lent, attempt: b.head.Attempt, stamps: b.stampsOf(offset, offset+1), made: b.made, till: b.made}
	if j.retry.delay <= 0 {
		j.requeueLocked(again)
		return true
	}
	var timer *time.Timer
	timer = time.AfterFunc(j.retry.delay, func() {
		c.mu.Lock()
		defer c.unlock()
		delete(j.delays, timer)
		j.requeueLocked(again)
		c.pumpLocked()
	})
	if j.delays == nil {
		j.delays = map[*time.Timer]struct{}{}
	}
	j.delays[timer] = struct{}{}
	return true
}

// requeueLocked puts a chunk that was delayed to the head of the job.
func (j *job) requeueLocked(ch chunk) {
	j.mu.Lock()
	wanted := !j.dead && j.failure == nil // else it is not counted any more
	if wanted {
		j.delayed--
		j.chunks = append([]chunk{ch}, j.chunks...)
		j.waiting++
	}
	j.mu.Unlock()
	if !wanted {
		return
	}
	q := &j.core.queue
	if j.keyed {
		j.home = j.core.homeLocked(j.key) // which may be another by now
		q = &j.home.keyed
	}
	if j.at.queue != q {
		j.at.queue.remove(j)
	}
	q.push(j, true)
	if j.home != nil {
		j.core.wakeLocked(j.home)
	}
}

// judge asks the user about the tasks of a frame that failed: those that are to be tried again are, the rest is answered. One goroutine of each
// such frame; it ends when the user's function has returned.
func (j *job) judge(b *batch, first span) {
	items := first.items
	done := span{first: first.first, worker: first.worker, argBytes: first.argBytes, batch: b, offers: first.offers, trip: first.trip}
	start := items
	pass := func(end []byte) { // what is answered so far goes on its way
		if done.n > 0 {
			done.items = start[:len(start)-len(end)]
			j.add(done)
		}
		start = end
	}
	for i := range first.n {
		item, rest, ok := wire.CutResult(items)
		if !ok {
			break // the frame was checked
		}
		index := first.first + i
		if j.retry.judges(b.head.Attempt, item.Outcome) && j.retry.again(j.core, b, index, item) && j.tryAgain(b, index-b.head.First) {
			pass(items)
			j.bytes.Add(int64(len(b.cut(index-b.head.First, index-b.head.First+1)) + len(b.lent) - (len(items) - len(rest))))
			j.bytes.Add(-first.offers[index].size())
			first.offers[index].drop()
			start = rest
			done.first, done.n = index+1, 0
		} else {
			done.n++
		}
		items = rest
	}
	pass(items)
}

// tryAgain makes another attempt at a task that was counted as failed.
func (j *job) tryAgain(b *batch, offset int) bool {
	c := j.core
	c.mu.Lock()
	defer c.unlock()
	c.demoteLocked(b.origin.slot)
	if !j.retryLocked(b, offset) {
		return false
	}
	c.stats.Failed--
	j.counted--
	c.pumpLocked()
	return true
}
