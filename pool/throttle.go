package pool

import "time"

// throttle slows down a worker that sends more records and reports than anybody can want. It costs that worker alone: what it sends waits in its own pipe. A
// token is one frame or a kilobyte.
type throttle struct {
	tokens int
	since  time.Time
}

const (
	noiseRate  = 20_000 // tokens a second
	noiseBurst = 20_000
	noiseNap   = 5 * time.Millisecond
)

// pass takes the tokens of a frame, waiting for them if there are none.
func (t *throttle) pass(bytes int) {
	t.tokens -= 1 + bytes>>10
	if t.tokens > 0 {
		return
	}
	now := time.Now()
	passed := min(now.Sub(t.since), noiseBurst*time.Second/noiseRate) // more would not count, and days would overflow
	earned := int(passed * noiseRate / time.Second)
	t.since = now
	if t.tokens = min(t.tokens+earned, noiseBurst); t.tokens <= 0 {
		time.Sleep(noiseNap)
	}
}
