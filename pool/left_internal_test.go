//go:build linux

package pool

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/worker"
)

var (
	quickWait = worker.Register("quick wait", func(_ context.Context, n int) (int, error) {
		for began := time.Now(); time.Since(began) < time.Duration(n)*time.Microsecond; {
		}
		return n, nil
	})
	quickBytes = worker.Register("quick bytes", func(_ context.Context, n int) ([]byte, error) { return make([]byte, n), nil })
)

// An answer in the ring is there until it is taken, however long neither its caller nor recv have a processor, and whatever the worker would do meanwhile.
func TestAnAnswerThatIsLeftInTheRingIsThereUntilItIsTaken(t *testing.T) {
	p, err := New(t.Context(), WithWorkers(1))
	require.NoError(t, err)
	defer p.Close()
	c := p.core
	c.mu.Lock()
	proc := c.slots[0].proc
	c.mu.Unlock()
	if !proc.nudges() {
		t.Skip("nobody listens here")
	}
	_, err = Map(t.Context(), p, quickBytes, make([]int, 1000)) // it is known to be short
	require.NoError(t, err)
	sizes := make([]int, 64)
	for i := range sizes {
		sizes[i] = 8000 // in all several times the ring
	}
	heard := 0
	for range 20 {
		for range 2 * speedFrames { // this too
			_, err := Call(t.Context(), p, quickWait, 1)
			require.NoError(t, err)
		}
		proc.reading.Lock() // the caller does not get on
		called := make(chan error, 1)
		go func() {
			_, err := Call(t.Context(), p, quickWait, 300)
			called <- err
		}()
		var name uint32
		require.Eventually(t, func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			if len(proc.inflight) > 0 {
				name = proc.inflight[0].heard
			}
			return len(proc.inflight) > 0
		}, time.Minute, time.Microsecond)
		if name != 0 {
			heard++
		}
		mapped := GoMap(t.Context(), p, quickBytes, sizes, Key("k")) // it is for this worker, which is busy
		require.Eventually(t, func() bool {
			_, left := proc.page.Answer(name)
			return left || name == 0
		}, time.Minute, time.Microsecond)
		c.mu.Lock()
		time.Sleep(10 * time.Millisecond) // nor does recv: the worker does all that it can
		c.mu.Unlock()
		proc.reading.Unlock()
		require.NoError(t, <-called)
		_, err = mapped.Wait(t.Context())
		require.NoError(t, err)
	}
	require.Positive(t, heard)
}
