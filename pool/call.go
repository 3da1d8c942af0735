package pool

import (
	"context"
	"time"

	"github.com/procpool/procpool/wire"
)

// answer is what became of one task. err is set where no worker answered; then nothing else need be.
type answer struct {
	outcome wire.Outcome
	value   []byte
	owned   bool // value is memory of its own
	err     error
	offered *offered // shared memory that came with value; nil for none

	worker origin
	times  *times // nil where the call is not timed
}

// origin says where a task ran.
type origin struct {
	slot, pid, attempt int
}

var nowhere = origin{slot: -1}

// smallItem is the size up to which an encoded argument, and later the result, lives in the call itself.
const smallItem = 24

// call is the parent's record of one task of Call, Go or Broadcast. It is as small as it can be: there may be a million of them.
type call struct {
	promise
	*terms
	core *core
	pool *Pool // keeps a Pool that nobody else holds from being collected while the call is pending; then nil

	fn         string
	item       []byte     // the task item
	lent       []byte     // the end of it, where that is the caller's memory
	due        *time.Time // nil for never
	timing     *Timing    // what Timed wants filled in; nil where nobody wants it
	direct     *proc      // the worker that got it at once, and whose page its caller watches for the answer, if he listens
	listens    bool       // its caller, who submits it now, can take the answer himself
	bound      bool       // the end of a context ends it: see watcher
	positional bool       // its result may hold structs as arrays

	// Under core.mu.
	queued  bool
	dropped bool // cancelled: nobody waits for what the worker says
	counted bool // the pool's Stats know what the worker said

	trail   *trail   // of a tracer; nil for nothing
	carried *carried // needed until the promise is answered; of the one who answers; nil for nothing

	result answer // written once before the promise is answered

	// Under core.mu.
	lane    *lane
	next    *call // in its lane
	attempt int32 // attempts that were made before
	offset  int32 // in batch
	batch   *batch
	proc    *proc // where it is in flight
	stamp   stamp // where timing is wanted; made as well where the call has to wait

	watched links // of watchers

	small [smallItem]byte
}

// terms is what the options say of a call, and what is special about it. Calls of which neither is true share those of their pool.
type terms struct {
	limits limits
	retry  *retry
	key    string
	keyed  bool
	pinned *slot  // Broadcast: it runs there or nowhere
	halt   func() // GoMap: what Cancel does instead of cancelling a call
}

// complete answers the call, unless it is answered.
func (c *call) complete(a answer) {
	if c.lent != nil || c.bound || c.carried != nil {
		if c.decide(a) {
			c.tell()
		} else {
			a.offered.drop()
		}
		return
	}
	if c.fulfil(func() { c.result, c.pool = a, nil }) {
		c.core.settle(1)
	} else {
		a.offered.drop()
	}
}

// decide sets the answer, unless there is one. The one who did calls tell, without core.mu.
func (c *call) decide(a answer) bool {
	return c.claim(func() { c.result, c.pool = a, nil })
}

// tell tells everybody that the call is answered.
func (c *call) tell() {
	if c.bound {
		c.core.watchers.leave(c)
	}
	if c.lent != nil {
		c.core.reclaim(c)
	}
	c.carried.release()
	c.announce()
	c.core.settle(1)
}

// keep makes the result value independent of the frame that it came in. again says that there may be another attempt, which needs the argument.
func (c *call) keep(value []byte, owned, again bool) []byte {
	switch {
	case owned:
		return value
	case len(value) <= smallItem && !again:
		return c.small[:copy(c.small[:], value)]
	}
	return append([]byte(nil), value...)
}

// lane is the queue of the calls of one priority, in the order of their submission.
type lane struct {
	core *core
	at   place

	first, last *call
	n           int // not answered
	unread      int // calls since the clock was read for one
	made        moment
}

// maxLaneBytes bounds the arguments that are put together in one frame.
const maxLaneBytes = 256 << 10

func (l *lane) place() *place { return &l.at }
func (l *lane) waits() int    { return l.n }

func (l *lane) push(c *call) {
	c.lane, c.queued, c.next = l, true, nil
	if l.last == nil {
		l.first = c
	} else {
		l.last.next = c
	}
	l.last = c
	l.n++
	l.core.waiting++
}

