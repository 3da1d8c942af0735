package main

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
)

// outcomesOf are outcomes with these indexes; a negative one fails. It counts how many
// were taken.
func outcomesOf(indexes []int, taken *int) iter.Seq[outcome] {
	return func(yield func(outcome) bool) {
		for _, i := range indexes {
			*taken++
			o := outcome{item: item{index: i, place: i}}
			if i < 0 {
				o.err = errors.New("the end")
			}
			if !yield(o) {
				return
			}
		}
	}
}

func indexesOf(outcomes iter.Seq[outcome]) []int {
	var out []int
	for o := range outcomes {
		out = append(out, o.item.index)
	}
	return out
}

// taken is n places that are all in use.
func taken(n int) *places {
	p := newPlaces(n)
	for range n {
		p.taken <- struct{}{}
	}
	return p
}

func TestInOrderRestoresTheOrder(t *testing.T) {
	for _, test := range []struct {
		name     string
		in, want []int
		free     int
	}{
		{"nothing", nil, nil, 0},
		{"in order already", []int{0, 1, 2}, []int{0, 1, 2}, 3},
		{"backwards", []int{3, 2, 1, 0}, []int{0, 1, 2, 3}, 4},
		{"a gap at the end of an interrupted run", []int{4, 2, 0, -1}, []int{0, 2, 4, -1}, 1},
		{"nothing but the reason", []int{-1}, []int{-1}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			n, p := 0, taken(8)
			assert.Equal(t, test.want, indexesOf(inOrder(outcomesOf(test.in, &n), p)))
			assert.Len(t, p.taken, 8-test.free, "places in use")
			assert.GreaterOrEqual(t, p.bytes, 0)
		})
	}
}

func TestInOrderYieldsAsSoonAsItCan(t *testing.T) {
	n := 0
	for o := range inOrder(outcomesOf([]int{0, 1, 2}, &n), taken(3)) {
		assert.Equal(t, o.item.index+1, n)
	}
}

func TestInOrderStopsWhenAsked(t *testing.T) {
	n := 0
	for range inOrder(outcomesOf([]int{1, 0, 2}, &n), taken(3)) {
		break
	}
	assert.Equal(t, 2, n)
}

func TestUntilFailureYieldsTheFailureLast(t *testing.T) {
	n := 0
	assert.Equal(t, []int{5, -1}, indexesOf(untilFailure(outcomesOf([]int{5, -1, 6}, &n))))
}

func TestPlacesBoundWhatIsRead(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := newPlaces(2)
	read := 0
	items := func(yield func(item) bool) {
		for yield(item{index: read}) {
			read++
		}
	}
	var got []int
	for it := range p.limit(ctx, items) {
		got = append(got, it.index)
		if len(got) == 2 {
			cancel() // nobody gives a place back: without this it would wait for ever
		}
	}
	assert.Equal(t, []int{0, 1}, got)
	assert.Equal(t, 1, read, "no item is read without a place")
}

func TestPlacesEndWithTheItems(t *testing.T) {
	items := slices.Values([]item{{index: 0}, {index: 1}})
	n := 0
	for range newPlaces(5).limit(t.Context(), items) {
		n++
	}
	assert.Equal(t, 2, n)
}

// A slow item at the head must not let long results pile up behind it.
func TestPlacesBoundTheBytesThatWait(t *testing.T) {
	const size = 8 << 20
	p := newPlaces(1000)
	outcomes := func(yield func(outcome) bool) {
		for it := range placed(func(yield func(item) bool) {
			for yield(item{}) {
			}
		}) {
			o := outcome{item: it, timing: pool.Timing{ResultBytes: size}}
			if it.place == 0 {
				continue // it takes an hour
			}
			if p.tooMany() != nil {
				o.item.place, o.item.index = 0, 0
				yield(o) // now it is there
				return
			}
			p.taken <- struct{}{}
			if !yield(o) {
				return
			}
		}
	}
	p.taken <- struct{}{}
	got := len(indexesOf(inOrder(outcomes, p)))
	assert.Equal(t, maxWaitingBytes/size+2, got)
	assert.Nil(t, p.tooMany())
	assert.Zero(t, p.bytes)
}

func TestPlacesWaitUntilWhatWaitsIsLess(t *testing.T) {
	p := newPlaces(3)
	require.True(t, p.take(t.Context()))
	p.hold(maxWaitingBytes + 1)
	took := make(chan bool)
	go func() { took <- p.take(t.Context()) }()
	p.free(maxWaitingBytes + 1)
	assert.True(t, <-took)

	ctx, cancel := context.WithCancel(t.Context())
	p.hold(maxWaitingBytes + 1)
	go func() { took <- p.take(ctx) }()
	cancel()
	assert.False(t, <-took)
}
