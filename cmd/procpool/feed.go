package main

import (
	"context"
	"iter"
	"sync"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// feed runs fn over items and yields what came of each, as it comes. An item that parse
// refuses is an outcome too. When the run cannot go on, the last outcome has the index -1
// and the reason.
//
// It uses pool.Results even where the order matters, because only Results tells what each
// task cost; inOrder restores the order.
func feed[A, R any](ctx context.Context, p *pool.Pool, fn worker.Func[A, R], items iter.Seq[item], parse func(item) (A, error), opts []pool.CallOption) iter.Seq[outcome] {
	return func(yield func(outcome) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		f := &feeding[A]{outcomes: make(chan outcome, 64), stop: make(chan struct{}), items: map[int]item{}}
		defer close(f.stop)

		finished := make(chan struct{})
		go func() {
			defer close(finished)
			for r := range pool.Results(ctx, p, fn, f.args(items, parse), opts...) {
				if !f.send(outcomeOf(r, f.take(r.Index))) {
					return
				}
			}
		}()
		f.receive(finished, yield)
	}
}

// feeding joins the two ways in which outcomes arise: from the pool, and from arguments
// that never get there. Both are sent by goroutines that stop ends.
type feeding[A any] struct {
	outcomes chan outcome
	stop     chan struct{} // closed when nobody receives any more

	mu    sync.Mutex
	items map[int]item // by the pool's index: given to it and not yet answered
}

// args yields the arguments, on the pool's goroutine.
func (f *feeding[A]) args(items iter.Seq[item], parse func(item) (A, error)) iter.Seq[A] {
	return func(yield func(A) bool) {
		next := 0
		for it := range items {
			if it.past.isDone() {
				if !f.send(it.past.outcome(it)) {
					return
				}
				continue
			}
			arg, err := parse(it)
			if err != nil {
				if !f.send(rejected(it, err)) {
					return
				}
				continue
			}
			f.put(next, it)
			next++
			if !yield(arg) {
				return
			}
		}
	}
}

func (f *feeding[A]) put(index int, it item) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.items[index] = it
}

// take returns the item of the pool's index. The end of the run, -1, has none.
func (f *feeding[A]) take(index int) item {
	f.mu.Lock()
	defer f.mu.Unlock()
	it, ok := f.items[index]
	if !ok {
		return item{index: -1, place: -1}
	}
	delete(f.items, index)
	return it
}

func (f *feeding[A]) send(o outcome) bool {
	select {
	case f.outcomes <- o:
		return true
	case <-f.stop:
		return false
	}
}

// receive yields outcomes until finished is closed and none is left. What the pool's
// goroutines sent, they sent before that.
func (f *feeding[A]) receive(finished <-chan struct{}, yield func(outcome) bool) {
	for {
		select {
		case o := <-f.outcomes:
			if !yield(o) {
				return
			}
		case <-finished:
			f.drain(yield)
			return
		}
	}
}

func (f *feeding[A]) drain(yield func(outcome) bool) {
	for {
		select {
		case o := <-f.outcomes:
			if !yield(o) {
				return
			}
		default:
			return
		}
	}
}

func outcomeOf[R any](r pool.Result[R], it item) outcome {
	o := outcome{item: it, slot: r.Slot, pid: r.PID, attempt: r.Attempt, timing: r.Timing}
	if r.Err != nil {
		o.err = numbered(r.Err, it.index)
	} else {
		o.value = r.Value
	}
	return o
}
