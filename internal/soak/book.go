//go:build linux

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A verdict is what kind of promise was broken.
type verdict string

const (
	lost       verdict = "lost"       // no answer, or an effect that an answer claims is missing
	duplicated verdict = "duplicated" // a second answer, or an execution too many
	wrong      verdict = "wrong"      // an answer that nothing explains
	leftover   verdict = "left over"  // a process, a descriptor, a goroutine, memory
	stuck      verdict = "stuck"      // no answer in time
)

// A complaint is called with every broken promise.
type complaint func(v verdict, text string)

// terms are what the caller has said about a task, and so what else may come of it.
type terms struct {
	attempts    int  // most attempts
	again       bool // a returned error counts as well (RetryIf)
	withdraws   bool // the caller may give up at any time
	limited     bool // a hard time limit so short that a loaded machine may miss it
	soft        bool // the same for a soft one
	nonBlocking bool
}

// An entry is the page of one task.
type entry struct {
	kind    *kind
	terms   terms
	answers int
	got     outcome
	attempt int // that the answer speaks of; 0 where it speaks of none
}

// A book knows every task of one pool and checks what comes of it.
type book struct {
	complain complaint
	closing  atomic.Bool  // the end of the pool has begun: ErrClosed may come
	shaken   atomic.Bool  // starts have failed: ErrBroken may come
	beats    bool         // a worker that a loaded machine slows down may be taken for dead
	last     atomic.Int64 // when the last answer came, in nanoseconds since 1970

	mu        sync.Mutex
	entries   []entry         // by id
	accidents map[outcome]int // what happened from outside: how many deaths it explains, by what they look like
	accounted map[outcome]int // deaths that only an accident explains
	counts    map[outcome]int
}

func newBook(complain complaint) *book {
	b := &book{complain: complain, accidents: map[outcome]int{}, accounted: map[outcome]int{}, counts: map[outcome]int{}}
	b.last.Store(time.Now().UnixNano())
	return b
}

// open begins the page of a task and returns its id.
func (b *book) open(k *kind, t terms) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries = append(b.entries, entry{kind: k, terms: t})
	return len(b.entries) - 1
}

// accident is to be told before it happens, since its consequences may be seen at once; cancelled accidents are told with n = -1.
func (b *book) accident(o outcome, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.accidents[o] += n
}

// answer takes down what came of a task.
func (b *book) answer(id int, o outcome, attempt int, text string) {
	b.last.Store(time.Now().UnixNano())
	b.mu.Lock()
	defer b.mu.Unlock()
	if id < 0 || id >= len(b.entries) {
		b.complain(wrong, fmt.Sprintf("an answer (%s) to task %d, of which there is none: %s", o, id, text))
		return
	}
	e := &b.entries[id]
	e.answers++
	if e.answers > 1 {
		b.complain(duplicated, fmt.Sprintf("task %d (%s) was answered %q and then %q: %s", id, e.kind.name, e.got, o, text))
		return
	}
	e.got, e.attempt = o, attempt
	b.counts[o]++
	if why := b.judgeLocked(e); why != "" {
		b.complain(wrong, fmt.Sprintf("task %d (%s, %+v) ended as %q, attempt %d: %s: %s", id, e.kind.name, e.terms, o, attempt, why, text))
	}
}

// stray takes down a failure of a task that has no page.
func (b *book) stray(o outcome, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := &entry{kind: kinds["nothing"], got: o}
	if why := b.judgeLocked(e); why != "" {
		b.complain(wrong, fmt.Sprintf("a broadcast ended as %q: %s: %s", o, why, text))
	}
}

// judgeLocked says what is wrong with an answer; "" for nothing.
func (b *book) judgeLocked(e *entry) string {
	switch {
	case e.attempt > e.terms.attempts && e.terms.attempts > 0:
		return "an attempt too many"
	case e.kind.expects(e.got):
		if e.got == timedOut && !e.terms.limited {
			return "there was no limit"
		}
		if e.kind.deadly && e.kind.outcome == e.got && e.attempt < e.terms.attempts && !e.terms.withdraws && !b.closing.Load() && !b.shaken.Load() {
			return "it was not tried as often as it may be"
		}
		return ""
	}
	return b.excuseLocked(e)
}

