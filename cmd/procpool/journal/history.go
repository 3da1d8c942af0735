package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// header is the first line.
type header struct {
	Journal  int    `json:"journal"` // the version of the format
	Function string `json:"function"`
	Program  string `json:"program"`
	Created  string `json:"created"`
}

// version is that of the format that this package writes and reads.
const version = 1

const headerPrefix = `{"journal":`

// Run begins the lines of one run.
type Run struct {
	PID     int    `json:"pid"`
	Dir     string `json:"dir"`
	Started string `json:"started"`
}

// history is what a journal says.
type history struct {
	header  header
	written output // standard output, as it is now
	size    int64  // of its file

	done    counts
	failed  counts
	held    map[Key][][]byte // values
	values  map[Key][][]byte // of tasks that are done
	nDone   int
	nFailed int

	open    *batch   // the batch that is not closed yet; nil outside, or where its line is damaged
	pending []Record // the records since the last closing line
	lost    int      // tasks that were done, and whose output is not there any more

	end     int64 // of the last line that is right
	damaged []int // numbers of damaged lines before it
}

// errNoHeader is read's error for a file that ends within its first line.
var errNoHeader = errors.New("the file ends within its first line")

// read reads a journal. It reads it twice: the number of its lines tells how much room the keys take.
func read(r io.ReadSeeker, written output) (*history, error) {
	h := &history{written: written, held: map[Key][][]byte{}, values: map[Key][][]byte{}}
	if written.file != nil {
		var err error
		if h.size, err = written.size(); err != nil {
			return h, err
		}
	}
	l := newLines(r)
	if err := h.readHeader(l); err != nil {
		return h, err
	}
	n, err := countLines(r)
	if err != nil {
		return h, err
	}
	h.done.reserve(n)
	l = newLines(r)
	if _, _, err := l.next(); err != nil { // the header
		return h, err
	}
	var bad []int // damaged lines that no good one has followed yet
	for {
		line, whole, err := l.next()
		if errors.Is(err, io.EOF) {
			return h, nil
		}
		if err != nil {
			return h, err
		}
		if !whole || !h.line(line) {
			bad = append(bad, l.number)
			continue
		}
		h.damaged = append(h.damaged, bad...)
		bad = bad[:0]
		h.end = l.end
	}
}

// countLines counts the lines of r, and goes back to its start.
func countLines(r io.ReadSeeker) (int, error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	n, buf := 0, make([]byte, 256<<10)
	for {
		got, err := r.Read(buf)
		n += bytes.Count(buf[:got], []byte("\n"))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
	}
	_, err := r.Seek(0, io.SeekStart)
	return n, err
}

func (h *history) readHeader(l *lines) error {
	line, whole, err := l.next()
	if err != nil {
		return err
	}
	if !whole && (bytes.HasPrefix(line, []byte(headerPrefix)) || bytes.HasPrefix([]byte(headerPrefix), line)) {
		return errNoHeader
	}
	rest, ok := bytes.CutPrefix(line, []byte(headerPrefix))
	if !ok {
		return errors.New("it is not a journal; it was left as it is")
	}
	digits, _, _ := bytes.Cut(rest, []byte(","))
	if v, err := strconv.Atoi(string(digits)); err == nil && v != version {
		return fmt.Errorf("its format has the version %d, and this procpool reads version %d: go on with the procpool that began it, or name another file", v, version)
	}
	object, ok := unseal(line)
	if !ok || json.Unmarshal(closed(object), &h.header) != nil {
		return errors.New("its first line is damaged, which says what the rest means; name another file")
	}
	h.end = l.end
	return nil
}

// closed is an object with its closing brace. It does not write into the line.
func closed(object []byte) []byte { return append(slices.Clip(object), '}') }

// line takes a line in, and reports whether it is right.
func (h *history) line(line []byte) bool {
	object, ok := unseal(line)
	if !ok {
		return false
	}
	if r, ok := plainDone(object); ok {
		h.pending = append(h.pending, r)
		return true
	}
	var e entry
	if json.Unmarshal(closed(object), &e) != nil {
		return false
	}
	h.entry(&e)
	return true
}

func (h *history) entry(e *entry) {
	switch {
	case e.Batch != nil:
		// A batch that was never closed, because its closing line is damaged, does not count.
		h.open, h.pending = e.Batch, h.pending[:0]
	case e.Kept != nil:
		h.closeBatch(*e.Kept)
	default:
		if r, ok := e.record(); ok {
			h.pending = append(h.pending, r)
		}
	}
}

// closeBatch counts the records of the batch, if its output was written and is still there.
func (h *history) closeBatch(kept bool) {
	switch {
	case kept && h.isLost(h.open):
		h.lost += len(h.pending)
	case kept:
		for i := range h.pending {
			h.apply(&h.pending[i])
		}
	}
	h.open, h.pending = nil, h.pending[:0]
}

// isLost reports whether standard output is the file of the batch, and ends before it.
func (h *history) isLost(b *batch) bool {
	return b != nil && b.Bytes > 0 && h.written.file != nil && b.File == h.written.id && h.size < b.end()
}

func (h *history) apply(r *Record) {
	switch r.Was {
	case Failed:
		if h.failed.take(r.Key) {
			h.nFailed--
		}
	case Held:
		_, _ = takeValue(h.held, r.Key)
	case Unknown, Done:
	}
	switch r.State {
	case Done:
		h.nDone++
		h.done.add(r.Key)
		if r.Value != nil {
			h.values[r.Key] = append(h.values[r.Key], r.Value)
		}
	case Failed:
		h.nFailed++
		h.failed.add(r.Key)
	case Held:
		h.held[r.Key] = append(h.held[r.Key], r.Value)
	case Unknown:
	}
}

// isEmpty reports whether there is no record.
func (h *history) isEmpty() bool {
	return h.nDone+h.nFailed+h.lost+len(h.held)+len(h.pending) == 0 && len(h.damaged) == 0
}

// take returns what is known of a task, and forgets it: the same input a second time is another task.
func (h *history) take(k Key) (State, []byte) {
	if h.done.take(k) {
		value, _ := takeValue(h.values, k)
		return Done, value
	}
	if value, ok := takeValue(h.held, k); ok {
		return Held, value
	}
	if h.failed.take(k) {
		return Failed, nil
	}
	return Unknown, nil
}

func takeValue(m map[Key][][]byte, k Key) ([]byte, bool) {
	values := m[k]
	if len(values) == 0 {
		return nil, false
	}
	if len(values) == 1 {
		delete(m, k)
	} else {
		m[k] = values[1:]
	}
	return values[0], true
}
