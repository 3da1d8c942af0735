package pool

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

// Stream runs fn with each argument of a sequence and yields the results in the order of the arguments: Python's imap. It is lazy and bounded: nothing is read
// before the range, ranging twice runs twice, and inputs are read no further ahead than the window (Window), so an endless input and a slow
// consumer use constant memory. Each argument is encoded, a long []byte too, before the next one is asked for: a sequence may use the same memory again.
//
// An item that fails is yielded as (zero, *TaskError), and the sequence goes on. When ctx ends or the pool does, (zero, cause) is yielded last. Note that
// `for x := range Stream(...)` compiles and drops the errors.
//
// args is read on a goroutine of its own, not on that of the loop. A panic in it is raised again in the loop's goroutine. break
// withdraws what has not started and asks what runs to end; it leaves no goroutine behind, unless args itself is blocked.
func Stream[A, R any](ctx context.Context, p *Pool, fn worker.Func[A, R], args iter.Seq[A], opts ...CallOption) iter.Seq2[R, error] {
	return pairs(ctx, p, fn, args, opts, streamMode{ordered: true})
}

// StreamUnordered is Stream that yields results as they come: Python's imap_unordered.
func StreamUnordered[A, R any](ctx context.Context, p *Pool, fn worker.Func[A, R], args iter.Seq[A], opts ...CallOption) iter.Seq2[R, error] {
	return pairs(ctx, p, fn, args, opts, streamMode{})
}

// Results is StreamUnordered that yields everything that is known of each task. Why the sequence ended before its time is
// the last Result, with Index -1.
func Results[A, R any](ctx context.Context, p *Pool, fn worker.Func[A, R], args iter.Seq[A], opts ...CallOption) iter.Seq[Result[R]] {
	return func(yield func(Result[R]) bool) {
		consume(ctx, p, fn, args, opts, streamMode{timed: true}, func(s *span, index int, r *R, item *wire.Result, err error) bool {
			out := Result[R]{Index: index, Value: take(r), Err: err, Slot: s.worker.slot, PID: s.worker.pid, Attempt: s.worker.attempt}
			if index >= 0 {
				out.Timing = s.timing(index, item)
			}
			return yield(out)
		})
	}
}

// pairs yields the value and the error of each task.
func pairs[A, R any](ctx context.Context, p *Pool, fn worker.Func[A, R], args iter.Seq[A], opts []CallOption, mode streamMode) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		consume(ctx, p, fn, args, opts, mode, func(_ *span, _ int, r *R, _ *wire.Result, err error) bool { return yield(take(r), err) })
	}
}

type streamMode struct{ ordered, timed bool }

// yielder takes what became of one task, and says whether it wants more. The memory behind its arguments is used again for the next one. index -1 is about
// the sequence: why it ended before its time.
type yielder[R any] func(s *span, index int, r *R, item *wire.Result, err error) bool

// consume ranges once over a stream.
func consume[A, R any](ctx context.Context, p *Pool, fn worker.Func[A, R], args iter.Seq[A], opts []CallOption, mode streamMode, out yielder[R]) {
	defer runtime.KeepAlive(p)
	s, err := newStream(ctx, p, fn, args, opts, mode, out)
	if err != nil {
		out.ended(err)
		return
	}
	s.run()
}

// take empties *r: the consumer is the only one who holds what it is given.
func take[R any](r *R) R {
	var zero R
	v := *r
	*r = zero
	return v
}

// ended tells why the sequence ended.
func (out yielder[R]) ended(cause error) {
	var zero R
	out(&span{worker: nowhere}, -1, &zero, nil, cause)
}

// stream is one ranging over a Stream: a feeder goroutine that reads the input, and the consumer's loop.
type stream[A, R any] struct {
	typed[A, R]
	job   *job
	cfg   *callConfig
	mode  streamMode
	args  iter.Seq[A]
	out   yielder[R]
	meter *meter

	window window

	// Of the feeder; written once before fed is closed, but for arg: the argument that is being encoded.
	arg      A
	fed      chan struct{}
	panicked any
	goexit   bool

	// Of the consumer.
	next    int          // ordered: the index to be yielded next
	early   map[int]span // ordered: spans that came before their turn, by first index
	done    int
	failed  int
	stopped bool // the consumer has left or an item failed fast
	value   R    // what is being yielded, and
	item    wire.Result
}

