package serve

import (
	"sync"
)

// seat says which of two goroutines reads what the parent sends: the one that runs the tasks, or its assistant.
//
// Where the parent nudges, the one that runs them reads as well: it reads a batch, runs it, answers, and reads on, and no task costs a switch
// from a reader to a runner, which is a third of a round trip. While it runs a batch nobody reads. A parent that wants to be heard meanwhile, because it
// cancels or asks for a sign of life, nudges the assistant, who then reads until the other has nothing to do.
//
// Where the parent does not nudge the assistant reads always.
type seat struct {
	always bool // the assistant reads

	mu        sync.Mutex
	runner    bool // execLoop reads
	assistant bool // the assistant does
	idle      bool // execLoop has nothing to do and waits for the assistant
	wanted    bool // the assistant was nudged while execLoop read
}

// take gives the seat to execLoop, which has nothing to run; false if the assistant has it, who will say what to do.
func (s *seat) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runner = !s.assistant
	s.idle = s.assistant
	return s.runner
}

// leave takes it back from execLoop, which has something to run, and reports whether somebody else has been asked to read.
func (s *seat) leave() (wanted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted = s.wanted
	s.runner, s.idle, s.wanted = false, false, false
	return wanted
}

// assist gives it to the assistant, who was nudged; not while execLoop has it, who hands it on before it next runs anything.
func (s *seat) assist() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = s.runner
	s.assistant = !s.runner
	return s.assistant
}

// give takes it back from the assistant if execLoop waits for something to do, and calls tell before that can read.
func (s *seat) give(tell func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.always || !s.idle {
		return false
	}
	s.assistant = false
	tell()
	return true
}

// next returns the next batch to be run; false if there is none and will be none.
func (s *Server) next() (b *batch, ok bool) {
	for {
		select {
		case b, ok = <-s.work:
		default:
			s.flush()
			b, ok = s.await()
		}
		if b != nil || !ok {
			if s.seat.leave() {
				s.cfg.Page.Nudge()
			}
			return b, ok
		}
	}
}

// await waits for a batch, reading if nobody else does. It may return none.
func (s *Server) await() (b *batch, ok bool) {
	if !s.seat.take() {
		b, ok = <-s.work
		return b, ok
	}
	for len(s.work) == 0 || s.in.Ready() {
		if s.tiny && s.cfg.Ready != nil && s.in.Buffered() == 0 {
			s.linger()
		}
		if err := s.read(); err != nil {
			s.fail(err)
			break
		}
		if s.stopping.Load() {
			break
		}
	}
	return nil, true // it is in the queue
}

// linger looks whether something comes at once, before execLoop falls asleep over it (internal/spin). It is not for the assistant, beside whom a task
// runs, and not where long values are sent: who is awake for the first bytes is in the way of those that follow (a megabyte there and back took a tenth longer).
func (s *Server) linger() {
	found := false
	turn := s.spinner.Start()
	for !found && turn.Again() {
		found = s.cfg.Ready()
	}
	turn.Stop(found)
}

// read takes one frame.
func (s *Server) read() error {
	frame, err := s.in.Next()
	if err != nil {
		return gone(err)
	}
	return s.handle(frame)
}

// fail ends the conversation.
func (s *Server) fail(err error) {
	s.gone.Store(true)
	s.stop()
	s.broken <- err
}

// assist reads when execLoop does not. It ends with the conversation.
func (s *Server) assist() {
	if !s.seat.always {
		s.awaitNudge()
	}
	for {
		if err := s.read(); err != nil {
			s.fail(err)
			return
		}
		if !s.in.Ready() && s.seat.give(s.handBack) { // what is not here yet will be followed by a nudge
			s.awaitNudge()
		}
	}
}

// handBack makes execLoop, which waits, read for itself.
func (s *Server) handBack() {
	if s.stopping.Load() || len(s.work) > 0 {
		return // it has heard
	}
	select {
	case s.work <- nil:
	default: // full: it has something to do
	}
}

// awaitNudge waits until the assistant is to read.
func (s *Server) awaitNudge() {
	for {
		s.cfg.Page.AwaitNudge(s.nudges)
		s.nudges = s.cfg.Page.Nudges()
		if s.seat.assist() {
			return
		}
	}
}