// excuseLocked says why an answer that the task's own fault does not explain may not come; "" where it may.
func (b *book) excuseLocked(e *entry) string {
	var allowed bool
	switch e.got {
	case cancelled, pastDeadline:
		allowed = e.terms.withdraws
	case withdrawn:
		allowed = e.terms.withdraws || b.closing.Load() || b.shaken.Load()
	case closed:
		allowed = b.closing.Load()
	case broken:
		allowed = b.shaken.Load()
	case queueFull:
		allowed = e.terms.nonBlocking
	case timedOut:
		allowed = e.terms.limited
	case unresponsive:
		allowed = b.beats
	case softTimedOut:
		allowed = e.terms.soft
	default:
		b.accounted[e.got]++
		if b.accounted[e.got] > b.accidents[e.got] {
			return fmt.Sprintf("only %d accidents explain such an end, and this is the %dth", b.accidents[e.got], b.accounted[e.got])
		}
		return ""
	}
	if !allowed {
		return "nothing explains it"
	}
	return ""
}

// unanswered describes the first few tasks that have neither an answer nor run to their end.
func (b *book) unanswered(h history) string {
	const most = 10
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	n := 0
	for id := range b.entries {
		if e := &b.entries[id]; e.answers == 0 && h.ended[id] == 0 {
			if n++; n <= most {
				all = append(all, fmt.Sprintf("%d (%s, started %d, ended %d, %+v)", id, e.kind.name, h.started[id], h.ended[id], e.terms))
			}
		}
	}
	return fmt.Sprintf("%d: %s", n, strings.Join(all, ", "))
}

// audit compares the book with what has run, when the pool is gone.
func (b *book) audit(h history) {
	b.mu.Lock()
	defer b.mu.Unlock()
	losses := 0
	for id := range b.entries {
		e := &b.entries[id]
		s, n := h.started[id], h.ended[id]
		if v, why := e.audit(s, n); why != "" {
			b.complain(v, fmt.Sprintf("task %d (%s, %+v), answered %q at attempt %d, started %d times and ended %d times: %s",
				id, e.kind.name, e.terms, e.got, e.attempt, s, n, why))
		}
		losses += e.losses(s, n)
	}
	for _, id := range slices.Sorted(maps.Keys(h.started)) {
		if id < 0 || id >= len(b.entries) {
			b.complain(wrong, fmt.Sprintf("task %d ran, and nobody has submitted it", id))
		}
	}
	total := 0
	for _, n := range b.accidents {
		total += n
	}
	if losses > total+b.counts[unresponsive] {
		b.complain(lost, fmt.Sprintf("%d executions of tasks without a fault did not come to their end, and there were %d accidents", losses, total))
	}
}

// audit compares the page with how often the task has started and ended.
func (e *entry) audit(started, ended int) (verdict, string) {
	switch {
	case e.answers == 0:
		return lost, "it was never answered"
	case started > e.terms.attempts:
		return duplicated, fmt.Sprintf("it may be started %d times", e.terms.attempts)
	case e.attempt > 0 && started > e.attempt:
		return duplicated, "it was started more often than the answer says"
	case ended > started:
		return duplicated, "it ended more often than it started"
	case e.kind.never && started > 0, e.got == queueFull && started > 0, e.got == encodeParent && started > 0:
		return wrong, "it cannot have started"
	case e.got == succeeded && ended == 0:
		return lost, "its effects are missing"
	case e.got == succeeded && ended > 1 && e.terms.attempts == 1:
		return duplicated, "its effects are there more than once"
	case e.kind.expects(e.got) && !e.kind.never && started == 0:
		return lost, "the effect of its start is missing"
	}
	return "", ""
}

// losses is how many executions of a task without a fault of its own did not come to their end.
func (e *entry) losses(started, ended int) int {
	if e.kind.outcome != succeeded || len(e.kind.also) > 0 || e.terms.limited || e.terms.withdraws {
		return 0
	}
	switch e.got {
	case closed, withdrawn, broken: // what ran then was killed
		return max(0, started-ended-1)
	}
	return started - ended
}