func newStream[A, R any](ctx context.Context, p *Pool, fn worker.Func[A, R], args iter.Seq[A], opts []CallOption, mode streamMode, out yielder[R]) (*stream[A, R], error) {
	t, err := newTyped(p, fn)
	if err != nil {
		return nil, err
	}
	cfg, err := newCallConfig(opts)
	if err != nil {
		return nil, err
	}
	if args == nil {
		return nil, errors.New("procpool: the input sequence is nil")
	}
	if ctx.Err() != nil {
		return nil, causeOf(ctx)
	}
	t.configure(&cfg)
	j, err := p.core.newJob(ctx, p, t.fn, &cfg, true)
	if err != nil {
		return nil, err
	}
	j.timed, j.positional = mode.timed, t.positional
	s := &stream[A, R]{
		typed: t, job: j, cfg: &cfg, mode: mode, args: args, out: out, meter: newMeter(cfg.progress, -1),
		fed: make(chan struct{}), early: map[int]span{},
	}
	s.window.init(p.core, j, cfg.window)
	return s, nil
}

// feed reads the input. One goroutine of each ranging; it ends with the input, or when the input next asks for more after the
// consumer has left.
func (s *stream[A, R]) feed() {
	returned := false
	defer func() {
		s.panicked = recover()
		s.goexit = !returned && s.panicked == nil
		close(s.fed)
		s.job.closeInput()
	}()
	s.read()
	returned = true
}

// probeEach is how many inputs of a stream that is not timed there are for one whose encoding is, where the pool is observed.
const probeEach = 64

func (s *stream[A, R]) read() {
	if !s.window.acquire() {
		return
	}
	index := 0
	var item []byte
	for s.arg = range s.args {
		s.job.taken.Store(int64(index) + 1) // before the next look at stop, in acquire: see endInput
		var err error
		var at stamp
		probed := s.mode.timed || index%probeEach == 0 && s.core.observed()
		if probed {
			at.began = now()
		}
		if item, err = s.appendItem(item[:0], index, &s.arg); err != nil {
			s.job.refuse(index, err)
		} else {
			s.job.carry(index, s.pack.take())
			if probed {
				at.made = now()
				s.job.encodeTime.Store(int64(at.made - at.began))
			}
			s.job.feed(index, item, at)
		}
		if cap(item) > chunkBytes {
			item = nil
		}
		index++
		if !s.window.acquire() {
			return
		}
	}
}

// run consumes.
func (s *stream[A, R]) run() {
	defer s.leave()
	go s.feed()
	var spans []span
	for {
		var over bool
		var cause error
		spans, over, cause = s.job.collect(true, spans)
		for _, span := range spans {
			if !s.take(span) {
				return
			}
		}
		clear(spans)
		if len(spans) > 0 && !(over && cause == nil) {
			continue
		}
		if over {
			s.end(cause)
			return
		}
	}
}

// end tells how the sequence ended, if not by the end of its input.
func (s *stream[A, R]) end(cause error) {
	s.reraise()
	if cause == nil && !s.stopped {
		cause = s.job.cutShort()
	}
	if cause == nil && s.job.inputStopped() && !s.stopped {
		cause = ErrClosed // Shutdown ended the input; what was submitted has been yielded
	}
	s.meter.tell(s.done, s.failed, true)
	if cause != nil {
		s.stopped = true
		s.out.ended(cause)
	}
}

// reraise raises a panic of the input in the consumer's goroutine, once the feeder is known to have ended.
func (s *stream[A, R]) reraise() {
	select {
	case <-s.fed:
	default:
		return
	}
	s.stopped = true
	if s.panicked != nil {
		panic(s.panicked)
	}
	if s.goexit {
		runtime.Goexit()
	}
	s.stopped = false
}

// leave withdraws what is left when the consumer has gone.
func (s *stream[A, R]) leave() {
	s.job.stopInput()
	s.window.wake()
	s.core.withdraw(s.job, context.Canceled)
	s.job.abandon()
	for _, sp := range s.early {
		sp.drop()
	}
}

