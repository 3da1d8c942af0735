// Package serve is the worker's side of the wire: the loops that read tasks, run them
// and answer. It serves in a process of its own (worker.Main) or on goroutines of
// the parent (pool.WithInline), and does not know which.
//
// Goroutines of one Server:
//
//	execLoop  started by Run, or by its predecessor when a task left by
//	          runtime.Goexit; runs one task at a time; ends after Stop. It reads
//	          what the parent sends when it has nothing to run, unless the assistant does.
//	assist    started by Run; ends with the conversation. It reads while a task
//	          runs and the parent has something to say, or always: see seat.
//	inspection.run  started by whoever reads an Inspect; answers it; ends then, or soon after the conversation.
//
// Who reads never waits for execLoop: the queue between them holds more
// batches than the protocol allows to be unanswered.
package serve

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/procpool/procpool/internal/blob"
	"github.com/procpool/procpool/internal/remote"
	"github.com/procpool/procpool/internal/shm"
	"github.com/procpool/procpool/wire"
)

// maxQueued is how many batches can wait for execLoop: those that may be unanswered, and as many that were taken back whole after they had come,
// which the parent has forgotten and execLoop has not come to pass over yet.
const maxQueued = 4 * wire.MaxBatches

// ExitProtocol is the exit status of a worker whose parent broke the protocol.
const ExitProtocol = 70

func init() {
	remote.RegisterSentinel("wire.ErrTooLarge", wire.ErrTooLarge)
	remote.RegisterSentinel("worker.ErrReleased", blob.ErrReleased)
}

// Config says whom a Server serves.
type Config struct {
	In  io.Reader
	Out io.Writer

	Cookie string
	Hello  wire.HelloBody

	// Page is the status page. Shared says that the parent sees it too; otherwise each
	// task is announced and answered by frames of its own.
	Page   *shm.Page
	Shared bool

	// Nudged says that the page can be used to nudge this worker, if the parent does (WelcomeBody.Nudges).
	Nudged bool

	// Link is the way of shared memory; nil where there is none. Inline says that the parent is this process.
	Link   blob.Link
	Inline bool

	// Greeted, if not nil, is called when the hello has been written: for what has to be done before the first task, while the parent
	// reads.
	Greeted func()

	// Trim, if not nil, is called when the worker has come to rest: nothing has come for a second, and nothing runs.
	Trim func()

	// Adopted, if not nil, is called when the worker, a spare until then, is told its slot.
	Adopted func(slot int)

	// Welcomed, if not nil, is called with the parent's answer to Hello.
	Welcomed func(wire.WelcomeBody)
}

// ErrParentGone is returned by Run when the wire ended without a Stop.
var ErrParentGone = errors.New("the parent is gone")

// Server serves one parent.
type Server struct {
	cfg     Config
	in      *wire.Reader
	out     *outbox
	welcome wire.WelcomeBody
	slot    atomic.Int64  // of whoever reads: the worker's place in the pool; negative while it is a spare
	work    chan *batch   // capacity maxQueued
	idle    chan struct{} // closed when execLoop has ended in good order
	broken  chan error    // what ended the conversation, or made execLoop give up; capacity 2, one for each
	seat    seat
	nudges  uint32 // of the assistant: those that it has seen

	trimmer   *trimmer
	instances map[string]*instance // of execLoop alone: this worker's own of the functions that it has run
	blobs     *blob.Client         // nil where there is no link
	busy      atomic.Bool          // execLoop runs a batch

	stopping atomic.Bool
	gone     atomic.Bool // nobody reads answers any more: nothing more is to be started

	pending atomic.Bool // cancelled is not empty

	mu        sync.Mutex
	cancelled map[uint64]int // batch -> offset of the task that a Cancel named last
	watched   []*Task        // whose end somebody waits for, or time brings
	inspected *inspection    // that is not answered; nil where there is none
}

// New returns a Server that has not said hello yet.
func New(cfg Config) *Server {
	s := &Server{
		cfg:       cfg,
		out:       newOutbox(cfg.Out, cfg.Page),
		work:      make(chan *batch, maxQueued),
		idle:      make(chan struct{}),
		broken:    make(chan error, 2),
		instances: map[string]*instance{},
		cancelled: map[uint64]int{},
	}
	s.trimmer = newTrimmer(cfg.Trim)
	if cfg.Link != nil {
		s.blobs = blob.NewClient(cfg.Link, cfg.Inline, s.out.write)
	}
	return s
}

// Run greets the parent and serves it. It returns nil after a Stop was obeyed,
// ErrParentGone when the wire ended, and else what went wrong. A task may still be running then.
func (s *Server) Run() error {
	s.nudges = s.cfg.Page.Nudges() // before the parent hears that it may
	if err := s.greet(); err != nil {
		return err
	}
	s.seat.always = !s.cfg.Nudged || !s.welcome.Nudges
	s.seat.assistant = s.seat.always
	go s.execLoop()
	go s.assist()
	select {
	case <-s.idle:
		if s.gone.Load() { // execLoop ended because the conversation had
			return <-s.broken
		}
		return nil
	case err := <-s.broken:
		return err
	}
}

