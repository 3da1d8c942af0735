package pool

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/procpool/procpool/wire"
)

// job is one Map or Stream: tasks of one function, fed by one goroutine and consumed by one. It knows nothing of types and of
// order: it takes encoded items with their indexes and gives back spans of result items.
type job struct {
	core  *core
	pool  *Pool // as in call
	at    place
	fn    string
	timed bool
	limits
	retry *retry
	lazy  bool // a Stream: Shutdown ends its input
	chunk int  // tasks in a batch; 0 lets the pool decide
	total int  // tasks that there will be, where that is known; 0 elsewhere
	calm  bool // nobody sees the results before the job has ended: the consumer need not be woken for each frame
	ctx   context.Context
	home  *slot // where it runs, if it has a key; under core.mu
	key   string
	keyed bool

	positional bool // results may hold structs as arrays; set before the first task

	// counted is how many tasks the pool's Stats know the end of; under core.mu.
	counted int

	began      time.Time    // when newJob made it
	encodeTime atomic.Int64 // nanoseconds that an argument took to encode lately; only where somebody observes the pool

	// delays are the timers of tasks that wait for another attempt; under core.mu.
	delays map[*time.Timer]struct{}

	// bytes of encoded values that are in the pool or wait for the consumer.
	bytes atomic.Int64

	lends bool // of the feeder: the workers are sent memory of the caller

	// stop is closed when no more input is wanted.
	stop     chan struct{}
	stopOnce sync.Once

	// taken counts the inputs that a Stream's feeder has read: while it is more than fed, the feeder has one in hand.
	taken atomic.Int64

	wake chan struct{} // capacity 1: tells the consumer to look again

	// spares is memory of spans that are consumed, for those that will come.
	spares chan []byte

	bodySize int // of the feeder: how long its last chunk was

	// Of the consumer.
	ended    <-chan struct{} // the context's; nil once that is known
	inputErr error           // the input failed: reported when all that was submitted is answered

	// mu is taken under core.mu, never the other way round.
	mu       sync.Mutex
	chunks   []chunk // that no worker has; the first is next
	waiting  int     // tasks in chunks
	delayed  int     // tasks that wait for another attempt
	fed      int     // tasks submitted
	answered int
	gathered int              // bytes of spans
	complete bool             // nothing more will be fed
	spans    []span           // answered and not consumed
	failure  error            // why the job ended before its time
	carried  map[int]*carried // by index, of tasks that are not answered
	finished bool
	dead     bool // what comes is dropped
}

// chunk is consecutive task items that wait.
type chunk struct {
	first   int // index of the first
	n       int
	body    []byte
	lent    []byte  // the end of the only item, where that is the caller's memory
	attempt int     // attempts that were made before
	open    bool    // the feeder still appends to it
	stamps  []stamp // where times are wanted: of each task

	made, till moment // when the first task was submitted, and the last, about
}

// span is consecutive answered tasks: result items, or one error.
type span struct {
	first int
	n     int
	items []byte
	owned bool  // items is memory of its own, and of one item
	spare bool  // items is memory that nobody needs when the span is consumed
	err   error // then n is 1

	offers map[int]*offered // shared memory that came with items, by index; nil for none

	worker   origin
	argBytes int
	batch    *batch // nil where no worker had it
	trip     *trip  // nil where nobody asks
	sampled  bool   // the pool is told how it is taken
}

// pass returns when the first n tasks were submitted, about: in the middle of the time that they take of the chunk's. They are about to be taken off.
func (c *chunk) pass(n int) (made moment) {
	took := (c.till - c.made) * moment(n) / moment(c.n)
	made = c.made + took/2
	c.made += took
	return made
}

// The clock is read for the first tasks of a chunk or a lane, and then now and then: for each of a million tiny ones it would cost too much.
const (
	readFirst = 8
	readEach  = 8
)

const (
	chunkItems = 4096
	chunkBytes = 256 << 10 // one item may be longer; it has a chunk of its own

	// gatherBytes is how many bytes of results gather before the consumer of a calm job is woken.
	gatherBytes = 16 << 10

	// maxSpares is how many pieces of memory of which length at the most a job keeps for results.
	maxSpares     = 8
	maxSpareBytes = 64 << 10
)

func (c *core) newJob(ctx context.Context, pool *Pool, fn string, cfg *callConfig, lazy bool) (*job, error) {
	j := &job{
		core: c, pool: pool, fn: fn, lazy: lazy, chunk: cfg.chunk, ctx: ctx,
		limits: cfg.limits, retry: cfg.retry,
		key: cfg.key, keyed: cfg.keyed,
		stop:   make(chan struct{}),
		wake:   make(chan struct{}, 1),
		spares: make(chan []byte, maxSpares),
		ended:  ctx.Done(),
		began:  time.Now(),
	}
	j.at.priority = cfg.priority
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.admitLocked(); err != nil {
		return nil, err
	}
	c.jobs[j] = struct{}{}
	c.outstanding.Add(1)
	return j, nil
}

