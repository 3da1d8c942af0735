package pool

import (
	"bytes"
	"slices"
	"time"

	"github.com/procpool/procpool/internal/remote"
	"github.com/procpool/procpool/wire"
)

// figures is what a pool writes down of its tasks, for Insights: when a frame of results has come, with the clock as it was read for that. All of it has a fixed size, but
// for a ledger for each slot. Under core.mu.
type figures struct {
	began     time.Time
	functions []*costs
	others    *costs    // of the functions that found no room in functions; nil while there are none
	ledgers   []*ledger // by the number of the slot
	spares    *ledger   // of all places for spares; nil where there are none
	slowest   []taskMark
	slow      time.Duration // of the last of them, once there is no room
	failures  []taskMark    // a ring, once it is full
	oldest    int           // in failures then
	sampler   sampler
}

const (
	maxFunctions = 64
	maxSlowest   = 10
	maxFailures  = 50
)

// costs is what the tasks of one function cost. Under core.mu.
type costs struct {
	fn       string
	tasks    int
	failed   int
	exec     time.Duration
	args     int64 // bytes
	results  int64
	unread   int // tasks whose time comes with that of later ones
	singly   int // tasks that travelled alone because Chunk(1) says so
	frames   int // of results
	queue    histogram
	run      histogram
	transfer histogram
	total    histogram
	stages   stages
}

// taskMark is a TaskRecord as it is kept.
type taskMark struct {
	fn     string
	index  int
	at     origin
	ended  time.Time
	timing Timing
	arg    []byte // the beginning of its item; nil where it is not kept

	// Of one that failed.
	outcome wire.Outcome
	value   []byte
	soft    time.Duration
	err     error // where that is known without value
}

// costsOf returns what is written down of a batch's function.
func (c *core) costsOf(b *batch) *costs {
	s := c.speedOf(b)
	if s.costs == nil {
		s.costs = c.figures.costs(b.head.Func)
	}
	return s.costs
}

func (f *figures) costs(fn string) *costs {
	if len(f.functions) < maxFunctions {
		f.functions = append(f.functions, &costs{fn: fn})
		return f.functions[len(f.functions)-1]
	}
	if f.others == nil {
		f.others = &costs{fn: OtherFuncs}
	}
	return f.others
}

// noteLocked writes down n answers to b from offset from on, which took exec together and have come now (p.heard). failed says how many failed of those that somebody
// waits for.
func (p *proc) noteLocked(b *batch, from, n, failed int, exec time.Duration, items []byte) {
	c := p.core
	f := c.costsOf(b)
	heard := momentOf(p.heard)
	way := heard.since(momentOf(b.sent))
	exec = min(exec, way) // the worker's word
	p.spendLocked(heard)
	if exec == 0 && p.page == nil {
		p.workedLocked(p.life.loose) // it tells no times: who can say that it waited
	} else {
		p.workedLocked(exec)
	}
	p.countedLocked(f, b, from, n, failed)
	p.spanLocked(b, from, n, failed, exec, heard)

	f.frames++
	f.exec += exec
	f.results += int64(len(items))
	if j, ok := b.from.(*job); ok && j.chunk == 1 {
		f.singly += n
	}
	each := f.runLocked(b, n, exec, items)
	f.transfer.add(way-each, n)
	f.total.add(b.waited()+way, n)

	if n == 1 && exec > c.figures.slow && !b.sampled() {
		r, _, _ := wire.CutResult(items) // the frame was checked
		c.figures.slowLocked(c, b, from, p.heard, &Timing{Queued: b.waited(), Exec: exec, ResultBytes: len(r.Value)}, r, nil)
	}
	if failed > 0 {
		c.figures.failedLocked(c, b, from, n, failed, p.heard, each, items)
	}
}

// recoveredNotedLocked writes down n answers that a process left behind. When it came to them is not known.
func (p *proc) recoveredNotedLocked(b *batch, from, n, failed int, items []byte) {
	c := p.core
	f := c.costsOf(b)
	p.countedLocked(f, b, from, n, failed)
	f.results += int64(len(items))
	if failed > 0 {
		c.figures.failedLocked(c, b, from, n, failed, p.heard, 0, items)
	}
}

