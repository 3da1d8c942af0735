package pool

import (
	"slices"
	"time"

	"github.com/procpool/procpool/wire"
)

// source is where batches come from: the lane of Call and Go, or the job of a Map or Stream. A source takes turns with the
// others in a runQueue.
type source interface {
	// place returns the source's place in the queue; under core.mu.
	place() *place
	// take removes tasks of one function, as many as limit says; under core.mu. It is nil where nothing waits.
	take(limit limiter) *batch
	// putBack returns the tasks of b from offset from on, which have not started, to the head; under core.mu.
	putBack(b *batch, from int)
	// waits returns how many tasks wait; under core.mu.
	waits() int
	// deliver hands over n answered tasks of b from offset from on, as result items that are valid during the call
	// unless owned; without core.mu.
	deliver(b *batch, from, n int, items []byte, owned bool)
	// lose answers one task that will never be answered by a worker; without core.mu.
	lose(b *batch, offset int, err error)
	// retryLocked makes the task that was running when its process died wait for another attempt; false if there is none; under core.mu.
	retryLocked(b *batch, offset int) bool
	// unwanted returns how many of n tasks nobody waits for any more; under core.mu.
	unwanted(b *batch, from, n int) int
}

// limiter says how many tasks a worker may be given at once.
type limiter struct {
	core  *core
	proc  *proc
	least int // as many were taken from another worker for this one
}

// most returns how many tasks of a function may be taken, of which so many wait. chunk is the number that the user wants together,
// 0 for any.
func (l limiter) most(fn string, waiting, chunk int) int {
	n := chunk
	if n == 0 {
		n = max(l.core.batchSizeLocked(fn, waiting), l.least)
	}
	if l.proc.quota >= 0 {
		n = min(n, l.proc.quota)
	}
	return min(n, wire.MaxBatchItems)
}

// place is a source's place in a runQueue.
type place struct {
	queue    *runQueue
	priority int
	queued   bool // it is in its queue's ring
}

// runQueue is a queue of sources: by priority, and turn by turn among equals. The zero value is empty.
type runQueue struct {
	levels []*level      // by falling priority; empty ones are kept
	lanes  map[int]*lane // by priority, made on demand
}

type level struct {
	priority int
	ring     []source // the first has the next turn
}

// lane returns the lane of Call and Go for a priority.
func (q *runQueue) lane(c *core, priority int) *lane {
	if q.lanes == nil {
		q.lanes = map[int]*lane{}
	}
	l := q.lanes[priority]
	if l == nil {
		l = &lane{core: c, at: place{queue: q, priority: priority}}
		q.lanes[priority] = l
	}
	return l
}

func (q *runQueue) level(priority int) *level {
	i, found := slices.BinarySearchFunc(q.levels, priority, func(l *level, p int) int { return p - l.priority })
	if !found {
		q.levels = slices.Insert(q.levels, i, &level{priority: priority})
	}
	return q.levels[i]
}

// push gives a source a turn, behind the others of its priority or before them.
func (q *runQueue) push(s source, first bool) {
	at := s.place()
	if at.queued {
		return
	}
	at.queued, at.queue = true, q
	l := q.level(at.priority)
	if first {
		l.ring = slices.Insert(l.ring, 0, s)
	} else {
		l.ring = append(l.ring, s)
	}
}

// top returns the highest priority that waits.
func (q *runQueue) top() (priority int, ok bool) {
	for _, l := range q.levels {
		if len(l.ring) > 0 {
			return l.priority, true
		}
	}
	return 0, false
}

func (q *runQueue) empty() bool {
	_, waits := q.top()
	return !waits
}

// take takes a batch from the source whose turn it is.
func (q *runQueue) take(limit limiter) *batch {
	for _, l := range q.levels {
		for len(l.ring) > 0 {
			s := l.ring[0]
			l.ring = slices.Delete(l.ring, 0, 1)
			s.place().queued = false
			b := s.take(limit)
			if s.waits() > 0 {
				q.push(s, false)
			}
			if b != nil {
				return b
			}
		}
	}
	return nil
}

// remove takes a source out of its queue.
func (q *runQueue) remove(s source) {
	at := s.place()
	if !at.queued {
		return
	}
	at.queued = false
	l := q.level(at.priority)
	if i := slices.Index(l.ring, s); i >= 0 {
		l.ring = slices.Delete(l.ring, i, i+1)
	}
}

// drain empties the queue and returns the calls that were in it. Jobs are ended by their own list.
func (q *runQueue) drain() []*call {
	calls := q.drainCalls()
	for _, l := range q.levels {
		for _, s := range l.ring {
			s.place().queued = false
		}
		l.ring = nil
	}
	return calls
}

// drainCalls removes the calls from the queue and returns them.
func (q *runQueue) drainCalls() (calls []*call) {
	for _, l := range q.lanes {
		q.remove(l)
		calls = append(calls, l.empty()...)
	}
	return calls
}

// sources returns all sources that have a turn.
func (q *runQueue) sources() (all []source) {
	for _, l := range q.levels {
		all = append(all, l.ring...)
	}
	return all
}

const (
	// batchTime is how long the tasks of a batch should take together: long against the cost of a frame, short
	// against what a user would notice.
	batchTime = time.Millisecond

	// aheadTime is how much work a worker may have before it and still get more. The parent learns of what is done a millisecond
	// later, and what it sends then takes a while to arrive: with a batch alone before it, a worker would stand still half of the time.
	aheadTime = 1500 * time.Microsecond

	// leastTime is how long a batch at the end of a job should still take: splitting the last tasks finer
	// than this costs more than it balances.
	leastTime = 50 * time.Microsecond

	// maxBatch is the most tasks in a batch that the pool sizes itself.
	maxBatch = 4096
)

// batchSize says how many of the waiting tasks of a function should travel together.
func (c *core) batchSizeLocked(fn string, waiting int) int {
	usual := c.speedLocked(fn).usual
	if usual == 0 {
		return 1
	}
	most := min(int(batchTime/usual), maxBatch)
	least := min(int(leastTime/usual), most)
	share := (waiting + 2*len(c.slots) - 1) / (2 * len(c.slots))
	return max(1, least, min(most, share))
}