// feed appends one task item to the open chunk. Only the feeder calls it. An input that was read as the pool began to shut down still gets
// in while the job has anything to do.
func (j *job) feed(index int, item []byte, at stamp) {
	j.bytes.Add(int64(len(item)))
	j.mu.Lock()
	if j.dead || j.failure != nil || j.finished {
		j.mu.Unlock()
		return
	}
	j.appendLocked(index, item, at)
	j.fed++
	j.waiting++
	first := j.waiting == 1
	j.mu.Unlock()
	if first {
		j.activate()
	}
}

func (j *job) appendLocked(index int, item []byte, at stamp) {
	if n := len(j.chunks); n > 0 {
		c := &j.chunks[n-1]
		if c.open && c.first+c.n == index && c.n < chunkItems && len(c.body)+len(item) <= chunkBytes {
			c.body = append(c.body, item...)
			c.n++
			if c.n <= readFirst || c.n%readEach == 0 {
				c.till = now()
			}
			if j.timed {
				c.stamps = append(c.stamps, at)
			}
			return
		}
		c.open = false
	}
	made := now()
	c := chunk{first: index, n: 1, body: append(make([]byte, 0, max(len(item), 256)), item...), open: true, made: made, till: made}
	if j.timed {
		c.stamps = append(c.stamps, at)
	}
	j.chunks = append(j.chunks, c)
}

// body returns memory for a chunk, in which one like the last has room. Of the feeder.
func (j *job) body() []byte { return make([]byte, 0, max(j.bodySize+j.bodySize/16, 4096)) }

// submit hands over a whole chunk; the job owns body from now on, and reads lent until it is reclaimed. Only the feeder calls it.
func (j *job) submit(first, n int, body, lent []byte) {
	j.bytes.Add(int64(len(body) + len(lent)))
	j.lends = j.lends || lent != nil
	j.bodySize = min(len(body), chunkBytes)
	made := now()
	j.mu.Lock()
	if j.dead || j.failure != nil {
		j.mu.Unlock()
		return
	}
	j.chunks = append(j.chunks, chunk{first: first, n: n, body: body, lent: lent, made: made, till: made})
	j.fed += n
	j.waiting += n
	empty := j.waiting == n
	j.mu.Unlock()
	if empty {
		j.activate()
	}
}

// activate gives the job a place among those that take turns.
func (j *job) activate() {
	c := j.core
	c.mu.Lock()
	defer c.unlock()
	if j.keyed {
		j.home = c.homeLocked(j.key)
	}
	if j.home != nil {
		j.home.keyed.push(j, false)
		c.wakeLocked(j.home)
		return
	}
	c.queue.push(j, false)
	c.pumpLocked()
}

// refuse answers a task that never gets to a worker.
func (j *job) refuse(index int, err error) {
	j.core.mu.Lock()
	j.mu.Lock()
	over := j.finished
	if !over {
		j.fed++
		j.counted++
		j.core.stats.Failed++
		j.core.figures.refusedLocked(err)
	}
	j.mu.Unlock()
	j.core.mu.Unlock()
	if over {
		return
	}
	j.add(span{first: index, n: 1, err: err, worker: nowhere})
}

// closeInput says that nothing more will be fed.
func (j *job) closeInput() {
	j.mu.Lock()
	j.complete = true
	finished := j.finishLocked()
	j.mu.Unlock()
	j.told(finished)
}

// endInput ends the input for a pool that shuts down: what is submitted, or about to be, runs to the end. The feeder may be waiting for its
// input, which nobody can end, so nobody waits for it then; one that has an input in hand feeds it, sees the stop and closes.
func (j *job) endInput() {
	j.stopInput()
	j.mu.Lock()
	inHand := j.taken.Load() > int64(j.fed)
	j.mu.Unlock()
	if !inHand {
		j.closeInput()
	}
}

// stopInput asks the feeder to stop.
func (j *job) stopInput() { j.stopOnce.Do(func() { close(j.stop) }) }

// inputStopped reports whether the feeder was asked to stop.
func (j *job) inputStopped() bool {
	select {
	case <-j.stop:
		return true
	default:
		return false
	}
}

// fail ends the job with a cause: what was answered before can still be consumed.
func (j *job) fail(cause error) {
	j.mu.Lock()
	if j.failure == nil && !j.finished {
		j.failure = cause
	}
	j.chunks, j.waiting, j.delayed = nil, 0, 0
	finished := !j.finished
	j.finished = true
	j.mu.Unlock()
	j.stopInput()
	j.told(finished)
}

