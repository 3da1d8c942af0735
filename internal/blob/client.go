package blob

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/procpool/procpool/internal/codec"
	"github.com/procpool/procpool/wire"
)

// Client is the worker's end: it fetches what arguments refer to and offers what results do.
type Client struct {
	link  Link
	write func(frame []byte) error
	local bool // the pool is in this process

	// Of the goroutine that runs tasks: what the running task has offered.
	offers  int
	offered map[*Handle]int

	fetching sync.Mutex // held while one question is open: answers carry no names

	mu       sync.Mutex
	attached map[Token]*Memory // mapped, until the pool says Forget
	gone     []Token           // the pool said so, and a task was running
	hasGone  atomic.Bool
}

// NewClient returns the worker's end of a link. Frames are sent by write, in the order of its calls. local says that the
// pool is in this process.
func NewClient(link Link, local bool, write func(frame []byte) error) *Client {
	return &Client{link: link, write: write, local: local, offered: map[*Handle]int{}, attached: map[Token]*Memory{}}
}

// Open returns a Handle of memory that the pool has. It is fetched when somebody asks for its bytes.
func (c *Client) Open(ref codec.Ref) (*Handle, error) {
	token, size, err := ParseRef(ref)
	if err != nil {
		return nil, err
	}
	return NewHandle(size, &lent{client: c, token: token, size: size}), nil
}

// lent is memory that the pool has.
type lent struct {
	client *Client
	token  Token
	size   int

	mu     sync.Mutex
	memory *Memory // keeps the addresses from being used again as long as the Handle is there
}

// Bytes implements Source.
func (l *lent) Bytes() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.memory == nil {
		m, err := l.client.attach(l.token, l.size)
		if err != nil {
			return nil, err
		}
		l.memory = m
	}
	return l.memory.Bytes()
}

// Release implements Source: the mapping stays for other tasks until the pool has no use for it.
func (l *lent) Release() {}

// Drop implements Source.
func (l *lent) Drop() {}

// attach returns the memory of a token, mapped.
func (c *Client) attach(t Token, size int) (*Memory, error) {
	c.fetching.Lock()
	defer c.fetching.Unlock()
	c.mu.Lock()
	m := c.attached[t]
	c.mu.Unlock()
	if m != nil {
		return m, nil
	}
	m, err := c.fetchLocked(t, size, 0)
	if err != nil {
		return nil, err
	}
	if _, err := m.Bytes(); err != nil {
		m.Close()
		return nil, err
	}
	m.Settle()
	c.mu.Lock()
	c.attached[t] = m
	c.mu.Unlock()
	return m, nil
}

// Copy returns a copy of memory that the pool has.
func (c *Client) Copy(ref codec.Ref) ([]byte, error) {
	t, size, err := ParseRef(ref)
	if err != nil {
		return nil, err
	}
	c.fetching.Lock()
	m, err := c.fetchLocked(t, size, wire.FetchOnce)
	c.fetching.Unlock()
	if err != nil {
		return nil, err
	}
	defer m.Close()
	return m.Copy()
}

// fetchLocked asks the pool for memory. c.fetching is held.
func (c *Client) fetchLocked(t Token, size int, arg uint32) (*Memory, error) {
	if err := c.write(wire.AppendToken(nil, wire.Fetch, arg, uint64(t))); err != nil {
		return nil, err
	}
	status, m, err := c.link.Recv(true)
	switch {
	case err != nil:
		return nil, err
	case status == Gone:
		return nil, ErrReleased
	case m == nil:
		return nil, errors.New("shared memory: the pool could not send it")
	case m.Size() != size:
		m.Close()
		return nil, fmt.Errorf("shared memory of %d bytes, want %d", m.Size(), size)
	}
	return m, nil
}

// Forget takes note that the pool has no use for a piece of memory any more. busy reports whether a task runs, which may still use
// it: then Settle forgets it.
func (c *Client) Forget(t Token, busy func() bool) {
	c.mu.Lock()
	c.gone = append(c.gone, t)
	c.hasGone.Store(true)
	c.mu.Unlock()
	if !busy() { // asked after the note was made: a task that ended before it did not see the note, one that ends now does
		c.settleGone()
	}
}

// Settle is called when a task has returned and its result is encoded.
func (c *Client) Settle() {
	if c.offers > 0 {
		for h := range c.offered {
			if _, made := h.source.(*own); made {
				h.Release() // it is the pool's now
			}
		}
		clear(c.offered)
		c.offers = 0
	}
	if c.hasGone.Load() {
		c.settleGone()
	}
	if !c.local && hasLost.Load() {
		settleLost()
	}
}

func (c *Client) settleGone() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.gone {
		if m := c.attached[t]; m != nil {
			delete(c.attached, t)
			m.Retire()
		}
	}
	c.gone = nil
	c.hasGone.Store(false)
}

// Offer passes memory on with the result of the task that is being encoded, and returns the reference to it.
func (c *Client) Offer(batch uint64, offset int, h *Handle) (ref codec.Ref, err error) {
	source, err := h.Source()
	if err != nil {
		return ref, err
	}
	if index, again := c.offered[h]; again {
		return MakeRef(Token(index), h.Size()), nil
	}
	body := wire.OfferBody{}
	var m *Memory
	switch s := source.(type) {
	case *own:
		m = s.memory
	case *lent:
		if s.client != c {
			return ref, ErrOtherPool
		}
		body.Token = uint64(s.token)
	default:
		return ref, ErrOtherPool
	}
	index, err := c.offer(batch, offset, body, m)
	if err != nil {
		return ref, err
	}
	c.offered[h] = index
	return MakeRef(Token(index), h.Size()), nil
}

// OfferBytes passes a byte slice on as memory. ok is false where it cannot: then it is to travel as any other.
func (c *Client) OfferBytes(batch uint64, offset int, b []byte) (ref codec.Ref, ok bool, err error) {
	if c.offers >= MaxOffers {
		return ref, false, nil
	}
	m, err := New(b)
	if err != nil {
		return ref, false, nil // the pipe needs neither memory nor a descriptor
	}
	defer m.Close()
	index, err := c.offer(batch, offset, wire.OfferBody{Bytes: true}, m)
	return MakeRef(Token(index), len(b)), err == nil, err
}

var errManyOffers = fmt.Errorf("more than %d Blobs in one result", MaxOffers)

func (c *Client) offer(batch uint64, offset int, body wire.OfferBody, m *Memory) (index int, err error) {
	if c.offers >= MaxOffers {
		return 0, errManyOffers
	}
	if m != nil {
		if err := c.link.Send(Here, m, true); err != nil {
			return 0, err
		}
	}
	if err := c.write(wire.AppendOffer(nil, batch, uint32(offset), body)); err != nil {
		return 0, err
	}
	c.offers++
	return c.offers - 1, nil
}
