package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/procpool/procpool/wire"
)

// inspection is an Inspect that is not answered. One goroutine sees it through, beside whoever reads and whoever runs tasks.
type inspection struct {
	server *Server
	id     uint64
	body   wire.InspectBody
	cut    chan struct{} // closed, under Server.mu, when nobody waits for the answer any more
	isCut  bool

	frame []byte // of the goroutine: the next Finding, from its header on
	sent  int    // and bytes of the answer that have left
	err   error  // and what is wrong with it
}

var errStopping = errors.New("it was told to stop")

// maxStacks bounds the stacks of all goroutines, in words.
const maxStacks = 8 << 20

// inspect takes an Inspect.
func (s *Server) inspect(f wire.Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Arg == wire.InspectWithdraw {
		if s.inspected != nil && s.inspected.id == f.ID {
			s.inspected.cutLocked()
		}
		return nil
	}
	if s.inspected != nil {
		return fmt.Errorf("%v while %d is unanswered", f.Header, s.inspected.id)
	}
	body, err := wire.ParseInspect(f)
	if err != nil || s.stopping.Load() {
		return err
	}
	s.inspected = &inspection{server: s, id: f.ID, body: body, cut: make(chan struct{})}
	go s.inspected.run()
	return nil
}

func (i *inspection) cutLocked() {
	if !i.isCut {
		i.isCut = true
		close(i.cut)
	}
}

// run answers. One goroutine of each inspection; it ends when it has, and soon after the conversation.
func (i *inspection) run() {
	pprof.SetGoroutineLabels(context.Background()) // it may come of one that runs tasks
	err := i.look()
	s := i.server
	s.mu.Lock()
	s.inspected = nil // before the last Finding, which the next Inspect may follow at once
	s.mu.Unlock()
	if err != nil {
		text := err.Error()
		_ = s.out.write(wire.AppendControl(nil, wire.Finding, i.id, wire.FindingNone, []byte(text[:min(len(text), wire.MaxControlBytes)])))
		return
	}
	_ = i.send(wire.FindingLast)
}

// look writes down what is asked for.
func (i *inspection) look() error {
	switch kind := i.body.Kind; kind {
	case wire.Stacks:
		_, err := i.Write(stacks())
		return err
	case "cpu":
		return i.lookAtCPU()
	case "heap":
		runtime.GC() // else it shows what was alive at the last collection but one, and of a small worker nothing
		fallthrough
	default:
		profile := pprof.Lookup(kind)
		if profile == nil {
			return fmt.Errorf("there is no profile %q in this program", kind)
		}
		return profile.WriteTo(i, 0)
	}
}

func (i *inspection) lookAtCPU() error {
	if err := pprof.StartCPUProfile(i); err != nil {
		return err
	}
	timer := time.NewTimer(i.body.Time)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-i.cut:
	}
	pprof.StopCPUProfile()
	if i.server.stopping.Load() {
		return errStopping // rather than a profile of less than was asked for
	}
	return i.err // of Write: the profile is written by others, who do not say
}

// stacks is the stacks of all goroutines; where there are too many, of the oldest.
func stacks() []byte {
	for size := 64 << 10; ; size *= 4 {
		buf := make([]byte, min(size, maxStacks))
		n := runtime.Stack(buf, true)
		switch {
		case n < len(buf):
			return buf[:n]
		case size >= maxStacks:
			return append(buf[:n], "\n...\n"...)
		}
	}
}

// Write implements io.Writer: it sends what fills a Finding, and keeps the rest for the last.
func (i *inspection) Write(b []byte) (n int, err error) {
	defer func() { i.err = err }()
	for n < len(b) && i.err == nil {
		if len(i.frame) == wire.HeaderSize+wire.MaxControlBytes {
			if err := i.send(wire.FindingMore); err != nil {
				return n, err
			}
		}
		if len(i.frame) == 0 {
			i.frame = append(i.frame, make([]byte, wire.HeaderSize)...)
		}
		took := min(len(b)-n, wire.HeaderSize+wire.MaxControlBytes-len(i.frame))
		if i.sent+len(i.frame)-wire.HeaderSize+took > wire.MaxFindings {
			return n, fmt.Errorf("the answer has more than %d bytes", wire.MaxFindings)
		}
		i.frame = append(i.frame, b[n:n+took]...)
		n += took
	}
	return n, i.err
}

var _ io.Writer = (*inspection)(nil)

// send sends what has gathered.
func (i *inspection) send(arg uint32) error {
	if len(i.frame) == 0 {
		i.frame = make([]byte, wire.HeaderSize)
	}
	size := len(i.frame) - wire.HeaderSize
	wire.Header{Kind: wire.Finding, ID: i.id, Arg: arg, Length: uint64(size)}.Put(i.frame)
	i.sent += size
	err := i.server.out.write(i.frame)
	i.frame = i.frame[:0]
	return err
}
