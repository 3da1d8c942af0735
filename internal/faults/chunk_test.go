//go:build linux

package faults

import (
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
)

// poisonedOrders returns orders of which some kill their process.
func poisonedOrders(l ledger, n int, manner string, poison ...int) []order {
	orders := make([]order, n)
	for i := range orders {
		orders[i] = order{Index: i, Ledger: l}
		if slices.Contains(poison, i) {
			orders[i].Do = manner
		}
	}
	return orders
}

func TestRow043PoisonInsideAChunkOf100CostsItselfAlone(t *testing.T) {
	const n, poison = 100, 40
	for _, manner := range []string{"signal 9", "exit 0", "go-panic x"} {
		t.Run(manner, func(t *testing.T) {
			f := start(t, 2)
			l := newLedger(t)
			answers, err := pool.Map(t.Context(), f.Pool, obey, poisonedOrders(l, n, manner, poison), pool.Chunk(n))
			onlyLost(t, err, poison)
			require.Len(t, answers, n)
			dead := f.exit().PID
			assert.Equal(t, poison, l.last(t, dead), "the last task of the process that died: what had not begun ran elsewhere")
			for i, a := range answers {
				if i == poison {
					continue
				}
				assert.Equal(t, i, a.Index)
				assert.Equal(t, 1, a.Attempt, "task %d", i)
			}
			l.check(t, n, poison)
			assert.Empty(t, f.exits, "one process died")
		})
	}
}

func TestRow044PoisonAtTheEdgesOfAChunkKeepsTheOrder(t *testing.T) {
	const n, chunk = 60, 20
	for _, poison := range [][]int{{0}, {chunk - 1}, {chunk}, {n - 1}, {0, chunk - 1, chunk, n - 1}, {chunk - 2, chunk - 1}} {
		t.Run(strconv.Itoa(len(poison))+" from "+strconv.Itoa(poison[0]), func(t *testing.T) {
			f := start(t, 2)
			l := newLedger(t)
			i := 0
			for a, err := range pool.Stream(t.Context(), f.Pool, obey, slices.Values(poisonedOrders(l, n, "signal 9", poison...)), pool.Chunk(chunk)) {
				if slices.Contains(poison, i) {
					fate{signal: 9}.check(t, err)
					if task := taskError(t, err); task != nil {
						assert.Equal(t, i, task.Index)
					}
				} else {
					assert.NoError(t, err, "task %d", i)
					assert.Equal(t, i, a.Index)
				}
				i++
			}
			assert.Equal(t, n, i)
			l.check(t, n, poison...)
		})
	}
}