// lostNotedLocked writes down a task that the end of its process has cost.
func (p *proc) lostNotedLocked(b *batch, offset int, err error) {
	c := p.core
	f := c.costsOf(b)
	p.countedLocked(f, b, offset, 1, 1)
	ended := p.heard.Add(p.life.ran)
	f.exec += p.life.ran
	f.run.add(p.life.ran, 1)
	f.total.add(b.waited()+p.life.ran, 1)
	p.spanLocked(b, offset, 1, 1, p.life.ran, momentOf(ended))
	c.figures.lostLocked(c, b, offset, ended, p.life.ran, err)
	c.figures.slowLocked(c, b, offset, ended, &Timing{Queued: b.waited(), Exec: p.life.ran}, wire.Result{}, err)
}

// countedLocked counts n tasks that have come to an end.
func (p *proc) countedLocked(f *costs, b *batch, from, n, failed int) {
	l := p.slot.ledger
	l.tasks += n
	l.failed += failed
	f.tasks += n
	f.failed += failed
	size := len(b.body) + len(b.lent)
	f.args += int64(size*(from+n)/b.n - size*from/b.n)
	f.queue.add(b.waited(), n)
}

// runLocked counts the execution times of n tasks, and returns what one took as far as is known. Tiny tasks are timed by the dozen: the time of some comes with the next
// frame. Those of a sampled batch follow one by one.
func (f *costs) runLocked(b *batch, n int, exec time.Duration, items []byte) (each time.Duration) {
	if exec <= 0 {
		f.unread += n
		return 0
	}
	each = exec / time.Duration(n+f.unread)
	if !b.sampled() || !tellsCost(items) {
		f.run.add(each, n+f.unread)
	} else if f.unread > 0 {
		f.run.add(each, f.unread)
	}
	f.unread = 0
	return each
}

// tellsCost reports whether the worker has told what each task took.
func tellsCost(items []byte) bool {
	r, _, _ := wire.CutResult(items)
	_, ok := r.Cost()
	return ok
}

// slowLocked keeps a task if it is among the slowest. r is what its worker said, err why it did not.
func (f *figures) slowLocked(c *core, b *batch, offset int, ended time.Time, t *Timing, r wire.Result, err error) {
	if t.Exec <= f.slow {
		return
	}
	m := taskMark{fn: b.head.Func, index: b.head.Index(offset), at: b.origin, ended: ended, timing: *t, soft: b.head.Soft, err: err}
	if r.Outcome != wire.Value {
		m.keepFailure(r)
	}
	if b.lent != nil || b.n == 1 {
		m.timing.ArgBytes = itemBytes(len(b.body) + len(b.lent))
	} else if m.timing.ArgBytes == 0 {
		m.timing.ArgBytes = itemBytes(wire.SkipItems(b.tail(offset), 1))
	}
	if c.observed() {
		m.arg = b.argStart(nil, b.tail(offset))
	}
	at, _ := slices.BinarySearchFunc(f.slowest, t.Exec, func(s taskMark, exec time.Duration) int {
		if s.timing.Exec >= exec {
			return -1
		}
		return 1
	})
	if len(f.slowest) == maxSlowest {
		f.slowest = f.slowest[:maxSlowest-1]
	}
	f.slowest = slices.Insert(f.slowest, at, m)
	if n := len(f.slowest); n == maxSlowest {
		f.slow = f.slowest[n-1].timing.Exec
	}
}

// failedLocked keeps the tasks of a frame that failed, of many the last.
func (f *figures) failedLocked(c *core, b *batch, from, n, failed int, ended time.Time, each time.Duration, items []byte) {
	args := b.tail(from)
	for offset := from; offset < from+n; offset++ {
		r, rest, ok := wire.CutResult(items)
		if !ok {
			return // the frame was checked
		}
		arg := args
		if b.lent == nil {
			args = args[max(wire.SkipItems(args, 1), 0):]
		}
		items = rest
		if r.Outcome == wire.Value || b.calls != nil && b.calls[offset].dropped {
			continue
		}
		if failed--; failed >= maxFailures {
			continue
		}
		m := f.failureLocked()
		*m = taskMark{
			fn: b.head.Func, index: b.head.Index(offset), at: b.origin, ended: ended, timing: Timing{Exec: each, ResultBytes: len(r.Value)},
			soft: b.head.Soft, value: m.value[:0], arg: m.arg[:0],
		}
		m.keepFailure(r)
		m.arg = c.argOf(m.arg, b, arg)
	}
}

