package backoff_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/backoff"
)

func TestWaitsDoubleUpToTheMostWithinTheJitter(t *testing.T) {
	for range 100 {
		b := backoff.New(100*time.Millisecond, time.Second)
		for _, want := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
			want *= time.Millisecond
			require.InDelta(t, want, b.Next(), float64(want)/10)
		}
		b.Reset()
		require.InDelta(t, 100*time.Millisecond, b.Next(), float64(10*time.Millisecond))
	}
}

func TestSlotsThatFailTogetherDoNotTryTogether(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 50 {
		b := backoff.New(time.Second, time.Second)
		seen[b.Next()] = true
	}
	require.Greater(t, len(seen), 40)
}
