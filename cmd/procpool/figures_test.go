package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/procpool/procpool/pool"
)

func TestFiguresAreReadable(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 3 << 19: "1.5 MiB", 5 << 40: "5.0 TiB"} {
		assert.Equal(t, want, byteSize(n))
	}
	for d, want := range map[time.Duration]string{
		1234:                     "1.2µs",
		12345 * time.Microsecond: "12.3ms",
		1234 * time.Millisecond:  "1.23s",
		61234 * time.Millisecond: "1m1s",
	} {
		assert.Equal(t, want, seconds(d))
	}
}

func TestASpeedUpOfHardlyAnyWorkIsNotShown(t *testing.T) {
	for _, test := range []struct {
		exec, wall time.Duration
		shown      bool
	}{
		{0, time.Second, false}, {9 * time.Millisecond, 9 * time.Millisecond, false}, {99 * time.Millisecond, time.Second, false},
		{10 * time.Millisecond, 100 * time.Millisecond, true}, {2 * time.Second, time.Second, true},
	} {
		tally := tally{exec: test.exec, wall: test.wall}
		assert.Equal(t, test.shown, strings.Contains(tally.table(pool.Stats{}, 2, nil), "speed-up over one process"), test)
	}
}