// finishLocked reports whether the job finishes now.
func (j *job) finishLocked() bool {
	if j.finished || !j.complete || j.answered < j.fed {
		return false
	}
	j.finished = true
	return true
}

// told wakes the consumer and, the first time, counts the job as finished.
func (j *job) told(finished bool) {
	select {
	case j.wake <- struct{}{}:
	default:
	}
	if finished {
		j.releaseAll()
		j.core.mu.Lock()
		delete(j.core.jobs, j)
		j.pool = nil
		j.core.stats.Submitted += j.fed // nothing is fed any more
		j.core.mu.Unlock()
		j.core.settle(1)
	}
}

func (j *job) add(s span) {
	j.mu.Lock()
	j.answered += s.n
	dropped := j.dead
	if !dropped {
		j.spans = append(j.spans, s)
		j.gathered += len(s.items)
	}
	over := j.overLocked(s.first, s.n)
	finished := j.finishLocked()
	rests := !finished && j.restsLocked()
	j.mu.Unlock()
	if dropped {
		s.drop()
	}
	j.release(over)
	if !rests {
		j.told(finished)
	}
}

// restsLocked reports whether the consumer, who feeds the job as well, has nothing to do that is worth being woken for.
func (j *job) restsLocked() bool {
	return j.calm && j.gathered < gatherBytes && (j.complete || j.fed-j.answered > mapAhead/2)
}

// collect returns what was answered since the last call, waiting for it if wait is set. over says that nothing
// more will come; err says why if that is before the job's time.
func (j *job) collect(wait bool, into []span) (spans []span, over bool, err error) {
	for {
		j.mu.Lock()
		spans, j.spans = j.spans, into[:0]
		j.gathered = 0
		over, err = j.finished, j.failure
		j.mu.Unlock()
		if over && err == nil {
			err = j.inputErr
		}
		if len(spans) > 0 || over || !wait {
			return spans, over, err
		}
		into = spans
		select {
		case <-j.wake:
		case <-j.ended:
			j.contextEnded()
		}
	}
}

// contextEnded ends the job because its context has, or, where its input failed (Checked), lets what was submitted run to the end.
func (j *job) contextEnded() {
	cause := causeOf(j.ctx)
	if _, ok := errors.AsType[*inputError](context.Cause(j.ctx)); ok {
		j.inputErr, j.ended = cause, nil
		j.stopInput()
		return
	}
	j.ended = nil
	time.Sleep(heldBack)
	j.core.withdraw(j, cause)
}

// cutShort returns why the input ended early although the consumer has not seen the context end: it may
// look at both at the same moment.
func (j *job) cutShort() error {
	if j.ctx.Err() == nil {
		return nil
	}
	var input *inputError
	if j.inputStopped() || errors.As(context.Cause(j.ctx), &input) {
		return causeOf(j.ctx)
	}
	return nil
}

// heldBack is how long a finished result may be on its way: workers keep small ones for up to a millisecond. What was done when a context ended is still
// delivered.
const heldBack = 2 * time.Millisecond

// withdraw ends a job at once: what has not started never will, what runs is asked to end and killed after the stop grace.
// What was answered before can be consumed.
func (c *core) withdraw(j *job, cause error) {
	c.mu.Lock()
	c.stats.Cancelled += j.giveUpLocked()
	if q := j.at.queue; q != nil {
		q.remove(j)
	}
	for p := range c.live {
		p.withdrawLocked(j)
	}
	c.unlock()
	j.fail(cause)
}

// dropQueued ends a job with cause when what workers have of it is answered; what no worker has is dropped.
func (c *core) dropQueued(j *job, cause error) {
	c.mu.Lock()
	j.stopDelaysLocked()
	j.mu.Lock()
	dropped := j.waiting + j.delayed
	j.chunks, j.waiting, j.delayed = nil, 0, 0
	j.counted += dropped
	j.answered += dropped
	j.complete = true
	if j.failure == nil && !j.finished {
		j.failure = cause
	}
	finished := j.finishLocked()
	j.mu.Unlock()
	c.stats.Cancelled += dropped
	if q := j.at.queue; q != nil {
		q.remove(j)
	}
	c.unlock()
	j.stopInput()
	j.told(finished)
}

// giveUpLocked makes the pool forget what the job still has, and returns how many tasks that are. Under core.mu.
func (j *job) giveUpLocked() (dropped int) {
	j.stopDelaysLocked()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.finished {
		return 0
	}
	dropped = j.fed - j.counted
	j.counted = j.fed
	j.chunks, j.waiting, j.delayed = nil, 0, 0
	j.dead = true
	return dropped
}

