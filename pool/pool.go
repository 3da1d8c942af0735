package pool

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/procpool/procpool/internal/shm"
)

// Pool is a number of worker processes that run registered functions. All its methods, and the functions that take it, may be called from any
// number of goroutines, callbacks included. Get one from New.
type Pool struct{ core *core }

// WorkerInfo is one worker as it is now.
type WorkerInfo struct {
	Slot     int // -1 for a spare
	PID      int // 0 while there is no process; one that is starting counts
	State    State
	Func     string        // of the running task, or of the oldest that it has; "" while it is idle
	Index    int           // of that task in its job; -1 for Call and Go, and while it is idle
	TaskTime time.Duration // how long it has run, to about a millisecond; 0 while none does
	Tasks    int           // tasks that this process has answered
	Restarts int           // processes that the slot had before this one
	RSS      int64         // resident memory in bytes; 0 where it is not known
	CPU      time.Duration // CPU time used; 0 where it is not known
	Since    time.Time     // when State began

	Hardening []string // what the process is kept from: see Hardening
}

// Workers returns the slots that have a process or are to get one, and after them the spares (WithSpare). It reads /proc for each of them.
func (p *Pool) Workers() []WorkerInfo {
	defer runtime.KeepAlive(p)
	c := p.core
	c.mu.Lock()
	var all []WorkerInfo
	for _, s := range c.slots {
		if !s.parked && !c.isStopped() {
			all = append(all, s.infoLocked())
		}
	}
	for _, s := range c.spares {
		if !c.isStopped() {
			all = append(all, s.infoLocked())
		}
	}
	c.mu.Unlock()
	for i := range all {
		if all[i].PID != 0 && !c.cfg.inline {
			all[i].RSS, all[i].CPU = usage(all[i].PID)
		}
	}
	return all
}

func (s *slot) infoLocked() WorkerInfo {
	info := WorkerInfo{Slot: s.id, State: s.state, Since: s.since, Restarts: max(0, s.starts-1), Index: -1}
	p := s.proc
	if s.isSpare() {
		p = s.spare
	}
	if p != nil {
		info.PID, info.Tasks = p.child.PID(), p.tasks
		if !s.core.cfg.inline {
			info.Hardening = s.core.armor.names(p.group != nil)
		}
		info.Func, info.Index, info.TaskTime = p.taskNowLocked()
	} else if s.starting != nil {
		info.PID = s.starting.child.PID()
	}
	return info
}

// taskNowLocked returns the running task, or the oldest, and how long it has run as far as is known: since the last answer, which short tasks hold back for a millisecond at the most.
func (p *proc) taskNowLocked() (fn string, index int, ran time.Duration) {
	if len(p.inflight) == 0 {
		return "", -1, 0
	}
	b, offset, begun := p.runningLocked()
	switch {
	case b == nil:
		b = p.inflight[0]
		return b.head.Func, b.head.Index(b.got), 0
	case p.page == nil || b.head.Hard > 0: // then it is known exactly
		ran = time.Duration(shm.Clock() - begun)
	default:
		ran = time.Since(p.heard)
	}
	return b.head.Func, b.head.Index(offset), max(ran, 0)
}

// Stats is one consistent snapshot of what a pool has done and is doing.
type Stats struct {
	Workers   int // slots that have a ready worker
	Spares    int // processes that are ready and in no slot: see WithSpare
	Busy      int // workers that have tasks
	Queued    int // tasks that no worker has
	Running   int // tasks that a worker has and has not answered
	Submitted int // tasks ever submitted: Queued + Running + Completed + Failed + Cancelled
	Completed int // tasks that succeeded
	Failed    int // tasks that failed
	Cancelled int // tasks that nobody waited for any more: cancelled, withdrawn, or ended by Close
	Retried   int // tasks that were started again

	Restarts int // processes started in the place of one that had died
	Recycles int // processes started in the place of one that was renewed
	TimedOut int // attempts that were over their hard limit, or failed after their soft one

	Blobs     int   // pieces of shared memory that the pool has: see Share
	BlobBytes int64 // their bytes

	BytesSent      int64         // to workers, frames included
	BytesReceived  int64         // from workers, frames of results included
	EncodeTime     time.Duration // of arguments of Map and GoMap
	DecodeTime     time.Duration // of their results
	LinesDropped   int64         // lines of workers' output that a writer was too slow for
	ReportsDropped int64         // reports that WithOnReport was too slow for
}

