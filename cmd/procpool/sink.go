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

// sink is standard output: whole lines, gathered for a moment.
type sink struct {
	w io.Writer

	mu    sync.Mutex
	buf   []byte
	timer *time.Timer // runs while buf waits
	after []func()    // wait for buf to be written
	err   error       // the first one; nothing is written after it
}

func newSink(w io.Writer) *sink { return &sink{w: w} }

// line adds text and a line end. Its error may be that of an earlier line.
func (s *sink) line(text []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = append(append(s.buf, text...), '\n')
	if len(s.buf) >= sinkBuffer {
		s.flushLocked()
	} else if s.timer == nil {
		s.timer = time.AfterFunc(sinkDelay, func() { _ = s.flush() })
	}
	return s.err
}

// then calls f when all lines until now have been written, unless that fails. f must not use the sink.
func (s *sink) then(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
	case len(s.buf) == 0:
		f()
	default:
		s.after = append(s.after, f)
	}
}

// flush writes what waits, and returns the first error that there ever was.
func (s *sink) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushLocked()
	return s.err
}

func (s *sink) flushLocked() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if s.err == nil && len(s.buf) > 0 {
		_, s.err = s.w.Write(s.buf)
	}
	s.buf = s.buf[:0]
	if s.err == nil {
		for _, f := range s.after {
			f()
		}
	}
	clear(s.after)
	s.after = s.after[:0]
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
