package pool

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// core is the pool itself. Goroutines hold a core; users hold a Pool, so that a Pool that is dropped can
// be found by the collector and its core closed.
type core struct {
	cfg *config
	log hclog.Logger
	img image

	turns turns // of starts

	armor   *armor
	blobs   *blobs
	kills   killCounter
	output  *output
	exits   *dispatcher[WorkerExit] // nil where nobody listens
	reports *dispatcher[report]     // nil where nobody listens
	stops   stops                   // of WithOnStart

	// outstanding counts calls that are not answered and jobs that are not finished: what Shutdown waits for. It
	// rises only under mu while stopping is false.
	outstanding atomic.Int64
	stopping    atomic.Bool
	drained     chan struct{} // closed when stopping and outstanding is 0
	drainOnce   sync.Once

	plain       *terms // of calls without options
	familiar    familiar
	hearing     atomic.Int32 // callers that wait for a page
	carrierLost sync.Once    // what a tracer wants to travel was too long
	watchers    watchers

	encodeTime, decodeTime atomic.Int64 // nanoseconds; singles are not measured

	supervisors sync.WaitGroup
	procs       sync.WaitGroup
	drainer     sync.Once     // starts drain
	ended       chan struct{} // closed when no process is left
	stopped     chan struct{} // closed when Shutdown or Close has ended everything

	// mu guards all that follows and the fields of slots, procs and batches that say so. It is held for moments, never while
	// something waits; no lock but a job's or an outbox's own is taken under it.
	mu        sync.Mutex
	queue     runQueue
	spares    []*slot               // places for spares
	slots     []*slot               // by position; a slot that Resize took away is not in it
	numbers   int                   // no slot has this number or a higher one
	free      []int                 // numbers below that no slot has
	parked    int                   // slots that are parked
	idle      idleList              // slots with a ready worker and nothing in flight
	live      map[*proc]struct{}    // processes that are not buried
	jobs      map[*job]struct{}     // jobs that are not finished
	speeds    map[string]*speed     // by function
	delayed   map[*call]*time.Timer // calls that wait for another attempt
	judged    map[*call]struct{}    // calls that failed and about which the user is asked
	waiters   []chan struct{}       // submitters that wait for room in the queue, oldest first
	waiting   int                   // calls in queues
	closed    bool                  // Close was called, or Shutdown is done
	dropping  bool                  // Shutdown was called with DropQueued: what no worker has started is dropped
	hoarders  hoarders              // workers that may have tasks that they have not begun
	balancing bool                  // the balance timer runs
	broken    error                 // why no slot is healthy; nil while one is
	notes     []func()              // what is to be logged or told once mu is free
	dirty     []*proc               // have frames to write once mu is free
	stats     Stats
	figures   figures
}

// New starts a pool. It returns when all workers are ready: started, greeted, initialised. If one cannot be started it
// says why, in a *StartError, and none is left. ctx bounds the start alone. Options that are wrong are reported together.
//
// Close or Shutdown it. A pool that is dropped without either is closed by the garbage collector, with a warning in the log.
func New(ctx context.Context, opts ...Option) (*Pool, error) {
	cfg := defaults()
	for _, o := range opts {
		if o != nil {
			o(cfg)
		}
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, causeOf(ctx)
	}
	c, err := newCore(cfg)
	if err != nil {
		return nil, err
	}
	if err := c.start(ctx); err != nil {
		c.close()
		return nil, err
	}
	p := &Pool{core: c}
	runtime.AddCleanup(p, abandon, c)
	if err := c.begin(p); err != nil {
		return nil, err
	}
	return p, nil
}

func newCore(cfg *config) (*core, error) {
	img, err := findImage(cfg)
	if err != nil {
		return nil, err
	}
	if err := checkDescriptors(cfg.workers); err != nil && !cfg.inline {
		return nil, &StartError{Stage: "spawn", Path: img.path, Err: err}
	}
	c := &core{
		cfg:     cfg,
		log:     journal{cfg.logger, !cfg.set["WithLogger"]},
		img:     img,
		turns:   newTurns(),
		drained: make(chan struct{}),
		ended:   make(chan struct{}),
		stopped: make(chan struct{}),
		live:    map[*proc]struct{}{},
		jobs:    map[*job]struct{}{},
		speeds:  map[string]*speed{},
		delayed: map[*call]*time.Timer{},
		judged:  map[*call]struct{}{},
		plain:   &terms{limits: cfg.limits(&callConfig{})},
	}
	c.figures.began = time.Now()
	if cfg.insights {
		c.observe(1)
	}
	if cfg.name != "" {
		c.log = c.log.Named(cfg.name)
	}
	c.blobs = newBlobs(c)
	c.armor = &armor{}
	if !cfg.inline {
		if c.armor, err = cfg.hardening.fit(); err != nil {
			return nil, err
		}
		for _, err := range c.armor.cannot {
			c.log.Warn("a measure of WithHardening is not to be had here", "error", err)
		}
	}
	c.output = newOutput(cfg.stdout, cfg.stderr, c.log.Warn)
	if cfg.onExit != nil {
		c.exits = newDispatcher(func(e WorkerExit) { c.guard("WithOnExit", func() { cfg.onExit(e) }) })
	}
	if cfg.onReport != nil {
		c.reports = newDispatcher(func(r report) { c.guard("WithOnReport", func() { cfg.onReport(r.info, r.value) }) })
		c.reports.limit, c.reports.most = maxReports, maxReportBytes
		c.reports.size = func(r report) int { return len(r.value) }
	}
	if cfg.inline {
		c.warnInline()
	}
	return c, nil
}

