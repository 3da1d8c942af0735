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
	next  int        // where the next goes in it then
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
	phase phase
	since time.Time     // what was before is in the ledger
	loose time.Duration // of its busy time: what no answered task accounts for
	ran   time.Duration // how long the task had run that the end of the process cost
}

// spanMark is a Span as a ledger keeps it.
type spanMark struct {
	fn            string
	pid, index    int
	tasks, failed int
	began, ended  time.Time
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

// beginLifeLocked enters a process that has just been started, or that a slot took over.
func (p *proc) beginLifeLocked(first phase, at time.Time) {
	p.life = life{phase: first, since: at}
	p.slot.ledger.processes++
}

// spendLocked writes down what the process has done until a time.
func (p *proc) spendLocked(until time.Time) {
	d := until.Sub(p.life.since)
	if d <= 0 {
		return
	}
	p.slot.ledger.spent[p.life.phase] += d
	if p.life.phase == busy {
		p.life.loose += d
	}
	p.life.since = until
}

// enterLocked says that the process does something else from now on.
func (p *proc) enterLocked(next phase, now time.Time) {
	p.spendLocked(now)
	p.life.phase = next
}

// busyLocked says that the process, which had nothing, gets a batch.
func (p *proc) busyLocked(b *batch) {
	if p.life.phase != resting {
		return // it is a hook's
	}
	if j, ok := b.from.(*job); ok && j.lazy {
		p.slot.ledger.starved += max(0, b.sent.Sub(later(p.life.since, j.began)))
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

// span adds n tasks that took a time and were answered now.
func (l *ledger) span(s *spanMark) {
	if n := len(l.spans); n > 0 {
		last := &l.spans[(l.next+n-1)%n]
		if last.pid == s.pid && last.fn == s.fn && s.began.Sub(last.ended) < shortGap && s.ended.Sub(last.began) < shortSpan {
			last.tasks += s.tasks
			last.failed += s.failed
			last.ended = s.ended
			return
		}
	}
	if len(l.spans) < keptSpans {
		l.spans = append(l.spans, *s)
		return
	}
	l.spans[l.next] = *s
	l.next = (l.next + 1) % keptSpans
}

// lastEnded returns when the last span ended.
func (l *ledger) lastEnded() (at time.Time) {
	if n := len(l.spans); n > 0 {
		at = l.spans[(l.next+n-1)%n].ended
	}
	return at
}

// addLocked adds to a copy of the ledger what a process has done since it was last written there.
func (l *ledger) addLocked(p *proc, now time.Time) {
	d := max(0, now.Sub(p.life.since))
	l.spent[p.life.phase] += d
	if p.life.phase == busy && p.runsLocked() {
		l.working += min(p.life.loose+d, max(0, now.Sub(p.heard)))
	}
}

// insights is what a copy of a ledger says.
func (l *ledger) insights() WorkerInsights {
	w := WorkerInsights{
		Slot: l.slot, Processes: l.processes, Tasks: l.tasks, Failed: l.failed,
		Start: l.spent[launching], Init: l.spent[initializing], Working: l.working, Waiting: l.spent[busy] - l.working,
		Idle: l.spent[resting], Exit: l.spent[exiting],
	}
	for i := range l.spans {
		s := &l.spans[(l.next+i)%len(l.spans)]
		w.Spans = append(w.Spans, Span{
			Func: s.fn, PID: s.pid, Index: s.index, Tasks: s.tasks, Failed: s.failed, Began: s.began, Ended: s.ended,
		})
	}
	return w
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
