package main

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
)

// What may wait for its turn: so many items, where --window does not say it, and results of so many bytes.
const (
	maxWaiting      = 8192
	maxWaitingBytes = 64 << 20
)

// places bounds how many items are under way or wait for their turn, and how much memory the results that wait
// take: one item that takes an hour at the head must not let the others pile up.
type places struct {
	taken chan struct{} // one for each item that has a place

	mu    sync.Mutex
	bytes int           // of the results that wait
	eased chan struct{} // closed when they are few enough again; nil while nobody waits for that
}

func newPlaces(n int) *places { return &places{taken: make(chan struct{}, n)} }

// limit yields items as places get free.
func (p *places) limit(ctx context.Context, items iter.Seq[item]) iter.Seq[item] {
	return func(yield func(item) bool) {
		if !p.take(ctx) {
			return
		}
		for it := range items {
			if !yield(it) || !p.take(ctx) {
				return
			}
		}
	}
}

// take waits for a place before an item is read, so that no item is read in vain.
func (p *places) take(ctx context.Context) bool {
	select {
	case p.taken <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	for eased := p.tooMany(); eased != nil; eased = p.tooMany() {
		select {
		case <-eased:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// tooMany returns nil while the results that wait are few enough, and what to wait for while they are not.
// It ends: the item that they wait for was read before them.
func (p *places) tooMany() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bytes <= maxWaitingBytes {
		return nil
	}
	if p.eased == nil {
		p.eased = make(chan struct{})
	}
	return p.eased
}

// hold counts a result that waits.
func (p *places) hold(bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes += bytes
}

// free gives back the place of an item, and what its result took.
func (p *places) free(bytes int) {
	<-p.taken
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes -= bytes
	if p.eased != nil && p.bytes <= maxWaitingBytes {
		close(p.eased)
		p.eased = nil
	}
}

// placed numbers items in the order in which they are run.
func placed(items iter.Seq[item]) iter.Seq[item] {
	return func(yield func(item) bool) {
		place := 0
		for it := range items {
			it.place = place
			place++
			if !yield(it) {
				return
			}
		}
	}
}

// inOrder yields outcomes by place, starting at zero. When the run ends early it yields
// what has come, still in order, and the reason last.
func inOrder(outcomes iter.Seq[outcome], p *places) iter.Seq[outcome] {
	return func(yield func(outcome) bool) {
		early := map[int]outcome{}
		next := 0
		for o := range outcomes {
			early[o.item.place] = o
			p.hold(o.size())
			for {
				o, ok := early[next]
				if !ok {
					break
				}
				delete(early, next)
				next++
				p.free(o.size())
				if !yield(o) {
					return
				}
			}
		}
		yieldRest(early, yield)
	}
}

func yieldRest(early map[int]outcome, yield func(outcome) bool) {
	end, ended := early[-1]
	delete(early, -1)
	for _, index := range slices.Sorted(maps.Keys(early)) {
		if !yield(early[index]) {
			return
		}
	}
	if ended {
		yield(end)
	}
}

// untilFailure ends outcomes after the first item that failed.
func untilFailure(outcomes iter.Seq[outcome]) iter.Seq[outcome] {
	return func(yield func(outcome) bool) {
		for o := range outcomes {
			if !yield(o) || o.err != nil {
				return
			}
		}
	}
}