// stamp notes when a call that has to wait was submitted: exactly for a short queue, about for a long one.
func (l *lane) stamp(c *call) {
	if l.unread++; unread(l.unread, l.n) {
		l.unread, l.made = 0, now()
	}
	c.stamp.made = l.made
}

func (l *lane) pushFirst(c *call) {
	c.lane, c.queued, c.next = l, true, l.first
	l.first = c
	if l.last == nil {
		l.last = c
	}
	l.n++
	l.core.waiting++
}

// pop takes the first call. Calls that were cancelled while they waited have left the count already.
func (l *lane) pop() *call {
	c := l.first
	l.first = c.next
	if l.first == nil {
		l.last = nil
	}
	c.next = nil
	return c
}

// peek returns the first call that is still wanted.
func (l *lane) peek() *call {
	for l.first != nil && !l.first.queued {
		l.pop()
	}
	return l.first
}

func (l *lane) shift() *call {
	c := l.pop()
	c.queued = false
	l.n--
	l.core.waiting--
	return c
}

// cancelled takes a call out of the queue without looking for it: peek will pass over it.
func (l *lane) cancelled(c *call) {
	c.queued = false
	l.n--
	l.core.waiting--
	if l.n == 0 {
		l.at.queue.remove(l)
	}
}

func (l *lane) empty() (calls []*call) {
	for l.peek() != nil {
		calls = append(calls, l.shift())
	}
	return calls
}

func (l *lane) take(limit limiter) *batch {
	head := l.peek()
	if head == nil {
		return nil
	}
	most := limit.most(head.fn, l.n, 0)
	b := &batch{from: l}
	if head.due != nil {
		b.due = *head.due
	}
	b.calls = b.one[:0]
	b.head = wire.TasksHead{Func: head.fn, First: -1, Attempt: int(head.attempt) + 1, Soft: head.limits.soft, Hard: head.limits.hard}
	if head.timing != nil {
		b.head.Flags |= wire.WantTiming
		b.travel = &travel{}
	}
	if head.positional {
		b.head.Flags |= wire.Positional
	}
	head.trail.follow(b)
	size := 0
	for c := head; c != nil && len(b.calls) < most && alike(head, c); c = l.peek() {
		if size += len(c.item); len(b.calls) > 0 && (size > maxLaneBytes || c.lent != nil) {
			break
		}
		b.calls = append(b.calls, l.shift())
		if c.lent != nil {
			b.lent, b.lender = c.lent, c
			break
		}
	}
	b.n = len(b.calls)
	b.made = between(b.calls[0].stamp.made, b.calls[b.n-1].stamp.made)
	b.body = joinItems(b.calls, size)
	l.core.wakeWaitersLocked()
	return b
}

// alike reports whether two calls can travel together.
func alike(a, b *call) bool {
	return a.fn == b.fn && (a.due == b.due || a.due != nil && b.due != nil && a.due.Equal(*b.due)) && (a.timing != nil) == (b.timing != nil) && a.positional == b.positional &&
		a.limits == b.limits && a.attempt == b.attempt && a.trail.travelsWith(b.trail)
}

func joinItems(calls []*call, size int) []byte {
	if len(calls) == 1 {
		return calls[0].item
	}
	body := make([]byte, 0, size)
	for _, c := range calls {
		body = append(body, c.item...)
	}
	return body
}

func (l *lane) putBack(b *batch, from int) {
	for i := b.limit - 1; i >= from; i-- {
		c := b.calls[i]
		c.batch, c.proc = nil, nil
		switch {
		case c.dropped:
		case l.core.dropping:
			c.dropped = true
			l.core.stats.Cancelled++
			l.core.notes = append(l.core.notes, func() { c.complete(answer{err: ErrClosed, worker: nowhere}) })
		default:
			l.pushFirst(c)
		}
	}
	if l.n > 0 {
		l.at.queue.push(l, true)
	}
}

func (l *lane) deliver(b *batch, from, n int, items []byte, owned bool) {
	offers := b.takeOffers(from, n, 0)
	for i := from; i < from+n; i++ {
		r, rest, ok := wire.CutResult(items)
		if !ok {
			return // the frame was checked
		}
		items = rest
		c := b.calls[i]
		asks := c.retry.judges(b.head.Attempt, r.Outcome)
		a := answer{
			outcome: r.Outcome,
			value:   c.keep(r.Value, owned && b.n == 1, asks),
			owned:   owned && b.n == 1,
			offered: offers[i],
			worker:  b.origin,
		}
		if c.timing != nil || b.sampled() {
			a.times = &times{trip: b.travel.trip}
			if b.sampled() {
				a.times.costs = b.speed.costs
			}
			a.times.timing = a.times.trip.timing(c.stamp, &r, itemBytes(len(c.item)+len(c.lent)))
		}
		if asks {
			r.Value = a.value
			l.core.toJudge(c, b, r, a)
			continue
		}
		c.complete(a)
	}
}

