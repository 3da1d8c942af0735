package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/procpool/procpool/pool"
)

func TestProgressSaysWhatIsKnown(t *testing.T) {
	for _, test := range []struct {
		done, failed, skipped, total int64
		elapsed                      time.Duration
		want                         string
	}{
		{0, 0, 0, 0, 0, "0"},
		{12, 0, 0, 0, 100 * time.Millisecond, "12"},
		{1500, 0, 0, 0, 2 * time.Second, "1,500, 750/s"},
		{1500, 2, 0, 3000, 2 * time.Second, "1,500 / 3,000 (50%), 2 failed, 750/s, 2s left"},
		{3000, 0, 0, 3000, 2 * time.Second, "3,000 / 3,000 (100%), 1,500/s"},
		{1000, 0, 1000, 3000, 2 * time.Second, "2,000 / 3,000 (66%), 1,000 skipped, 500/s, 2s left"},
		{3, 0, 0, 6, 2 * time.Second, "3 / 6 (50%), 1.5/s, 2s left"},
		{3, 0, 0, 0, 2 * time.Minute, "3, 1.5/min"},
		{1, 0, 0, 0, 2 * time.Hour, "1, 0.5/h"},
	} {
		var c counts
		c.done.Store(test.done)
		c.failed.Store(test.failed)
		c.skipped.Store(test.skipped)
		c.total.Store(test.total)
		assert.Equal(t, test.want, c.text(test.elapsed))
	}
}

func someWorkers() []pool.WorkerInfo {
	now := time.Now()
	return []pool.WorkerInfo{
		{Slot: 0, State: pool.StateBusy, RSS: 34 << 20, Since: now.Add(-time.Hour), TaskTime: 12 * time.Second},
		{Slot: 1, State: pool.StateIdle, RSS: 6 << 20, Since: now.Add(-time.Hour), Restarts: 2},
		{Slot: 2, State: pool.StateStarting, Since: now},
	}
}

func TestTheWorkersFitTheirLine(t *testing.T) {
	w := workersText{time.Now(), someWorkers()}
	assert.Equal(t, "0: busy 12s, 34.0 MiB  1: idle, 6.0 MiB, 2 restarts  2: starting", w.within(100))
	assert.Equal(t, "3 workers: 1 busy (up to 12s), 1 idle, 1 starting, 40.0 MiB", w.within(60))
	assert.Equal(t, "3 workers", w.within(10))
	assert.Empty(t, w.within(0))
	assert.Equal(t, "0 workers: none yet", workersText{}.summary())
}

func TestALineOfProgressHasEverything(t *testing.T) {
	var out bytes.Buffer
	var c counts
	c.total.Store(4)
	c.add(true)
	p := startProgress(newConsole(&out), "title", &c, someWorkers, true)
	p.look()
	assert.Equal(t, "procpool: title: 1 / 4 (25%), 1 failed; 3 workers: 1 busy (up to 12s), 1 idle, 1 starting, 40.0 MiB, 2 restarts", p.plainLine())
	p.stop()
	assert.Empty(t, out.String(), "a run that is over soon shows no line")
}

func TestLinesPassAboveTheBar(t *testing.T) {
	var out bytes.Buffer
	c := newConsole(&out)
	p := startProgress(c, "title", &counts{}, someWorkers, false) // the library sees that it is no terminal, and draws nothing
	c.say("a line")
	p.stop()
	c.say("another \x1b line")
	assert.Contains(t, out.String(), "another \\x1b line\n")
}

func TestConsoleMakesTheOutputOfWorkersSafe(t *testing.T) {
	var out bytes.Buffer
	n, err := newConsole(&out).Write([]byte("one\x1b[2J\n\ttwo\nlast"))
	assert.NoError(t, err)
	assert.Equal(t, 17, n)
	assert.Equal(t, "one\\x1b[2J\n\ttwo\nlast\n", out.String())
}
