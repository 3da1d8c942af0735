package pool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"
	"time"

	"github.com/procpool/procpool/internal/codec"
	"github.com/procpool/procpool/worker"
)

// Future is a result that comes later. It is Python's AsyncResult and concurrent.futures.Future. All methods may be called from any number of goroutines.
type Future[R any] struct {
	call    call
	results *codec.Codec[R]
	arg     interface{ TypeName() string } // the argument's codec, for errors
	ctx     context.Context                // the submitter's

	mu   sync.Mutex
	read bool // val and err are what the answer says
	val  R
	err  error
}

// Done returns a channel that is closed when the result is there and all callbacks of OnDone have run.
func (f *Future[R]) Done() <-chan struct{} { return f.call.wait() }

// Wait waits for the result. It may be called by any number of goroutines, any number of times, and gives all the same answer. ctx bounds
// the waiting only: when it ends first, Wait returns its error and the task goes on.
func (f *Future[R]) Wait(ctx context.Context) (R, error) {
	if f.call.released() { // first, so that a result that is there wins over a context that has ended
		return f.result()
	}
	select {
	case <-f.call.wait():
		return f.result()
	case <-ctx.Done():
		if f.call.released() {
			return f.result()
		}
		var zero R
		return zero, causeOf(ctx)
	}
}

// Cancel asks for the end of the task: if no worker has started it, none will; if one runs it, its context ends, and the worker is
// killed if it goes on for longer than the stop grace. Wait then returns context.Canceled, unless the result is there already.
func (f *Future[R]) Cancel() {
	if halt := f.call.halt; halt != nil {
		halt()
		return
	}
	f.call.core.cancel(&f.call, context.Canceled)
}

// OnDone calls fn with the result. Callbacks registered before the result is there run in order, on a goroutine of the pool, before Done is closed:
// do not Wait for this Future in one. Afterwards fn is called at once in the caller. A panic in fn becomes the Future's error, joined
// with the task's.
func (f *Future[R]) OnDone(fn func(R, error)) {
	hook := func() { f.notify(fn) }
	if !f.call.hook(hook) {
		hook()
	}
}

func (f *Future[R]) notify(fn func(R, error)) {
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.err = errors.Join(f.err, callbackError("OnDone callback", v))
	}()
	fn(f.result())
	returned = true
}

// callbackError says that a function of the user's panicked with v, or, where that is nil, called runtime.Goexit.
func callbackError(name string, v any) error {
	switch v := v.(type) {
	case nil:
		return fmt.Errorf("procpool: %s called runtime.Goexit", name)
	case error:
		return fmt.Errorf("procpool: %s panicked: %w", name, v)
	default:
		return fmt.Errorf("procpool: %s panicked: %v", name, v)
	}
}

func (f *Future[R]) result() (R, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.read {
		f.read = true
		f.err = f.decode()
		f.call.result.value, f.call.result.offered = nil, nil // the encoded form is not needed any more
	}
	return f.val, f.err
}

// decode sets val to what the answer says, or returns its error.
func (f *Future[R]) decode() error {
	a := &f.call.result
	if a.err != nil {
		return a.err
	}
	reading := f.reading()
	err := reading.answered(f.call.core, &f.val, a, f.call.timing)
	if err != nil && endedBy(f.ctx, err) {
		return causeOf(f.ctx)
	}
	return err
}

// reading is made when it is needed: a Future that waits is kept small.
func (f *Future[R]) reading() reading[R] {
	return reading[R]{fn: f.call.fn, results: f.results, argType: f.arg.TypeName(), soft: f.call.limits.soft}
}

// settle sets the result; it is for a Future whose answer comes by no worker.
func (f *Future[R]) settle(val R, err error) {
	f.mu.Lock()
	f.read, f.val, f.err = true, val, err
	f.mu.Unlock()
	f.call.refuse(err)
}

// Call runs fn with arg on a worker and returns its result: Python's apply. Failures of the task are *TaskError; ctx's error, ErrClosed and the like are about
// the call and come bare. When ctx ends Call returns at once, and the worker is freed within the stop grace.
//
// Arguments are encoded before Call returns or a worker is chosen; an argument that is itself a []byte or string of more than 64 KiB is sent from where it is and
// must not be changed before Call returns, and a Call that is cancelled returns once its bytes are no longer read. The type A is inferred from fn, so for a function that takes an interface write any(x).
func Call[A, R any](ctx context.Context, p *Pool, fn worker.Func[A, R], arg A, opts ...CallOption) (R, error) {
	f := begin(ctx, p, fn, &arg, opts, true)
	defer runtime.KeepAlive(p)
	c := &f.call
	if c.trail.told() {
		defer f.endTrace()
	}
	if c.direct == nil || !c.direct.hear(c) {
		c.await(ctx)
	}
	return f.result()
}

