package pool

import (
	"time"
)

// ledger is how the processes of one slot have spent their time, and on what. It belongs to the number of the slot: where Resize takes the slot away and later makes
// another of that number, it goes on. Times are read off the clock where it is read anyway: when a batch is given, when a frame of results has come. Under core.mu.
type ledger struct {
	slot      int
	processes int
	tasks     int
	failed    int

	spent   [phases]time.Duration
	working time.Duration // of busy
	starved time.Duration // of resting: until the next task of a Stream came

	spans []spanMark // a ring, once it is full
	last  int        // the latest of them
}

// phase is what a process does.
type phase uint8

const (
	launching    phase = iota // until its hello
	initializing              // until the initializer has returned
	resting                   // has no task
	busy                      // has tasks: it works, or the boundary makes it wait
	exiting                   // told to leave, or dead
	phases
)

// life is how far the ledger knows a process. Under core.mu.
type life struct {
	phase  phase
	since  moment        // what was before is in the ledger
	turned time.Time     // when it last became idle or busy
	loose  time.Duration // of its busy time: what no answered task accounts for
	ran    time.Duration // how long the task had run that the end of the process cost
}

// spanMark is a Span as a ledger keeps it.
type spanMark struct {
	fn            string
	pid, index    int
	tasks, failed int
	began, ended  moment
}

// keptSpans is how many spans a ledger keeps.
const keptSpans = 64

// shortSpan is how long frames of tiny tasks are put together to one span, and shortGap how long may be between them: else the spans of a worker would tell of its last
// microseconds alone.
const (
	shortSpan = time.Millisecond
	shortGap  = 50 * time.Microsecond
)

// ledger returns the ledger of a slot's number.
func (f *figures) ledger(slot int) *ledger {
	if slot == noSlot {
		if f.spares == nil {
			f.spares = &ledger{slot: noSlot}
		}
		return f.spares
	}
	for len(f.ledgers) <= slot {
		f.ledgers = append(f.ledgers, &ledger{slot: len(f.ledgers)})
	}
	return f.ledgers[slot]
}

// beginLifeLocked enters a process that was started, or taken over as a spare, at a time.
func (p *proc) beginLifeLocked(at time.Time) {
	p.life.since, p.life.turned = momentOf(at), at
	p.slot.ledger.processes++
}

// spendLocked writes down what the process has done until a moment.
func (p *proc) spendLocked(until moment) {
	d := until.since(p.life.since)
	if d == 0 {
		return
	}
	p.slot.ledger.spent[p.life.phase] += d
	if p.life.phase == busy {
		p.life.loose += d
	}
	p.life.since = until
}

// enterLocked says that the process does something else from now on, unless it is at its end.
func (p *proc) enterLocked(next phase, now time.Time) {
	p.spendLocked(momentOf(now))
	if p.life.phase != exiting {
		p.life.phase, p.life.turned = next, now
	}
}

// busyLocked says that the process, which had nothing, gets a batch.
func (p *proc) busyLocked(b *batch) {
	if p.life.phase != resting {
		return // it is a hook's
	}
	if j, ok := b.from.(*job); ok && j.lazy {
		p.slot.ledger.starved += momentOf(b.sent).since(max(p.life.since, j.began))
	}
	p.enterLocked(busy, b.sent)
	p.life.loose = 0
}

// restLocked says that the process has nothing in flight any more.
func (p *proc) restLocked(now time.Time) {
	switch {
	case p.life.phase != busy:
	case p.leaving:
		p.enterLocked(exiting, now)
	default:
		p.enterLocked(resting, now)
	}
}

// diedLocked says that the process has ended. What ran in it has run until now.
func (p *proc) diedLocked(now time.Time) {
	if p.life.phase == exiting {
		return
	}
	working := p.life.phase == busy && p.runsLocked()
	p.enterLocked(exiting, now)
	if working {
		p.life.ran = now.Sub(p.heard)
		p.workedLocked(p.life.ran)
	}
}

// runsLocked reports whether a task has started that is not answered.
func (p *proc) runsLocked() bool {
	for _, b := range p.inflight {
		if b.from != nil && p.startedLocked(b) > b.got {
			return true
		}
	}
	return false
}

// workedLocked says how long the tasks have taken that were answered now. It is a worker's word: more time than there was it does not get.
func (p *proc) workedLocked(exec time.Duration) {
	exec = min(max(exec, 0), p.life.loose)
	p.life.loose -= exec
	p.slot.ledger.working += exec
}

// spanLocked adds n tasks of b from offset from on that took a time and were answered at a moment.
func (p *proc) spanLocked(b *batch, from, n, failed int, exec time.Duration, ended moment) {
	l := p.slot.ledger
	began := ended - moment(exec)
	if len(l.spans) > 0 {
		last := &l.spans[l.last]
		began = min(max(began, last.ended), ended) // a slot may have two processes for a while
		if began.since(last.ended) < shortGap && ended.since(last.began) < shortSpan && last.pid == b.origin.pid && last.fn == b.head.Func {
			last.tasks += n
			last.failed += failed
			last.ended = ended
			return
		}
	}
	s := spanMark{fn: b.head.Func, pid: b.origin.pid, index: b.head.Index(from), tasks: n, failed: failed, began: began, ended: ended}
	if len(l.spans) < keptSpans {
		l.spans = append(l.spans, s)
		l.last = len(l.spans) - 1
		return
	}
	l.last = (l.last + 1) % keptSpans
	l.spans[l.last] = s
}

// addLocked adds to a copy of the ledger what a process has done since it was last written there.
func (l *ledger) addLocked(p *proc, now time.Time) {
	d := momentOf(now).since(p.life.since)
	l.spent[p.life.phase] += d
	if p.life.phase == busy && p.runsLocked() {
		l.working += min(p.life.loose+d, max(0, now.Sub(p.heard)))
	}
}

// insights is what a copy of a ledger says.
func (l *ledger) insights(now time.Time) WorkerInsights {
	when := func(m moment) time.Time { return now.Add(time.Duration(m - momentOf(now))) }

	w := WorkerInsights{
		Slot: l.slot, Processes: l.processes, Tasks: l.tasks, Failed: l.failed,
		Start: l.spent[launching], Init: l.spent[initializing], Working: l.working, Waiting: l.spent[busy] - l.working,
		Idle: l.spent[resting], Exit: l.spent[exiting],
	}
	for i := range l.spans {
		s := &l.spans[(l.last+1+i)%len(l.spans)]
		w.Spans = append(w.Spans, Span{
			Func: s.fn, PID: s.pid, Index: s.index, Tasks: s.tasks, Failed: s.failed, Began: when(s.began), Ended: when(s.ended),
		})
	}
	return w
}
