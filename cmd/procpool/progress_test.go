package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestProgressSaysWhatIsKnown(t *testing.T) {
	for _, test := range []struct {
		done, total, failed int64
		elapsed             time.Duration
		want                string
	}{
		{0, 0, 0, 0, " 0"},
		{12, 0, 0, 100 * time.Millisecond, " 12"},
		{1500, 0, 0, 2 * time.Second, " 1,500, 750/s"},
		{1500, 3000, 2, 2 * time.Second, " 1,500 / 3,000, 2 failed, 750/s, 2s left"},
		{3000, 3000, 0, 2 * time.Second, " 3,000 / 3,000, 1,500/s"},
	} {
		assert.Equal(t, test.want, progressText(test.done, test.total, test.failed, test.elapsed))
	}
}

func TestNoBarWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	p := startProgress(newConsole(&out), "title")
	p.setTotal(2)
	p.add(false)
	p.stop()
	assert.Nil(t, p)
	assert.Empty(t, out.String())
}

func TestLinesPassAboveTheBar(t *testing.T) {
	var out bytes.Buffer
	c := newConsole(&out)
	c.terminal = true // the library still sees that it is none, and draws nothing
	p := startProgress(c, "title")
	c.say("a line")
	p.add(true)
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
