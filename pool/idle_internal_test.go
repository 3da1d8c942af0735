package pool

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func (l *idleList) all() (down []*slot) {
	for s := l.top; s != nil; s = s.link.below {
		down = append(down, s)
	}
	return down
}

func (l *idleList) allUp() (up []*slot) {
	for s := l.bottom; s != nil; s = s.link.above {
		up = append(up, s)
	}
	return up
}

func TestTheIdleListIsAStackFromWhichAnySlotCanBeTaken(t *testing.T) {
	slots := make([]*slot, 7)
	for i := range slots {
		slots[i] = &slot{id: i}
	}
	var list idleList
	var want []*slot // from the top
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		s := slots[r.IntN(len(slots))]
		at := slices.Index(want, s)
		require.Equal(t, at >= 0, s.link.listed)
		switch r.IntN(3) {
		case 0:
			if at < 0 {
				list.push(s)
				want = slices.Insert(want, 0, s)
			}
		case 1:
			list.remove(s)
			if at >= 0 {
				want = slices.Delete(want, at, at+1)
			}
		default:
			list.sink(s)
			if at >= 0 {
				want = append(slices.Delete(want, at, at+1), s)
			}
		}
		require.Equal(t, len(want), list.n)
		require.True(t, slices.Equal(want, list.all()))
		up := list.allUp()
		slices.Reverse(up)
		require.True(t, slices.Equal(want, up))
	}
}
