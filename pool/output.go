package pool

import (
	"bytes"
	"io"
	"reflect"
	"sync"
	"time"
)

const (
	// maxLine is the longest line that is passed on whole.
	maxLine = 64 << 10
	// maxQueued is how much text may wait for a writer that does not keep up. What comes then is dropped, in whole lines.
	maxQueued = 1 << 20
	// tailSize is how much of a process's standard error is kept.
	tailSize = 64 << 10
	// excerptSize is how much of it an ExitError holds.
	excerptSize = 16 << 10
	// writerTime is how long a pool that ends waits for a writer that is stuck.
	writerTime = time.Second
)

// output takes the text of all workers to the configured writers.
type output struct{ stdout, stderr *sink }

func newOutput(stdout, stderr io.Writer) *output {
	out := &output{stdout: newSink(stdout)}
	if sameWriter(stdout, stderr) {
		out.stderr = out.stdout // one goroutine, so that the writer is not called twice at a time
	} else {
		out.stderr = newSink(stderr)
	}
	return out
}

func sameWriter(a, b io.Writer) bool {
	ta, tb := reflect.TypeOf(a), reflect.TypeOf(b)
	return ta == tb && ta.Comparable() && a == b
}

func (o *output) close() {
	o.stdout.close()
	o.stderr.close()
}

func (o *output) dropped() int64 {
	n := o.stdout.lost()
	if o.stderr != o.stdout {
		n += o.stderr.lost()
	}
	return n
}

// sink writes whole lines to one writer, on a goroutine that exists while there is something to write.
type sink struct {
	w io.Writer

	mu      sync.Mutex
	queue   [][]byte
	bytes   int
	running bool
	idle    chan struct{} // closed when running ends
	dropped int64         // lines
}

func newSink(w io.Writer) *sink { return &sink{w: quiet(w)} }

// write queues lines; the sink owns them from now on.
func (s *sink) write(lines []byte) {
	if len(lines) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes > 0 && s.bytes+len(lines) > maxQueued {
		s.dropped += int64(bytes.Count(lines, []byte{'\n'}))
		return
	}
	s.queue = append(s.queue, lines)
	s.bytes += len(lines)
	if !s.running {
		s.running = true
		s.idle = make(chan struct{})
		go s.run()
	}
}

func (s *sink) run() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 {
		lines := s.queue[0]
		s.queue = s.queue[1:]
		s.mu.Unlock()
		s.hand(lines)
		s.mu.Lock()
		s.bytes -= len(lines)
	}
	s.running = false
	close(s.idle)
}

// hand calls the user's writer. What it does with the lines is its affair; a panic in it costs the lines.
func (s *sink) hand(lines []byte) {
	defer func() {
		if recover() != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.dropped += int64(bytes.Count(lines, []byte{'\n'}))
		}
	}()
	_, _ = s.w.Write(lines)
}

// close waits until everything is written, or the writer is stuck.
func (s *sink) close() {
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
	if idle == nil {
		return
	}
	timer := time.NewTimer(writerTime)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
}

func (s *sink) lost() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

// pump reads one stream of one worker and passes on whole lines. What does not end in a newline when the
// process ends gets one.
func pump(r io.Reader, to *sink, c *capture) {
	buf := make([]byte, 32<<10)
	var line []byte // the beginning of a line that is not complete
	for {
		n, err := r.Read(buf)
		if n > 0 {
			c.add(buf[:n])
			line = passLines(append(line, buf[:n]...), to, c)
		}
		if err != nil {
			break
		}
	}
	if len(line) > 0 {
		to.write(c.wanted(append(line, '\n')))
	}
}

// passLines writes the whole lines of text, splits what is too long for one, and returns the rest.
func passLines(text []byte, to *sink, c *capture) (rest []byte) {
	if end := bytes.LastIndexByte(text, '\n') + 1; end > 0 {
		to.write(c.wanted(bytes.Clone(text[:end])))
		text = append(text[:0], text[end:]...)
	}
	for len(text) >= maxLine {
		to.write(c.wanted(append(bytes.Clone(text[:maxLine-1]), '\n')))
		text = append(text[:0], text[maxLine-1:]...)
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
	muting  bool // the pool asked for a dump: it goes into an error, not to the writer
	dumping bool // the dump has begun
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
	c.kept = append(c.kept, b...)
	c.total += int64(len(b))
	if len(c.kept) > 2*tailSize {
		c.kept = append(c.kept[:0], c.kept[len(c.kept)-tailSize:]...)
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
	return excerpt(c.sinceLocked(position))
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

// all returns what was written since a position, as far as it is kept: at most 64 KiB.
func (c *capture) all(position int64) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.sinceLocked(position))
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
