//go:build unix

package conformance_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
)

// longAmong returns n visits of which one, in a certain place, is to g; the others pass.
func longAmong(g *gate, n, at int) []visit {
	all := slices.Repeat([]visit{{Gate: g.path + " is open"}}, n)
	all[at] = g.visit("long")
	return all
}

// Whatever stands behind a long task when that begins is taken back for workers that have nothing to do, and none gets stuck behind it later: everything else is done
// while it runs.
func TestALongTaskAmongTinyOnesHoldsUpNoneOfThem(t *testing.T) {
	const n = 5000
	for name, at := range map[string]int{"first": 0, "in the middle": n / 2, "last": n - 1} {
		for _, workers := range []int{2, 5} {
			t.Run(fmt.Sprintf("%s of %d workers", name, workers), func(t *testing.T) {
				inProcesses(t, func(t *testing.T, m mode) {
					p := m.pool(t, workers)
					g := newGate(t)
					f := pool.GoMap(t.Context(), p, visiting, longAmong(g, n, at))
					long := g.next(t)
					require.Eventually(t, func() bool { return p.Stats().Completed == n-1 }, limit, time.Millisecond)
					long.release()
					_, err := answered(t, f)
					require.NoError(t, err)

					done := 0
					for _, err := range pool.StreamUnordered(t.Context(), p, visiting, slices.Values(longAmong(g, n, at))) {
						require.NoError(t, err)
						if done++; done == n-1 {
							g.next(t).release()
						}
					}
					require.Equal(t, n, done)
				})
			})
		}
	}
}

// Calls are spread again as the items of a Map are.
func TestALongCallAmongTinyOnesHoldsUpNoneOfThem(t *testing.T) {
	inProcesses(t, func(t *testing.T, m mode) {
		const n = 2000
		p := m.pool(t, 2)
		g := newGate(t)
		var all []*pool.Future[int]
		for _, v := range longAmong(g, n, n/2) {
			all = append(all, pool.Go(t.Context(), p, visiting, v))
		}
		for i, f := range all {
			if i != n/2 {
				_, err := answered(t, f)
				require.NoError(t, err)
			}
		}
		g.next(t).release()
		_, err := answered(t, all[n/2])
		require.NoError(t, err)
	})
}
