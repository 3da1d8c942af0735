package pool

import (
	"context"
	"sync"
)

// watchers end calls when their contexts end. A context is asked once for all calls that have it: thousands of futures under one context would
// cost a registration each, more than all else that a tiny task costs.
type watchers struct {
	mu sync.Mutex
	m  map[<-chan struct{}]*watcher // by what the context closes; made on demand
}

// watcher is the calls of one context that are not answered.
type watcher struct {
	ctx   context.Context
	first *call
	stop  func() bool // makes the context forget the watcher
}

// links are a call's place in its watcher's list; under watchers.mu.
type links struct {
	in         *watcher // nil while it is in none
	prev, next *call
}

// join makes the end of ctx the end of c, which is bound.
func (w *watchers) join(ctx context.Context, c *call) {
	w.mu.Lock()
	one := w.m[ctx.Done()]
	if one == nil {
		one = &watcher{ctx: ctx}
		if w.m == nil {
			w.m = map[<-chan struct{}]*watcher{}
		}
		w.m[ctx.Done()] = one
		one.stop = context.AfterFunc(ctx, func() { w.fire(c.core, one) })
	}
	c.watched = links{in: one, next: one.first}
	if one.first != nil {
		one.first.watched.prev = c
	}
	one.first = c
	w.mu.Unlock()
	if c.answered() {
		w.leave(c) // whoever answered may have been here before
	}
}

// leave ends that.
func (w *watchers) leave(c *call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := c.watched.in
	if one == nil {
		return
	}
	if next := c.watched.next; next != nil {
		next.watched.prev = c.watched.prev
	}
	if prev := c.watched.prev; prev != nil {
		prev.watched.next = c.watched.next
	} else if one.first = c.watched.next; one.first == nil {
		w.forgetLocked(one)
		one.stop()
	}
	c.watched = links{}
}

func (w *watchers) forgetLocked(one *watcher) {
	if done := one.ctx.Done(); w.m[done] == one {
		delete(w.m, done)
	}
}

// fire cancels the calls of a context that has ended.
func (w *watchers) fire(core *core, one *watcher) {
	w.mu.Lock()
	w.forgetLocked(one)
	var calls []*call
	for c := one.first; c != nil; {
		next := c.watched.next
		c.watched = links{}
		calls = append(calls, c)
		c = next
	}
	one.first = nil
	w.mu.Unlock()
	cause := causeOf(one.ctx)
	for _, c := range calls {
		core.cancel(c, cause)
	}
}
