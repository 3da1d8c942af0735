package spin

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// turns counts how often a spinner that is used so often begins to look.
func turns(s *Spinner, times int, found bool) (looked int) {
	for range times {
		t := s.Start()
		if t.s != nil {
			looked++
		}
		t.Stop(found)
	}
	return looked
}

func needYield(t *testing.T) {
	if !canYield {
		t.Skip("nobody spins on this system")
	}
}

func TestWhoLooksInVainLooksLessAndLess(t *testing.T) {
	needYield(t)
	var s Spinner
	require.Equal(t, 3, turns(&s, 1+1+1+3+1, false), "after one in vain one is left out, after two three")
	require.Less(t, turns(&s, 1000, false), 25)
	require.EqualValues(t, restMost, s.vain.Load())
}

func TestWhoFindsLooksEachTime(t *testing.T) {
	needYield(t)
	var s Spinner
	require.Equal(t, 100, turns(&s, 100, true))
	turns(&s, 1, false)
	turns(&s, 1, true) // left out
	require.Equal(t, 100, turns(&s, 100, true), "one in vain is soon forgotten")
}

func TestATurnIsShort(t *testing.T) {
	needYield(t)
	turn := (&Spinner{}).Start()
	for turn.Again() {
	}
	require.True(t, turn.slow || turn.last.Sub(turn.began) > most)
}

func TestWhereOthersUseTheProcessorNobodySpinsForAWhile(t *testing.T) {
	needYield(t)
	var s Spinner
	turn := Turn{s: &s, slow: true}
	require.False(t, turn.Again())
	turn.Stop(true)
	require.Zero(t, turns(&s, 1<<restMost-1, true), "although it found something: too late")
	require.Equal(t, 1, turns(&s, 1, true))
}

func TestNoSpinnerNeverLooks(t *testing.T) {
	turn := (*Spinner)(nil).Start()
	require.False(t, turn.Again())
	turn.Stop(false)
}
