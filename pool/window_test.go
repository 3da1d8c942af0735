package pool

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// newTestWindow is a window of a job that nobody runs.
func newTestWindow(exact int) *window {
	c := &core{speeds: map[string]*speed{}, slots: []*slot{{}}}
	j := &job{core: c, stop: make(chan struct{})}
	w := &window{}
	w.init(c, j, exact)
	return w
}

func TestAnExactWindowHasJustItsPlaces(t *testing.T) {
	w := newTestWindow(3)
	for range 3 {
		require.True(t, w.acquire())
	}
	for range 100 {
		took := make(chan bool, 1)
		go func() { took <- w.acquire() }()
		require.Eventually(t, w.waiting.Load, 10*time.Second, time.Microsecond, "the feeder waits")
		require.Empty(t, took)
		w.release()
		require.True(t, <-took)
	}
	took := make(chan bool, 1)
	go func() { took <- w.acquire() }()
	require.Eventually(t, w.waiting.Load, 10*time.Second, time.Microsecond)
	w.job.stopInput()
	require.False(t, <-took, "no place where the input is to stop")
	require.False(t, w.acquire())
}

// There are places left, but too many bytes on their way: the feeder sleeps until something is yielded, and does not look again and again.
func TestAnAdaptiveWindowWaitsForBytesToo(t *testing.T) {
	w := newTestWindow(0)
	require.True(t, w.acquire())
	require.True(t, w.acquire())
	w.job.bytes.Store(windowBytes)
	took := make(chan bool, 1)
	go func() { took <- w.acquire() }()
	require.Eventually(t, w.waiting.Load, 10*time.Second, time.Microsecond)
	require.Never(t, func() bool { return !w.waiting.Load() }, 20*time.Millisecond, time.Millisecond)
	w.job.bytes.Store(0)
	w.release()
	require.True(t, <-took)
}

func TestAnAdaptiveWindowFollowsTheSpeedOfTheTasks(t *testing.T) {
	w := newTestWindow(0)
	require.True(t, w.acquire())
	require.EqualValues(t, 4, w.size, "nothing is known: four for each worker")
	for mean, want := range map[time.Duration]int64{100: windowMost, 10 * time.Microsecond: 2000, time.Second: 4} {
		w.core.speeds[w.job.fn] = &speed{usual: mean}
		w.resize()
		require.Equal(t, want, w.size, "tasks of %v", mean)
	}
}
