package main

import (
	"context"
	"iter"
	"math/rand/v2"
)

// What a shuffle holds at the most: so many items, and names of so many bytes together.
const (
	shuffleItems = 1 << 16
	shuffleBytes = 64 << 20
)

// shuffle yields items in a random order that follows from the seed. Up to its bounds it is as good as any: each order is as
// likely as another. Of more items each is exchanged for a random one of those that it holds, so that memory stays flat and no item comes long
// before its turn; it may come long after it.
type shuffle struct {
	random *rand.Rand
	items  int // bounds
	bytes  int
}

func newShuffle(seed uint64) *shuffle {
	return &shuffle{random: rand.New(rand.NewPCG(seed, 0)), items: shuffleItems, bytes: shuffleBytes}
}

func (s *shuffle) stage(_ context.Context, items iter.Seq[item]) iter.Seq[item] {
	return func(yield func(item) bool) {
		var held []item
		size := 0
		draw := func() item {
			i, last := s.random.IntN(len(held)), len(held)-1
			it := held[i]
			held[i] = held[last]
			held[last] = item{}
			held = held[:last]
			size -= len(it.name)
			return it
		}
		for it := range items {
			held = append(held, it)
			size += len(it.name)
			for len(held) > s.items || size > s.bytes && len(held) > 1 {
				if !yield(draw()) {
					return
				}
			}
		}
		for len(held) > 0 {
			if !yield(draw()) {
				return
			}
		}
	}
}
