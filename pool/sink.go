package pool

import (
	"bytes"
	"io"
	"sync"
	"time"
)

const (
	// maxQueued is how much text may wait for a writer. What comes then makes the worker that writes it wait, as long as the writer gets on.
	maxQueued = 1 << 20
	// stuckTime is how long a writer may take over one write before what comes is dropped, in whole lines.
	stuckTime = 250 * time.Millisecond
	// writerTime is how long a pool that ends waits for a writer that is stuck.
	writerTime = time.Second
)

// warning logs something.
type warning func(msg string, args ...any)

// sink writes whole lines to one writer, on a goroutine that exists while there is something to write.
type sink struct {
	option string // that set the writer, for the log
	w      io.Writer
	warn   warning

	mu      sync.Mutex
	queue   [][]byte
	bytes   int
	running bool
	idle    chan struct{} // closed when running ends
	moved   time.Time     // when the writer last took something, or began to
	turn    chan struct{} // closed when it has
	dropped int64         // lines
	failed  bool          // a write has failed
}

func newSink(option string, w io.Writer, warn warning) *sink {
	return &sink{option: option, w: quiet(w), warn: warn, turn: make(chan struct{})}
}

// write queues lines; the sink owns them from now on. Where too much waits already it waits for the writer, if that gets on, but not for the text of
// a process that has ended: what that has left behind is little, and somebody waits to hear of its end.
func (s *sink) write(lines []byte, ended <-chan struct{}) {
	if len(lines) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.bytes > 0 && s.bytes+len(lines) > maxQueued {
		if isClosed(ended) && s.bytes < 2*maxQueued {
			break
		}
		if !s.awaitTurnLocked(ended) {
			s.dropLocked(lines)
			return
		}
	}
	s.queue = append(s.queue, lines)
	s.bytes += len(lines)
	if !s.running {
		s.running = true
		s.idle = make(chan struct{})
		s.moved = time.Now()
		go s.run()
	}
}

// awaitTurnLocked waits until the writer has taken something; false if it is stuck.
func (s *sink) awaitTurnLocked(ended <-chan struct{}) bool {
	left := stuckTime - time.Since(s.moved)
	if left <= 0 {
		return false
	}
	turn := s.turn
	s.mu.Unlock()
	defer s.mu.Lock()
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-turn:
	case <-timer.C:
	case <-ended:
	}
	return true
}

// dropLocked counts lines that nobody gets, and says so the first time.
func (s *sink) dropLocked(lines []byte) {
	if s.dropped == 0 {
		go s.warn("output of workers is lost: the writer does not keep up (Stats.LinesDropped counts the lines)", "writer", s.option) // the logger may be slow too
	}
	s.dropped += int64(bytes.Count(lines, []byte{'\n'}))
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
		s.moved = time.Now()
		close(s.turn)
		s.turn = make(chan struct{})
	}
	s.running = false
	close(s.idle)
}

// hand calls the user's writer. What it does with the lines is its affair; an error or a panic in it costs them.
func (s *sink) hand(lines []byte) {
	defer func() {
		if v := recover(); v != nil {
			s.lose(lines, "panic", v)
		}
	}()
	if written, err := s.w.Write(lines); err != nil {
		s.lose(lines[min(max(written, 0), len(lines)):], "error", err)
	}
}

// lose counts lines that could not be written, and says so the first time.
func (s *sink) lose(lines []byte, key string, why any) {
	s.mu.Lock()
	first := !s.failed
	s.failed = true
	s.dropped += int64(bytes.Count(lines, []byte{'\n'}))
	s.mu.Unlock()
	if first {
		s.warn("output of workers is lost: the writer fails", "writer", s.option, key, why)
	}
}

// close waits until everything is written, or the writer is stuck; with hurry set, no longer than writerTime.
func (s *sink) close(hurry bool) {
	end := time.Now().Add(writerTime)
	for {
		s.mu.Lock()
		idle, turn, running := s.idle, s.turn, s.running
		if !hurry {
			end = s.moved.Add(writerTime)
		}
		s.mu.Unlock()
		if !running || time.Until(end) <= 0 {
			return
		}
		select {
		case <-idle:
			return
		case <-turn:
		case <-time.After(time.Until(end)):
		}
	}
}

func (s *sink) lost() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
