package blob

import (
	"errors"
	"io"
	"sync"
)

// Status is what goes with each descriptor, or instead of one.
type Status byte

// The statuses.
const (
	Here   Status = iota + 1 // the memory
	Gone                     // no memory: nobody has it any more
	Cannot                   // no memory: it could not be sent
)

// Link is one end of the way that memory takes between a pool and one worker.
type Link interface {
	// Send sends a status and, unless it is nil, memory, which stays the caller's. Without wait it fails with ErrFull rather than wait.
	Send(s Status, m *Memory, wait bool) error
	// Recv takes what was sent. Without wait it fails with ErrEmpty rather than wait. ErrNoRoom says that memory came and could
	// not be taken; the link goes on. After any other error it is of no use.
	Recv(wait bool) (Status, *Memory, error)
	Close() error
}

// Errors of a Link.
var (
	ErrEmpty  = errors.New("nothing was sent")
	ErrFull   = errors.New("the other side does not take what was sent")
	ErrNoRoom = errors.New("shared memory: this process has no descriptor left for it (RLIMIT_NOFILE)")
)

// Pair returns the two ends of a link inside of one process.
func Pair() (a, b Link) {
	there, back := newParcels(), newParcels()
	return &localLink{out: there, in: back}, &localLink{out: back, in: there}
}

type localLink struct{ out, in *parcels }

type parcel struct {
	status Status
	memory *Memory
}

// parcels is one direction of a local link.
type parcels struct {
	mu     sync.Mutex
	more   *sync.Cond
	queue  []parcel
	closed bool
}

func newParcels() *parcels {
	p := &parcels{}
	p.more = sync.NewCond(&p.mu)
	return p
}

func (l *localLink) Send(s Status, m *Memory, _ bool) error {
	if m != nil {
		copied, err := m.clone()
		if err != nil {
			return err
		}
		m = copied
	}
	p := l.out
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return io.ErrClosedPipe
	}
	p.queue = append(p.queue, parcel{s, m})
	p.more.Signal()
	return nil
}

func (l *localLink) Recv(wait bool) (Status, *Memory, error) {
	p := l.in
	p.mu.Lock()
	defer p.mu.Unlock()
	for wait && len(p.queue) == 0 && !p.closed {
		p.more.Wait()
	}
	switch {
	case len(p.queue) > 0:
		first := p.queue[0]
		p.queue = p.queue[1:]
		return first.status, first.memory, nil
	case p.closed:
		return 0, nil, io.EOF
	}
	return 0, nil, ErrEmpty
}

// Close ends both directions.
func (l *localLink) Close() error {
	for _, p := range []*parcels{l.out, l.in} {
		p.mu.Lock()
		p.closed = true
		p.more.Broadcast()
		p.mu.Unlock()
	}
	return nil
}
