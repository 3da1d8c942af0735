package main

import (
	"context"
	"iter"
	"maps"
	"slices"
)

// places bounds how many items are under way or wait for their turn: one that takes an
// hour at the head must not let the others pile up.
type places chan struct{}

// limit yields items as places get free.
func (p places) limit(ctx context.Context, items iter.Seq[item]) iter.Seq[item] {
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
func (p places) take(ctx context.Context) bool {
	select {
	case p <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// free gives a place back.
func (p places) free() { <-p }

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
func inOrder(outcomes iter.Seq[outcome], p places) iter.Seq[outcome] {
	return func(yield func(outcome) bool) {
		early := map[int]outcome{}
		next := 0
		for o := range outcomes {
			early[o.item.place] = o
			for {
				o, ok := early[next]
				if !ok {
					break
				}
				delete(early, next)
				next++
				p.free()
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
