package main

import (
	"fmt"
	"time"
)

// byteSize is n in the largest binary unit that leaves it at least one.
func byteSize(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1024, 0
	for value >= 1024 && unit < 4 {
		value /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[unit])
}

// seconds is d with three figures or so, as a person reads it.
func seconds(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(100 * time.Nanosecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// startWatch returns a function that tells how long ago that was.
func startWatch() func() time.Duration {
	started := time.Now()
	return func() time.Duration { return time.Since(started) }
}