func (l *lane) retryLocked(b *batch, offset int) bool {
	c := b.calls[offset]
	if !c.retry.allows(b.head.Attempt) || l.core.dropping {
		return false
	}
	l.core.retryLocked(c)
	return true
}

func (l *lane) unwanted(b *batch, from, n int) (dropped int) {
	for _, c := range b.calls[from : from+n] {
		if c.dropped {
			dropped++
		}
	}
	return dropped
}

func (l *lane) lose(b *batch, offset int, err error) {
	b.calls[offset].complete(answer{err: b.taskError(-1, err), worker: b.origin})
}

// submit queues a call and sends it at once if a worker is idle. It waits for room in a bounded queue.
func (c *core) submit(ctx context.Context, call *call, cfg *callConfig) error {
	c.mu.Lock()
	for {
		if err := c.admitLocked(); err != nil {
			c.mu.Unlock()
			return err
		}
		if c.cfg.queueSize == 0 || c.waiting < c.cfg.queueSize || c.hasIdleLocked(cfg) {
			break
		}
		if cfg.nonBlocking {
			c.mu.Unlock()
			return ErrQueueFull
		}
		room := make(chan struct{})
		c.waiters = append(c.waiters, room)
		c.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			c.passRoom(room)
			return causeOf(ctx)
		}
		c.mu.Lock()
	}
	c.outstanding.Add(1 + call.trail.holdLocked())
	c.stats.Submitted++
	c.enqueueLocked(call, cfg.priority, cfg)
	if call.queued && call.stamp.made == 0 {
		call.lane.stamp(call)
	}
	call.listens = false // whoever sends it later finds its caller asleep
	c.unlock()
	return nil
}

func (c *core) enqueueLocked(call *call, priority int, cfg *callConfig) {
	queue, s := &c.queue, (*slot)(nil)
	if call.pinned != nil {
		s = call.pinned
	} else if cfg.keyed {
		s = c.homeLocked(cfg.key)
	}
	if s != nil {
		queue = &s.keyed
	}
	l := queue.lane(c, priority)
	l.push(call)
	queue.push(l, false)
	if s != nil {
		c.wakeLocked(s)
		return
	}
	c.pumpLocked()
}

// hasIdleLocked reports whether a call would go to a worker without waiting.
func (c *core) hasIdleLocked(cfg *callConfig) bool {
	return !cfg.keyed && c.idle.n > 0 && c.queue.empty()
}

// wakeWaitersLocked lets as many submitters go on as there is room for; all of them when the pool ends.
func (c *core) wakeWaitersLocked() {
	ending := c.closed || c.stopping.Load() || c.broken != nil
	for n := c.cfg.queueSize - c.waiting; len(c.waiters) > 0 && (n > 0 || ending); n-- {
		close(c.waiters[0])
		c.waiters = c.waiters[1:]
	}
}

// passRoom gives up a place among the waiters; room that was just given goes to the next.
func (c *core) passRoom(room chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, w := range c.waiters {
		if w == room {
			c.waiters = append(c.waiters[:i], c.waiters[i+1:]...)
			return
		}
	}
	c.wakeWaitersLocked()
}

// cancel answers a call with cause at once; what a worker does with it is ended within the stop grace.
func (c *core) cancel(call *call, cause error) {
	if !call.decide(answer{err: cause, worker: nowhere}) {
		return
	}
	defer call.tell() // not before: who has heard of the end may rely on it that what had not begun never will
	c.mu.Lock()
	defer c.unlock()
	if !call.counted && !call.dropped { // a Shutdown that drops what waits may have been here
		c.stats.Cancelled++
		call.dropped = true
	}
	c.undelayLocked(call)
	switch {
	case call.queued:
		call.lane.cancelled(call)
		c.wakeWaitersLocked()
	case call.batch != nil:
		call.proc.cancelLocked(call.batch, int(call.offset))
	}
}