// lostLocked keeps a task that the end of its process has cost.
func (f *figures) lostLocked(c *core, b *batch, offset int, now time.Time, exec time.Duration, err error) {
	m := f.failureLocked()
	*m = taskMark{fn: b.head.Func, index: b.head.Index(offset), at: b.origin, ended: now, timing: Timing{Exec: exec}, err: err, arg: c.argOf(m.arg[:0], b, b.tail(offset))}
}

// refusedLocked keeps a task that never got to a worker.
func (f *figures) refusedLocked(err error) {
	task, ok := err.(*TaskError)
	if !ok {
		return
	}
	*f.failureLocked() = taskMark{fn: task.Func, index: task.Index, at: nowhere, ended: time.Now(), err: task.Err}
}

// failureLocked returns the place for the next failure, which takes that of the oldest one.
func (f *figures) failureLocked() *taskMark {
	if len(f.failures) < maxFailures {
		f.failures = append(f.failures, taskMark{})
		return &f.failures[len(f.failures)-1]
	}
	m := &f.failures[f.oldest]
	f.oldest = (f.oldest + 1) % maxFailures
	return m
}

// keptValue is how many bytes of what a worker says of a failure are kept as they are.
const keptValue = 16 << 10

// keepFailure keeps what a worker says of a failure. Where that is long it is read at once and cut; what errors of the user's there are is lost then.
func (m *taskMark) keepFailure(r wire.Result) {
	m.outcome = r.Outcome
	if len(r.Value) <= keptValue {
		m.value = append(m.value, r.Value...)
		return
	}
	if r.Outcome == wire.Panicked {
		text, stack := wire.ParsePanic(r.Value)
		m.err = &PanicError{Value: cutTo(text, maxErrorText), Stack: cutTo(stack, keptValue)}
		return
	}
	e := &RemoteError{Message: "an error that is too long to be kept"}
	if parsed, err := remote.Parse(r.Value); err == nil {
		e = &RemoteError{Type: parsed.Type, Message: cutTo(parsed.Message, maxErrorText)}
	}
	m.err = e
}

// cutTo returns the first bytes of s, and nothing that holds the others.
func cutTo(s string, most int) string { return string([]byte(s[:min(len(s), most)])) }

// argOf is argStart where arguments are kept.
func (c *core) argOf(dst []byte, b *batch, items []byte) []byte {
	if !c.observed() {
		return nil
	}
	return b.argStart(dst, items)
}

// keptArg is how many bytes of an argument are kept.
const keptArg = 256

// argStart appends the beginning of the argument of the first of items.
func (b *batch) argStart(dst, items []byte) []byte {
	if b.lent != nil { // its bytes are the caller's, who may have them back by now
		items = append(slices.Clone(b.body), b.lentStart()...)
	}
	value, _, ok := wire.CutItem(items)
	if !ok {
		value = items[min(len(items), prefixSize(items)):] // it is not whole
	}
	return append(dst, value[:min(len(value), keptArg)]...)
}

// lentStart is the beginning of the caller's memory, where it was kept.
func (b *batch) lentStart() []byte {
	if b.travel == nil {
		return nil
	}
	return b.travel.lent
}

// prefixSize returns how many bytes of an item stand before its value.
func prefixSize(item []byte) int {
	switch {
	case len(item) == 0 || item[0] < 0x80:
		return 1
	default:
		return 1 + 1<<(item[0]&3) // 0xcc to 0xcf
	}
}

// failure is the error of a task that failed.
func (m *taskMark) failure() error {
	err := m.err
	if err == nil {
		types := typesOf(m.fn)
		err = softLimit(m.soft, m.outcome, wireFailure(m.outcome, bytes.Clone(m.value), types.arg, types.result))
	}
	return &TaskError{Func: m.fn, Index: m.index, Slot: m.at.slot, PID: m.at.pid, Attempt: m.at.attempt, Err: err}
}