// await waits until the call is answered, and cancels it if ctx ends before.
func (c *call) await(ctx context.Context) {
	select {
	case <-c.wait():
	case <-ctx.Done():
		c.core.cancel(c, causeOf(ctx))
		<-c.wait()
	}
}

// Go runs fn with arg on a worker and returns at once: Python's apply_async and submit. It waits only for room in a bounded queue (WithQueueSize). The
// argument is encoded before Go returns, but for one that is itself a []byte or string of more than 64 KiB: that is sent from where it is, and must not be changed until the
// Future is answered. Inside of a struct it is copied. When ctx ends before the result is there, so does the task.
func Go[A, R any](ctx context.Context, p *Pool, fn worker.Func[A, R], arg A, opts ...CallOption) *Future[R] {
	return begin(ctx, p, fn, &arg, opts, false)
}

// begin encodes and submits a call. What goes wrong is the Future's answer. watched says that the caller
// watches ctx himself.
func begin[A, R any](ctx context.Context, p *Pool, fn worker.Func[A, R], arg *A, opts []CallOption, watched bool) *Future[R] {
	t, err := newTyped(p, fn)
	f := &Future[R]{ctx: ctx}
	c := &f.call
	c.core, c.pool, c.fn, c.terms = p.core, p, t.fn, p.core.plain
	f.results, f.arg = t.results, t.args
	c.bound = !watched && ctx.Done() != nil
	c.listens = watched
	if err == nil && p.core.cfg.tracer != nil {
		f.beginTrace(ctx, watched)
	}
	if err == nil && ctx.Err() != nil {
		err = causeOf(ctx)
	}
	if err == nil {
		err = submit(ctx, &t, f, arg, opts)
	}
	if err != nil {
		c.refuse(err)
	} else if c.bound {
		c.core.watchers.join(ctx, c)
	}
	return f
}

// noOptions is the configuration of a call without options. It is only read.
var noOptions callConfig

func submit[A, R any](ctx context.Context, t *typed[A, R], f *Future[R], arg *A, opts []CallOption) (err error) {
	c := &f.call
	cfg := &noOptions
	if len(opts) > 0 || t.core.cfg.retries > 0 {
		own, err := newCallConfig(opts)
		if err != nil {
			return err
		}
		t.configure(&own)
		cfg = &own
		c.terms = &terms{limits: own.limits, retry: own.retry, key: own.key, keyed: own.keyed}
	}
	if c.timing = cfg.timing; c.timing != nil {
		*c.timing = Timing{}
	}
	stamped := c.timing != nil || t.core.figures.sampler.wanting.Load()
	if stamped {
		c.stamp.began = now()
	}
	if c.item, c.lent, err = t.lendItem(c.small[:0], -1, arg); err != nil {
		t.core.countRefused(err)
		return err
	}
	c.carried = t.pack.take()
	if stamped {
		c.stamp.made = now()
	}
	c.due = dueOf(ctx)
	c.positional = t.positional
	return t.core.submit(ctx, c, cfg)
}

// dueOf is when ctx ends by itself; nil for never.
func dueOf(ctx context.Context) *time.Time {
	due, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	at := due // only what is used is allocated
	return &at
}

// beginTrace tells the tracer of a call. A Future that is watched by nobody tells of its end by itself, before all other callbacks.
func (f *Future[R]) beginTrace(ctx context.Context, watched bool) {
	api := "Go"
	if watched {
		api = "Call"
	}
	f.call.trail = f.call.core.trace(ctx, api, f.call.fn, 1)
	if f.call.trail.told() && !watched {
		f.call.hook(f.endTrace)
	}
}

// endTrace tells the tracer of the answer.
func (f *Future[R]) endTrace() {
	end := JobEnd{Tasks: 1, Timing: f.call.timing}
	if _, end.Err = f.result(); end.Err != nil {
		end.Failed = 1
	}
	reading := f.reading()
	f.call.trail.end(end, f.call.result.err, reading.failure)
}

// countRefused counts a task that could not even be encoded.
func (c *core) countRefused(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Submitted++
	c.stats.Failed++
	c.figures.refusedLocked(err)
}

// refuse answers a call that was never submitted.
func (c *call) refuse(err error) {
	c.claim(func() { c.result, c.pool = answer{err: err, worker: nowhere}, nil })
	c.carried.release()
	c.announce()
}