// start brings up the slots and waits until each has a ready worker or one has failed.
func (c *core) start(ctx context.Context) error {
	c.startPulse()
	c.mu.Lock()
	first := c.growLocked(c.cfg.workers)
	c.unlock()
	if err := c.await(ctx, first, c.cfg.workers); err != nil {
		return err
	}
	c.startSpares()
	return nil
}

// await waits until so many slots have sent their first word, or one of them that it failed.
func (c *core) await(ctx context.Context, first <-chan error, slots int) error {
	for range slots {
		select {
		case err := <-first:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return causeOf(ctx)
		case <-c.stopped:
			return ErrClosed
		}
	}
	return nil
}

// noteLocked logs something when mu is released, by unlock: where the logger writes to may be slow, or ask the pool something.
func (c *core) noteLocked(log func(msg string, args ...any), msg string, args ...any) {
	c.notes = append(c.notes, func() { log(msg, args...) })
}

// unlock releases mu and then writes what was queued for the pipes and the log meanwhile: a system call under mu would make every
// other goroutine wait for it.
func (c *core) unlock() {
	var few [4]*proc
	dirty := append(few[:0], c.dirty...)
	for _, p := range dirty {
		p.dirty = false
	}
	clear(c.dirty)
	c.dirty = c.dirty[:0]
	notes := c.notes
	c.notes = nil
	c.mu.Unlock()
	for _, p := range dirty {
		p.out.flush()
	}
	for _, note := range notes {
		note()
	}
}

// admitLocked says why nothing can be submitted, nil if it can.
func (c *core) admitLocked() error {
	switch {
	case c.closed || c.stopping.Load():
		return ErrClosed
	case c.broken != nil:
		return brokenError(c.broken)
	}
	return nil
}

// settle counts n units of outstanding work as done.
func (c *core) settle(n int64) {
	if c.outstanding.Add(-n) == 0 && c.stopping.Load() {
		c.drainOnce.Do(func() { close(c.drained) })
	}
}

// failAllLocked answers everything that is pending with cause: queued, in flight, and not yet submitted.
func (c *core) failAllLocked(cause error) (after []func()) {
	calls := c.queue.drain()
	for _, s := range c.slots {
		calls = append(calls, s.keyed.drain()...)
	}
	for p := range c.live {
		for _, b := range p.inflight {
			calls = append(calls, b.openCalls()...)
		}
	}
	calls = append(calls, c.takeDelayedLocked()...)
	calls = slices.AppendSeq(calls, maps.Keys(c.judged))
	for j := range c.jobs {
		c.stats.Cancelled += j.giveUpLocked(cause)
		after = append(after, func() { j.fail(cause) })
	}
	for _, call := range calls {
		if !call.dropped && call.decide(answer{err: cause, worker: nowhere}) {
			call.dropped = true
			if !call.counted {
				c.stats.Cancelled++
			}
			after = append(after, call.tell)
		}
	}
	c.wakeWaitersLocked()
	return after
}

// guard runs a user's callback; a panic in it is logged and goes no further. One that calls runtime.Goexit takes the caller's goroutine with it.
func (c *core) guard(name string, f func()) {
	returned := false
	defer func() {
		switch v := recover(); {
		case v != nil:
			c.log.Error("callback panicked", "callback", name, "panic", v)
		case !returned:
			c.log.Error("callback called runtime.Goexit", "callback", name)
		}
	}()
	f()
	returned = true
}