// take yields what can be yielded when a span has come; false if the consumer leaves.
func (s *stream[A, R]) take(sp span) bool {
	if !s.mode.ordered {
		return s.yield(&sp)
	}
	if sp.first != s.next {
		s.early[sp.first] = sp
		return true
	}
	for ok := true; ok; sp, ok = s.early[s.next] {
		delete(s.early, sp.first)
		if !s.yield(&sp) {
			return false
		}
	}
	return true
}

// yield yields the tasks of a span; false if the consumer leaves.
func (s *stream[A, R]) yield(sp *span) bool {
	s.job.bytes.Add(-sp.size())
	defer sp.drop() // what the consumer has not taken when it leaves
	s.next = sp.first + sp.n
	for sp.n > 0 {
		index := sp.first
		var err error
		if sp.trip != nil {
			sp.trip.decoding = now()
		}
		s.item, err = s.pop(s.core, sp, &s.value)
		if sp.trip != nil {
			sp.trip.decoded = now()
			sp.tell(s.core)
		}
		if err != nil && endedBy(s.job.ctx, err) {
			s.stopped = true
			s.out.ended(causeOf(s.job.ctx))
			return false
		}
		s.done++
		s.window.release()
		if err != nil {
			s.failed++
		}
		s.meter.tell(s.done, s.failed, false)
		if more := s.out(sp, index, &s.value, &s.item, err); !more || err != nil && s.cfg.failFast {
			return false
		}
	}
	return true
}

// window counts the inputs that are read and not yielded. The feeder takes a place before it reads, the consumer gives it back when it yields.
type window struct {
	core  *core
	job   *job
	exact int // the user's number; 0 for adaptive

	taken   int64        // of the feeder
	given   atomic.Int64 // of the consumer
	size    int64        // of the feeder: how many places there are now
	sized   int64        // taken, when size was last looked at
	waiting atomic.Bool  // the feeder waits
	needed  atomic.Int64 // until given is so many
	room    chan struct{}
}

const (
	windowTime  = 20 * time.Millisecond
	windowMost  = 32 << 10
	windowBytes = 64 << 20
	resizeEvery = 64
)

func (w *window) init(c *core, j *job, exact int) {
	w.core, w.job, w.exact = c, j, exact
	w.size = int64(exact)
	w.room = make(chan struct{}, 1)
	w.sized = -resizeEvery
}

// acquire takes a place, waiting for one; false if the input is to stop.
func (w *window) acquire() bool {
	for {
		if w.job.inputStopped() {
			return false
		}
		if w.exact == 0 && w.taken-w.sized >= resizeEvery {
			w.resize()
		}
		if w.taken-w.given.Load() < w.size && (w.exact > 0 || w.job.bytes.Load() < windowBytes) {
			w.taken++
			return true
		}
		if !w.await() {
			return false
		}
	}
}

// await waits until the consumer has given back enough places to be worth waking up for: one where the window is the user's, a
// quarter of an adaptive one.
func (w *window) await() bool {
	if w.exact == 0 {
		w.resize()
	}
	enough := w.taken - w.size + 1
	if w.exact == 0 {
		enough = max(enough+w.size/4, w.given.Load()+1) // at least one: it may be bytes that there are too many of
	}
	w.needed.Store(min(enough, w.taken))
	w.waiting.Store(true)
	if w.given.Load() >= w.needed.Load() {
		w.waiting.Store(false)
		return true
	}
	select {
	case <-w.room:
		return true
	case <-w.job.stop:
		return false
	}
}

// release gives one place back.
func (w *window) release() {
	if given := w.given.Add(1); w.waiting.Load() && given >= w.needed.Load() {
		w.wake()
	}
}

func (w *window) wake() {
	w.waiting.Store(false)
	select {
	case w.room <- struct{}{}:
	default:
	}
}

// resize adapts the window to what the tasks take.
func (w *window) resize() {
	w.sized = w.taken
	w.core.mu.Lock()
	defer w.core.mu.Unlock()
	workers := int64(max(1, len(w.core.slots)))
	w.size = 4 * workers
	if usual := w.core.speedLocked(w.job.fn).usual; usual > 0 {
		w.size = max(w.size, min(int64(windowTime/usual)*workers, windowMost))
	}
}