func (s *Server) greet() error {
	hello, err := wire.AppendHello([]byte(s.cfg.Cookie), &s.cfg.Hello)
	if err != nil {
		return err
	}
	if err := s.out.write(hello); err != nil {
		return err
	}
	if s.cfg.Greeted != nil {
		s.cfg.Greeted()
	}
	s.in = wire.NewReader(s.cfg.In, 0, wire.Kind.FromParent) // not before: its buffer takes as long as the hello
	s.in.Trust()
	frame, err := s.in.Next()
	if err != nil {
		return gone(err)
	}
	if s.welcome, err = wire.ParseWelcome(frame); err != nil {
		return err
	}
	s.slot.Store(int64(s.welcome.Slot))
	s.in.SetMaxPayload(s.welcome.Max)
	if s.cfg.Welcomed != nil {
		s.cfg.Welcomed(s.welcome)
	}
	return nil
}

func gone(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) {
		return ErrParentGone
	}
	return err
}

func (s *Server) handle(f wire.Frame) error {
	switch f.Kind {
	case wire.Tasks:
		return s.accept(f)
	case wire.Cancel:
		s.cancel(f.ID, int(f.Arg))
		return nil
	case wire.Recall:
		limit := s.cfg.Page.Recall(f.ID, int(f.Arg))
		return s.out.write(wire.AppendControl(nil, wire.Recalled, f.ID, uint32(limit), nil))
	case wire.Ping:
		return s.out.write(wire.AppendControl(nil, wire.Beat, 0, 0, nil))
	case wire.Slot:
		return s.adopted(int(f.Arg))
	case wire.Stop:
		s.stop()
		return nil
	case wire.Forget:
		return s.forgetBlob(f)
	case wire.Inspect:
		return s.inspect(f)
	default:
		return fmt.Errorf("unexpected %v frame", f.Kind)
	}
}

// adopted makes a spare the worker of a slot.
func (s *Server) adopted(slot int) error {
	if has := s.slot.Load(); has >= 0 {
		return fmt.Errorf("slot %d for the worker of slot %d", slot, has)
	}
	s.slot.Store(int64(slot))
	if s.cfg.Adopted != nil {
		s.cfg.Adopted(slot)
	}
	return nil
}

// accept queues a batch. The frame's memory is reused for the next one, so the items are copied.
func (s *Server) accept(f wire.Frame) error {
	if s.stopping.Load() {
		return errors.New("tasks after Stop")
	}
	head, items, err := wire.ParseTasksHead(f.Payload)
	if err != nil {
		return err
	}
	if s.cfg.Shared && !s.cfg.Page.Waits(f.ID) {
		return nil // taken back whole while it was on its way: the parent has forgotten it, and there may be any number of them
	}
	b := &batch{server: s, id: f.ID, count: int(f.Count), head: head, owned: f.Owned && f.Count == 1}
	b.keep(items, f.Owned)
	if head.Flags&wire.WantTiming != 0 {
		b.arrived, b.laps = monotonic(), &Laps{}
		if s.cfg.Shared {
			b.shown = int64(b.arrived)
		}
	}
	if head.Deadline > 0 {
		b.deadline = time.Now().Add(head.Deadline)
	}
	if !s.cfg.Shared {
		s.cfg.Page.Arm(b.id, b.count)
	}
	s.trimmer.touch(b)
	select {
	case s.work <- b:
		return nil
	default:
		return fmt.Errorf("more than %d batches wait", maxQueued)
	}
}

// stop ends the running task's context, and what else takes time; execLoop ends after it.
func (s *Server) stop() {
	if s.stopping.CompareAndSwap(false, true) {
		close(s.work) // only who reads sends to it, and he is the caller
		s.mu.Lock()
		defer s.mu.Unlock()
		s.endWatchedLocked(func(t *Task) bool { return !t.isOver() })
		if s.inspected != nil {
			s.inspected.cutLocked()
		}
	}
}

// cancel ends the context of one task, now or, where execLoop has not yet
// begun it, as soon as it begins.
func (s *Server) cancel(batch uint64, offset int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancelled[batch] = offset
	s.pending.Store(true)
	s.endWatchedLocked(func(t *Task) bool { return t.batch().id == batch && t.offset() == offset })
}

// cancelsLocked reports whether a task is to end: the worker stops, or a Cancel named the task.
func (s *Server) cancelsLocked(t *Task) bool {
	if s.stopping.Load() {
		return true
	}
	at, ok := s.cancelled[t.batch().id]
	return ok && at == t.offset()
}

// forget drops what is known of Cancels for a batch that is answered, and for all before it.
func (s *Server) forget(batch uint64) {
	if !s.pending.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.cancelled {
		if id <= batch {
			delete(s.cancelled, id)
		}
	}
	s.pending.Store(len(s.cancelled) > 0)
}
