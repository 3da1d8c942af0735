package main

import (
	"errors"
	"io"
	"sync"
	"syscall"
	"time"
)

const (
	sinkBuffer = 32 << 10
	// sinkDelay is how long a line may wait for others. It is short enough for a
	// person, and long enough that tiny items do not cost a write each.
	sinkDelay = 20 * time.Millisecond
)

// committer writes records of what is printed together with it, so that neither is there without the other.
type committer interface {
	// Pending reports whether there are records to write.
	Pending() bool
	// Commit writes text to w, and the records.
	Commit(text []byte, w io.Writer) error
}

// sink is standard output: whole lines, gathered for a moment.
type sink struct {
	w       io.Writer
	journal committer // nil where there is none; used under mu

	mu    sync.Mutex
	buf   []byte
	timer *time.Timer // runs while something waits
	since time.Time   // of the last flush, with a journal
	held  bool        // together runs: there must be no flush
	err   error       // the first one; nothing is written after it
}

func newSink(w io.Writer) *sink { return &sink{w: w} }

// line adds text and a line end. Its error may be that of an earlier line.
func (s *sink) line(text []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = append(append(s.buf, text...), '\n')
	s.flushInTime()
	return s.err
}

// together has the lines and the records that add adds written together, however long that takes.
func (s *sink) together(add func() error) error {
	s.hold(true)
	err := add()
	s.hold(false)
	return err
}

func (s *sink) hold(held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held = held; !held {
		s.flushInTime()
	}
}

// record adds records to the journal.
func (s *sink) record(add func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	add()
	s.flushInTime()
	return s.err
}

// flushInTime writes what waits if it is enough, and else sees to it that it does not wait for long.
func (s *sink) flushInTime() {
	switch {
	case s.held || !s.waits():
	case len(s.buf) >= sinkBuffer, s.timer == nil && s.isOverdue():
		s.flushLocked()
	case s.timer == nil:
		s.timer = time.AfterFunc(sinkDelay, func() { _ = s.flush() })
	}
}

func (s *sink) waits() bool { return len(s.buf) > 0 || s.journal != nil && s.journal.Pending() }

// isOverdue reports whether lines come so slowly that to gather them saves nothing. With a journal they
// are not made to wait: a result of an hour's work must not be lost to a kill for that.
func (s *sink) isOverdue() bool { return s.journal != nil && time.Since(s.since) > sinkDelay }

// flush writes what waits, and returns the first error that there ever was.
func (s *sink) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held {
		s.timer = nil // it has run; hold starts another
		return s.err
	}
	s.flushLocked()
	return s.err
}

func (s *sink) flushLocked() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if s.err == nil && s.waits() {
		s.err = s.write()
	}
	s.buf = s.buf[:0]
}

func (s *sink) write() error {
	if s.journal != nil {
		err := s.journal.Commit(s.buf, s.w)
		s.since = time.Now()
		return err
	}
	_, err := s.w.Write(s.buf)
	return err
}

// isDone reports whether nobody reads the output any more.
func (s *sink) isDone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return readerIsGone(s.err)
}

// readerIsGone reports whether err says that nobody reads our output any more, which
// is how "| head" says that it has enough.
func readerIsGone(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)
}
