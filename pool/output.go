package pool

import (
	"bytes"
	"io"
	"reflect"
	"sync"
)

const (
	// maxLine is the longest line that is passed on whole.
	maxLine = 64 << 10
	// tailSize is how much of a process's standard error is kept.
	tailSize = 64 << 10
	// excerptSize is how much of it an ExitError holds.
	excerptSize = 16 << 10
)

// output takes the text of all workers to the configured writers.
type output struct{ stdout, stderr *sink }

func newOutput(stdout, stderr io.Writer, warn warning) *output {
	out := &output{stdout: newSink("WithStdout", stdout, warn)}
	if sameWriter(stdout, stderr) {
		out.stderr = out.stdout // one goroutine, so that the writer is not called twice at a time
	} else {
		out.stderr = newSink("WithStderr", stderr, warn)
	}
	return out
}

func sameWriter(a, b io.Writer) bool {
	ta, tb := reflect.TypeOf(a), reflect.TypeOf(b)
	return ta == tb && ta.Comparable() && a == b
}

// close waits until everything is written; with hurry set no longer than writerTime.
func (o *output) close(hurry bool) {
	o.stdout.close(hurry)
	o.stderr.close(hurry)
}

func (o *output) dropped() int64 {
	n := o.stdout.lost()
	if o.stderr != o.stdout {
		n += o.stderr.lost()
	}
	return n
}

// pumpBuffer is how much is read at once where much is said.
const pumpBuffer = 32 << 10

// pump reads one stream of one worker and passes on whole lines. What does not end in a newline when the
// process ends gets one. ended is closed when it has: from then on nobody waits for a writer.
func pump(r io.Reader, to *sink, c *capture, ended <-chan struct{}) {
	buf := make([]byte, 2<<10) // most workers say little, and there may be many of them
	var line []byte            // the beginning of a line that is not complete
	for {
		n, err := r.Read(buf)
		if n > 0 {
			c.add(buf[:n])
			line = passLines(append(line, buf[:n]...), func(lines []byte) { to.write(c.wanted(lines), ended) })
		}
		if err != nil {
			break
		}
		if n == len(buf) && n < pumpBuffer {
			buf = make([]byte, pumpBuffer)
		}
	}
	if len(line) > 0 {
		to.write(c.wanted(append(line, '\n')), ended)
	}
}

// passLines passes on the whole lines of text, splits what is too long for one, and returns the rest. Only the first line can be too long: what is read at
// once is shorter.
func passLines(text []byte, pass func(lines []byte)) (rest []byte) {
	for len(text) >= maxLine && bytes.IndexByte(text[:maxLine], '\n') < 0 {
		pass(append(bytes.Clone(text[:maxLine-1]), '\n'))
		text = append(text[:0], text[maxLine-1:]...)
	}
	if end := bytes.LastIndexByte(text, '\n') + 1; end > 0 {
		pass(bytes.Clone(text[:end]))
		text = append(text[:0], text[end:]...)
	}
	return text
}

// wholeLines ends the last line of text.
func wholeLines(text []byte) []byte {
	if n := len(text); n > 0 && text[n-1] != '\n' {
		return append(text, '\n')
	}
	return text
}

// capture keeps the end of what a process wrote to standard error. Of other streams it is nil.
type capture struct {
	pumps sync.WaitGroup

	mu      sync.Mutex
	kept    []byte
	total   int64
	report  []byte // the beginning of the last crash report of the Go runtime, at most excerptSize: with many goroutines it is longer than what is kept
	crashed int64  // the position of the report; meaningless without one
	muting  bool   // the pool asked for a dump: it goes into an error, not to the writer
	dumping bool   // the dump has begun
}

func newCapture() *capture { return &capture{} }

// mute keeps a dump of goroutines that the pool asks for from the writer.
func (c *capture) mute() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.muting = true
}

// dumpMark is how the Go runtime begins its answer to SIGQUIT.
var dumpMark = []byte("SIGQUIT: quit\n")

// wanted returns what of some whole lines is for the writer.
func (c *capture) wanted(lines []byte) []byte {
	if c == nil {
		return lines
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.dumping:
		return nil
	case !c.muting:
		return lines
	case bytes.HasPrefix(lines, dumpMark):
		c.dumping = true
		return nil
	}
	if at := lineIndex(lines, dumpMark); at >= 0 {
		c.dumping = true
		return lines[:at]
	}
	return lines
}

func (c *capture) add(b []byte) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noteCrashLocked(b)
	c.kept = append(c.kept, b...)
	c.total += int64(len(b))
	if len(c.kept) > 2*tailSize {
		c.kept = append(c.kept[:0], c.kept[len(c.kept)-tailSize:]...)
	}
}

// noteCrashLocked keeps the beginning of a crash report that begins in b, or goes on in it. Something that only looks like one gives
// way to the next.
func (c *capture) noteCrashLocked(b []byte) {
	if room := excerptSize - len(c.report); len(c.report) > 0 && room > 0 {
		c.report = append(c.report, b[:min(len(b), room)]...)
		return
	}
	// A mark may have come in pieces. One byte more shows whether it begins a line; at the very front that would not be known.
	before := min(len(c.kept), crashMarkSize+1)
	text := append(bytes.Clone(c.kept[len(c.kept)-before:]), b...)
	if at := crashAt(text); at > 0 || at == 0 && before <= crashMarkSize {
		c.crashed = c.total - int64(before) + int64(at)
		c.report = bytes.Clone(text[at:min(len(text), at+excerptSize)])
	}
}

// wait waits until the pumps have read what there is. It is bounded by the child's Bound.
func (c *capture) wait() { c.pumps.Wait() }

// position is where the stream stands.
func (c *capture) position() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// tail returns the last 64 KiB.
func (c *capture) tail() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.kept[max(0, len(c.kept)-tailSize):])
}

// since returns what was written since a position: its end, or where the Go runtime's crash report begins, at most 16 KiB.
func (c *capture) since(position int64) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := c.sinceLocked(position)
	if len(text) > excerptSize && c.hasReportLocked(position) {
		return bytes.Clone(c.report)
	}
	return excerpt(text)
}

func (c *capture) hasReportLocked(position int64) bool {
	return len(c.report) > 0 && c.crashed >= position
}

// between is since, up to another position.
func (c *capture) between(from, to int64) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := c.sinceLocked(from)
	after := min(int(c.total-to), len(text))
	return excerpt(text[:len(text)-after])
}

// dump returns the dump of goroutines that came after a position, whatever stands before it; all of it where it has no beginning. It has at most 64 KiB.
func (c *capture) dump(position int64) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := c.sinceLocked(position)
	if at := bytes.Index(text, dumpMark); at > 0 {
		text = text[at:]
	}
	return string(text)
}

// all returns what was written since a position, as far as it is kept: at most 64 KiB, and before it the beginning of a crash report.
func (c *capture) all(position int64) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	var text []byte
	if c.hasReportLocked(position) {
		text = append(text, c.report...)
	}
	return append(text, c.sinceLocked(position)...)
}

func (c *capture) sinceLocked(position int64) []byte {
	n := min(int(min(c.total-position, tailSize)), len(c.kept))
	return c.kept[len(c.kept)-n:]
}

func excerpt(text []byte) []byte {
	if len(text) > excerptSize {
		if at := crashAt(text); at >= 0 {
			text = text[at:min(len(text), at+excerptSize)]
		} else {
			text = text[len(text)-excerptSize:]
		}
	}
	return bytes.Clone(text)
}