// Broadcast runs fn with arg once on every worker and returns what became of each, in the order of the slots: to fill caches, to change
// settings, to ask for state. Slots without a process because they were idle (WithIdleTimeout) are left out. Result.Index counts from 0. The error speaks of
// the call: ctx's, ErrClosed, ErrBroken; the results that were there are returned with it.
func Broadcast[A, R any](ctx context.Context, p *Pool, fn worker.Func[A, R], arg A, opts ...CallOption) (results []Result[R], err error) {
	defer runtime.KeepAlive(p)
	t, err := newTyped(p, fn)
	if err != nil {
		return nil, err
	}
	trail := t.core.trace(ctx, "Broadcast", t.fn, -1)
	if trail.told() {
		defer func() { trail.end(endOf(results, err), err, t.failure) }()
	}
	cfg, err := newCallConfig(opts)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, causeOf(ctx)
	}
	began := now()
	item, err := t.appendItem(nil, -1, &arg)
	if err != nil {
		t.core.countRefused(err)
		return nil, err
	}
	due := dueOf(ctx)
	t.configure(&cfg)
	has := t.pack.take()
	defer has.release() // each call has its own
	calls, err := t.core.broadcast(t.fn, t.positional, trail, item, has, stamp{began, now()}, due, &cfg, p)
	if err != nil {
		return nil, err
	}
	return gather(ctx, &t, calls)
}

// endOf says how a Broadcast ended.
func endOf[R any](results []Result[R], err error) JobEnd {
	end := JobEnd{Tasks: len(results), Err: err}
	for i := range results {
		if results[i].Err != nil {
			end.Failed++
		}
	}
	return end
}

func (c *core) broadcast(fn string, positional bool, trail *trail, item []byte, has *carried, at stamp, due *time.Time, cfg *callConfig, p *Pool) ([]*call, error) {
	c.mu.Lock()
	defer c.unlock()
	if err := c.admitLocked(); err != nil {
		return nil, err
	}
	var calls []*call
	for _, s := range c.slots {
		if s.parked || s.state == StateBroken {
			continue
		}
		call := &call{
			core: c, pool: p, fn: fn, item: item, due: due, terms: &terms{limits: cfg.limits, pinned: s}, timing: new(Timing), stamp: at, carried: has.again(),
			positional: positional, trail: trail,
		}
		calls = append(calls, call)
		c.outstanding.Add(1)
		c.stats.Submitted++
	}
	for _, call := range calls {
		c.enqueueLocked(call, cfg.priority, &callConfig{})
	}
	return calls, nil
}

// gather waits for the calls of a Broadcast.
func gather[A, R any](ctx context.Context, t *typed[A, R], calls []*call) ([]Result[R], error) {
	results := make([]Result[R], 0, len(calls))
	var failure error
	for _, c := range calls {
		select {
		case <-c.wait():
		case <-ctx.Done():
			t.core.cancel(c, causeOf(ctx))
			<-c.wait()
		}
		a := c.result
		if a.err == errRemoved {
			continue // Resize took the slot away: it is no worker of the pool
		}
		results = append(results, Result[R]{})
		r := &results[len(results)-1]
		*r = Result[R]{Index: len(results) - 1, Err: a.err, Slot: c.pinned.id, PID: a.worker.pid, Attempt: a.worker.attempt}
		var task *TaskError
		switch {
		case a.err == nil:
			if r.Err = t.answered(t.core, &r.Value, &a, &r.Timing); endedBy(ctx, r.Err) {
				r.Err = causeOf(ctx)
				failure = r.Err
			}
		case !errors.As(a.err, &task) && failure == nil:
			failure = a.err
		}
	}
	return results, failure
}

// AsCompleted yields futures as they are answered: Python's as_completed. It ends after the last, or when ctx ends.
func AsCompleted[R any](ctx context.Context, fs ...*Future[R]) iter.Seq[*Future[R]] {
	return func(yield func(*Future[R]) bool) {
		done := make(chan *Future[R], len(fs)) // room for all, so that nobody waits for a consumer that has left
		for _, f := range fs {
			f.call.then(func() { done <- f })
		}
		for range fs {
			select {
			case f := <-done:
				if !yield(f) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// Result is what became of one task, with everything that is known.
type Result[R any] struct {
	Index   int // of the item; -1 where Err is about the whole sequence
	Value   R
	Err     error // a *TaskError; or, with Index -1, why the sequence ended
	Slot    int   // -1 where the task reached no worker
	PID     int
	Attempt int
	Timing  Timing
}
