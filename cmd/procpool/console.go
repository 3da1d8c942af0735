package main

import (
	"bytes"
	"io"
	"os"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"golang.org/x/term"
)

// console is standard error. Everything that is written to it while a run goes on
// passes here, so that lines and the progress bar do not run into each other, and so
// that no line of a worker reaches the terminal as it came.
type console struct {
	w        io.Writer
	terminal bool

	mu   sync.Mutex
	bars *mpb.Progress // shows a bar; nil while none is shown
}

func newConsole(w io.Writer) *console {
	return &console{w: w, terminal: isTerminal(w) && os.Getenv("TERM") != "dumb"}
}

// isTerminal reports whether stream is a terminal. A test's stream never is.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// say writes one line, made safe.
func (c *console) say(line string) {
	_, _ = c.raw(c.w, []byte(printable(line)+"\n"))
}

// show writes text of our own, which may have several lines.
func (c *console) show(text string) {
	_, _ = c.raw(c.w, []byte(text))
}

// Write takes whole lines of a worker's output or of the pool's log.
func (c *console) Write(p []byte) (int, error) {
	var b bytes.Buffer
	for line := range bytes.Lines(p) {
		b.WriteString(printableLine(string(bytes.TrimSuffix(line, []byte("\n")))))
		b.WriteByte('\n')
	}
	_, err := c.raw(c.w, b.Bytes())
	return len(p), err
}

// raw writes whole lines to w, above the bar if one is shown.
func (c *console) raw(w io.Writer, p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bars != nil {
		// It refuses once the bar has ended, also when it ended by itself.
		if n, err := c.bars.Write(p); err == nil {
			return n, nil
		}
	}
	return w.Write(p)
}

// home puts the cursor where a line begins: a terminal has written ^C where it was, and what clears the bar begins there.
func (c *console) home() {
	if c.terminal {
		_, _ = c.w.Write([]byte("\r"))
	}
}

// beside returns w for whole lines that may meet the bar: where w is a terminal too,
// they are put above it.
func (c *console) beside(w io.Writer) io.Writer {
	if c.terminal && isTerminal(w) {
		return writerFunc(func(p []byte) (int, error) { return c.raw(w, p) })
	}
	return w
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
