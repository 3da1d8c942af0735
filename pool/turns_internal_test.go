package pool

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestATurnIsWaitedForAndGivenBack(t *testing.T) {
	turns := make(turns, 1)
	quit := make(chan struct{})
	require.True(t, turns.take(quit))
	back := turns.lend(time.Hour)
	next := make(chan bool)
	go func() { next <- turns.take(quit) }()
	select {
	case <-next:
		t.Fatal("two have the only turn")
	case <-time.After(10 * time.Millisecond):
	}
	back()
	assert.True(t, <-next)
	back() // once more does nothing
	go func() { next <- turns.take(quit) }()
	close(quit)
	assert.False(t, <-next)
}

func TestATurnThatIsHeldForTooLongIsTakenBack(t *testing.T) {
	turns := make(turns, 1)
	require.True(t, turns.take(nil))
	back := turns.lend(time.Millisecond)
	require.True(t, turns.take(nil))
	back() // too late: the turn is another's now
	assert.Len(t, turns, 1)
}