// Shutdown ends the pool in good order, as Python's close and join: nothing can be submitted any more, what was submitted
// runs to the end, finalizers run, the workers end. Streams read no more input and yield what they had submitted, then ErrClosed.
//
// ctx bounds the waiting alone: when it ends first, Shutdown returns its error and the pool goes on draining; Close ends it at once.
// It is safe to call more than once and together with Close.
func (p *Pool) Shutdown(ctx context.Context, opts ...ShutdownOption) error {
	defer runtime.KeepAlive(p)
	var cfg shutdownConfig
	for _, o := range opts {
		o(&cfg)
	}
	c := p.core
	c.beginShutdown(cfg)
	select {
	case <-c.stopped:
		return nil
	default:
	}
	select {
	case <-c.stopped:
		return nil
	case <-ctx.Done():
		return causeOf(ctx)
	}
}

func (c *core) beginShutdown(cfg shutdownConfig) {
	c.mu.Lock()
	c.stopping.Store(true)
	c.dropping = c.dropping || cfg.dropQueued
	c.wakeWaitersLocked()
	var after []func()
	for j := range c.jobs {
		switch {
		case cfg.dropQueued:
			after = append(after, func() { c.dropQueued(j, ErrClosed) })
		case j.lazy:
			after = append(after, j.endInput)
		}
	}
	if cfg.dropQueued {
		calls := c.queue.drainCalls()
		for _, s := range c.slots {
			calls = append(calls, s.keyed.drainCalls()...)
		}
		calls = append(calls, c.takeDelayedLocked()...)
		for _, call := range calls {
			call.dropped = true
			c.stats.Cancelled++
			after = append(after, func() { call.complete(answer{err: ErrClosed, worker: nowhere}) })
		}
	}
	c.unlock()
	for _, f := range after {
		f()
	}
	if cfg.dropQueued {
		c.takeBack()
	}
	c.settle(0)
	c.drainer.Do(func() { go c.drain() })
}

// takeBack takes from the workers what they have not begun, for jobs and lanes that drop it.
func (c *core) takeBack() {
	c.mu.Lock()
	defer c.unlock()
	for p := range c.live {
		p.recallAllLocked()
		p.dropAnsweredLocked()
		c.refillLocked(p)
	}
}

// drain waits for what was submitted, then ends the workers in good order. One goroutine of a pool that was shut down; it ends with the
// last process, which Close brings about at once.
func (c *core) drain() {
	<-c.drained
	c.mu.Lock()
	c.quitAllLocked()
	c.unlock()
	c.supervisors.Wait()
	c.procs.Wait()
	c.finish()
}

// quitAllLocked ends every slot and every place for a spare.
func (c *core) quitAllLocked() {
	for _, s := range c.slots {
		s.quitLocked()
	}
	for _, s := range c.spares {
		s.quitLocked()
	}
}

// finish ends what is left when no process is: the outputs, the dispatchers, what WithOnStart began.
func (c *core) finish() {
	c.mu.Lock()
	hurry := c.closed // by Close
	c.closed = true
	c.mu.Unlock()
	close(c.ended)
	c.kills.end()
	c.output.close(hurry)
	c.blobs.end()
	if c.exits != nil {
		c.exits.close()
	}
	if c.reports != nil {
		c.reports.close()
	}
	c.stops.call(c)
	close(c.stopped)
}

func (c *core) isStopped() bool {
	select {
	case <-c.stopped:
		return true
	default:
		return false
	}
}

// Close ends the pool now, as Python's terminate and join: pending and running calls get ErrClosed, the worker processes and their
// groups are killed and reaped. No finalizers run. It is idempotent, safe after and during Shutdown, and always returns nil.
func (p *Pool) Close() error {
	defer runtime.KeepAlive(p)
	p.core.close()
	return nil
}

func (c *core) close() {
	c.mu.Lock()
	c.stopping.Store(true)
	c.closed = true
	after := c.failAllLocked(ErrClosed)
	c.quitAllLocked()
	for p := range c.live {
		p.killLocked(ReasonStopped, nil)
	}
	c.unlock()
	for _, f := range after {
		f()
	}
	c.drainer.Do(func() { go c.drain() })
	c.drainOnce.Do(func() { close(c.drained) })
	<-c.stopped
}

// abandon closes the core of a Pool that was dropped.
func abandon(c *core) {
	c.mu.Lock()
	silent := c.closed || c.stopping.Load()
	c.mu.Unlock()
	if silent {
		return
	}
	c.log.Warn("a pool was dropped without Close or Shutdown; closing it")
	go c.close() // not here: cleanups share one goroutine
}

// joinCause joins why a job ended with the failures of its items before.
func joinCause(cause error, failed Errors) error {
	switch {
	case cause == nil && len(failed) == 0:
		return nil
	case cause == nil:
		return failed
	case len(failed) == 0:
		return cause
	}
	return errors.Join(cause, failed)
}
