package pool

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// What a worker says seldom costs nothing, however long it was silent before.
func TestAThrottleForgivesWhateverTimeHasPassed(t *testing.T) {
	for _, silence := range []time.Duration{0, time.Second, time.Hour, 6 * 24 * time.Hour, 20 * 24 * time.Hour, 1 << 62} {
		th := throttle{tokens: 1, since: time.Now().Add(-silence)}
		if silence == 0 {
			th = throttle{} // of a worker that has said nothing yet
		}
		begin := time.Now()
		for range 1000 {
			th.pass(10)
		}
		assert.Positive(t, th.tokens, "after %v", silence)
		assert.Less(t, time.Since(begin), time.Second, "after %v", silence) // else it naps a thousand times
	}
}

func TestAThrottleHoldsAFlood(t *testing.T) {
	var th throttle
	begin := time.Now()
	for range 3 * noiseBurst / 2 {
		th.pass(10)
	}
	assert.GreaterOrEqual(t, time.Since(begin), 400*time.Millisecond)
}