// Stats returns what the pool has done so far.
func (p *Pool) Stats() Stats {
	defer runtime.KeepAlive(p)
	c := p.core
	c.mu.Lock()
	s := c.statsLocked()
	c.mu.Unlock()
	c.completeStats(&s)
	return s
}

// statsLocked returns what is counted under core.mu.
func (c *core) statsLocked() Stats {
	s := c.stats
	for _, slot := range c.slots {
		if slot.proc != nil && !slot.proc.leaving {
			s.Workers++
		}
	}
	for _, place := range c.spares {
		if place.spare != nil && !place.spare.leaving {
			s.Spares++
		}
	}
	for p := range c.live {
		busy := false
		for _, b := range p.inflight {
			if b.from != nil {
				s.Running += b.limit - b.got - b.from.unwanted(b, b.got, b.limit-b.got)
				busy = true
			}
		}
		if busy {
			s.Busy++
		}
	}
	s.Queued = c.waiting + len(c.delayed)
	for j := range c.jobs {
		j.mu.Lock()
		s.Queued += j.waiting + j.delayed
		s.Submitted += j.fed // told adds it to the stats when it takes the job off the list
		j.mu.Unlock()
	}
	return s
}

// completeStats adds what is counted elsewhere.
func (c *core) completeStats(s *Stats) {
	s.Blobs, s.BlobBytes = c.blobs.count()
	s.EncodeTime = time.Duration(c.encodeTime.Load())
	s.DecodeTime = time.Duration(c.decodeTime.Load())
	s.LinesDropped = c.output.dropped()
	s.ReportsDropped = c.reports.lost()
}

// Resize changes the number of workers to n. Growing returns when the new workers are ready, or with the error of one that cannot be started; the
// pool goes on trying. Shrinking takes idle workers first, busy ones after their task. Where calls overlap, the later wins.
func (p *Pool) Resize(ctx context.Context, n int) error {
	defer runtime.KeepAlive(p)
	if n < 1 {
		return fmt.Errorf("procpool: Resize(%d): want at least 1", n)
	}
	c := p.core
	c.mu.Lock()
	if c.closed || c.stopping.Load() {
		c.mu.Unlock()
		return ErrClosed
	}
	var first <-chan error
	var removed []*slot
	added := max(0, n-len(c.slots))
	if added > 0 {
		first = c.growLocked(added)
	} else {
		removed = c.shrinkLocked(len(c.slots) - n)
	}
	orphans := c.leaveLocked(removed)
	c.pumpLocked()
	c.unlock()
	for _, call := range orphans {
		call.complete(answer{err: errRemoved, worker: nowhere})
	}
	return ignoreRemoved(c.await(ctx, first, added))
}

// ignoreRemoved is nil where a later Resize took the new slots away again.
func ignoreRemoved(err error) error {
	if errors.Is(err, errRemoved) {
		return nil
	}
	return err
}

// shrinkLocked takes n slots out of the pool: those that do nothing first, then those that do least.
func (c *core) shrinkLocked(n int) []*slot {
	order := slices.Clone(c.slots)
	slices.SortStableFunc(order, func(a, b *slot) int { return a.costLocked() - b.costLocked() })
	removed := order[:n]
	for _, s := range removed {
		s.setParkedLocked(false) // its goroutine is told to end, and does not count any more
		s.removed = true
		c.free = append(c.free, s.id)
	}
	slices.SortFunc(c.free, func(a, b int) int { return b - a }) // highest first: the last is taken
	c.slots = slices.DeleteFunc(c.slots, func(s *slot) bool { return s.removed })
	return removed
}

// costLocked says how much would be lost with a slot: nothing where it is broken or parked, most where it is busy.
func (s *slot) costLocked() int {
	switch {
	case s.state == StateBroken || s.state == StateBackoff || s.parked:
		return 0
	case s.proc == nil:
		return 1
	case len(s.proc.inflight) == 0:
		return 2
	default:
		return 3
	}
}

// leaveLocked ends slots that were taken out, and moves what waits for them.
func (c *core) leaveLocked(removed []*slot) (orphans []*call) {
	for _, s := range removed {
		s.quitLocked()
		orphans = append(orphans, c.rehomeLocked(s)...)
	}
	return orphans
}