// stopDelaysLocked forgets the tasks that wait for another attempt. Under core.mu.
func (j *job) stopDelaysLocked() {
	for timer := range j.delays {
		timer.Stop()
	}
	j.delays = nil
}

// reclaim returns when nobody reads the caller's memory any more. The consumer calls it when it has ended.
func (j *job) reclaim() {
	if j.lends {
		j.core.reclaim(j)
	}
}

// reclaim returns when no outbox reads what lender has lent any more. More than one may: what was taken back from a worker before it was written is
// written nevertheless.
func (c *core) reclaim(lender any) {
	c.mu.Lock()
	procs := slices.Collect(maps.Keys(c.live))
	c.mu.Unlock()
	for _, p := range procs {
		p.out.reclaim(lender)
	}
}

func (j *job) place() *place { return &j.at }

func (j *job) waits() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.waiting
}

func (j *job) take(limit limiter) *batch {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.waiting == 0 {
		return nil
	}
	most := limit.most(j.fn, max(j.waiting, j.waiting+j.total-j.fed), j.chunk)
	first := &j.chunks[0]
	b := &batch{from: j, n: min(most, first.n), lent: first.lent, lender: j}
	b.head = wire.TasksHead{Func: j.fn, First: first.first, Attempt: first.attempt + 1, Soft: j.soft, Hard: j.hard}
	if j.timed {
		b.head.Flags |= wire.WantTiming
	}
	if j.positional {
		b.head.Flags |= wire.Positional
	}
	b.due, _ = j.ctx.Deadline()
	if j.timed {
		b.travel = &travel{stamps: first.stamps[:b.n:b.n]}
		first.stamps = first.stamps[b.n:]
	}
	size := len(first.body)
	if b.n < first.n {
		size = wire.SkipItems(first.body, b.n)
	}
	b.body = first.body[:size:size]
	first.body = first.body[size:]
	b.made = first.pass(b.n)
	first.first += b.n
	first.n -= b.n
	if first.n == 0 {
		j.chunks = j.chunks[1:]
	}
	j.waiting -= b.n
	return b
}

func (j *job) putBack(b *batch, from int) {
	n := b.limit - from
	dropped, finished := 0, false
	j.mu.Lock()
	switch {
	case n <= 0 || j.dead || j.finished: // it is accounted for
	case j.failure != nil: // dropQueued: no worker has it any more
		dropped = n
		j.answered += n
		finished = j.finishLocked()
	default:
		back := chunk{first: b.head.First + from, n: n, body: b.cut(from, b.limit), lent: b.lent, attempt: b.head.Attempt - 1, stamps: b.stampsOf(from, b.limit), made: b.made, till: b.made}
		j.chunks = append([]chunk{back}, j.chunks...)
		j.waiting += n
	}
	waiting := j.waiting
	j.mu.Unlock()
	j.counted += dropped
	j.core.stats.Cancelled += dropped
	if finished {
		j.core.notes = append(j.core.notes, func() { j.told(true) }) // which takes core.mu
	}
	if waiting > 0 {
		j.at.queue.push(j, true)
	}
}

func (j *job) deliver(b *batch, from, n int, items []byte, owned bool) {
	if !owned {
		items = append(j.spareFor(len(items)), items...)
	}
	args := b.pass(n)
	s := span{
		first: b.head.First + from, n: n, items: items, offers: b.takeOffers(from, n, b.head.First),
		worker: b.origin, argBytes: itemBytes(args / n), batch: b, trip: b.tripNow(),
		owned: owned && b.n == 1, sampled: b.sampled,
	}
	j.bytes.Add(s.size() - int64(args))
	if j.retry.judgesSome(b.head.Attempt, items, n) {
		go j.judge(b, s)
		return
	}
	s.spare = !owned
	j.add(s)
}

// spareFor returns empty memory for so many bytes.
func (j *job) spareFor(n int) []byte {
	select {
	case b := <-j.spares:
		if cap(b) >= n {
			return b[:0]
		}
	default:
	}
	return make([]byte, 0, n)
}

// consumed takes back the memory of a span whose results are decoded.
func (j *job) consumed(s *span) {
	if !s.spare || cap(s.items) > maxSpareBytes {
		return
	}
	select {
	case j.spares <- s.items:
	default: // enough
	}
}

func (j *job) lose(b *batch, offset int, err error) {
	index := b.head.First + offset
	j.bytes.Add(-int64(b.pass(1)))
	j.add(span{first: index, n: 1, err: b.taskError(index, err), worker: b.origin, batch: b, trip: b.tripOut()})
}

func (j *job) unwanted(_ *batch, _, n int) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.dead {
		return n
	}
	return 0
}
