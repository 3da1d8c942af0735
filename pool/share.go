package pool

import (
	"encoding/binary"
	"errors"
	"runtime"
	"sync"

	"github.com/procpool/procpool/internal/blob"
	"github.com/procpool/procpool/internal/random"
	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

// Share copies data once into shared memory and returns a small reference to it, to be given to any number of tasks: each worker that reads it maps the same
// memory, in microseconds and without memory of its own, whatever its length. Workers that are started later, and other attempts at a task, find it as well.
//
// The memory is gone when the Blob is released and no task carries it, when the pool ends, and when this process ends in whatever way: it has no name in any file system. It
// takes a descriptor of this process meanwhile, so release every Blob that Share or a result gives you: the garbage collector does not see this memory and never runs because of it. It
// frees a forgotten Blob only when it happens to run, and one whose Bytes were asked for not at all. Reading what Bytes returned, after Release or the end of the pool, is a fault that
// ends this process. Neither WithMaxPayload nor a worker's WithMemoryLimit counts it. data may be changed when Share has returned.
//
// It fails with ErrClosed when the pool ends, and where the system has no memory or no descriptor left (EMFILE, ENOMEM), also when the garbage was collected, which it does then, once a second at most; the error says
// how many Blobs are not released. On Linux the memory is a sealed memfd, elsewhere a file without
// a name in os.TempDir; Windows has neither.
func (p *Pool) Share(data []byte) (worker.Blob, error) {
	defer runtime.KeepAlive(p)
	c := p.core
	c.mu.Lock()
	ended := c.closed || c.stopping.Load()
	c.mu.Unlock()
	if ended {
		return worker.Blob{}, ErrClosed
	}
	h, err := c.blobs.share(data)
	if err != nil {
		return worker.Blob{}, err
	}
	return blob.Wrap(h).(worker.Blob), nil
}

// blobs is the shared memory that a pool has.
type blobs struct {
	core  *core
	freed chan struct{} // has room for one: something was given back since somebody last looked

	mu      sync.Mutex // taken under core.mu or alone
	entries map[blob.Token]*entry
	files   map[blob.FileID]int // how many entries a file has: a worker can pass one on twice
	bytes   int64
	ended   bool
}

// entry is one piece of it. It is the Source of the parent's handles.
type entry struct {
	of     *blobs
	token  blob.Token
	memory *blob.Memory
	needed int // handles, tasks that carry it, results that nobody has decoded; under blobs.mu
}

func newBlobs(c *core) *blobs {
	return &blobs{core: c, freed: make(chan struct{}, 1), entries: map[blob.Token]*entry{}, files: map[blob.FileID]int{}}
}

func (s *blobs) share(data []byte) (*blob.Handle, error) {
	e, err := s.create(data)
	if isScarce(err) {
		s.collect()
		e, err = s.create(data)
	}
	switch {
	case isScarce(err):
		return nil, s.scarce(err)
	case err != nil:
		return nil, err
	}
	return e.handle(), nil
}

// create copies data into a new entry, which the caller needs.
func (s *blobs) create(data []byte) (*entry, error) {
	if s.core.cfg.inline {
		return s.add(blob.NewHeap(data))
	}
	m, err := blob.New(data)
	if err != nil {
		return nil, err
	}
	return s.add(m)
}

// add makes an entry of memory, which the caller needs. The memory is the pool's, also where that fails.
func (s *blobs) add(m *blob.Memory) (*entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		m.Close()
		return nil, ErrClosed
	}
	e := &entry{of: s, memory: m, needed: 1}
	for e.token == 0 || s.entries[e.token] != nil {
		e.token = newToken()
	}
	s.entries[e.token] = e
	s.files[m.ID()]++
	s.bytes += int64(m.Size())
	return e, nil
}

// newToken returns a name that nobody guesses: a worker sees only what it was told of.
func newToken() blob.Token {
	var b [8]byte
	random.Read(b[:])
	return blob.Token(binary.BigEndian.Uint64(b[:]))
}

// find returns the entry of a token, which the caller needs then; nil where there is none.
func (s *blobs) find(t blob.Token) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[t]
	if e != nil {
		e.needed++
	}
	return e
}

// count returns how many pieces there are, and their bytes.
func (s *blobs) count() (n int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries), s.bytes
}

// has reports whether a file is one of the pool's.
func (s *blobs) has(id blob.FileID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return id.Inode != 0 && s.files[id] > 0
}

// end gives everything back. No worker is left.
func (s *blobs) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, e := range s.entries {
		e.memory.Close()
	}
	s.entries, s.files, s.bytes = nil, nil, 0
}

// handle returns a Handle that takes over the caller's need.
func (e *entry) handle() *blob.Handle { return blob.NewHandle(e.memory.Size(), e) }

// need adds somebody who needs the entry; false where nobody does any more.
func (e *entry) need() bool {
	s := e.of
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || e.needed == 0 {
		return false
	}
	e.needed++
	return true
}

// Bytes implements blob.Source.
func (e *entry) Bytes() ([]byte, error) { return e.memory.Bytes() }

// Drop implements blob.Source. Where Bytes was called somebody may still read: then it stays until the pool ends.
func (e *entry) Drop() {
	if !e.memory.Mapped() {
		e.Release()
	}
}

// Release ends one need. The last one gives the memory back, here and in the workers.
func (e *entry) Release() {
	s := e.of
	s.mu.Lock()
	e.needed--
	last := e.needed == 0 && !s.ended
	if last {
		delete(s.entries, e.token)
		s.bytes -= int64(e.memory.Size())
		if id := e.memory.ID(); s.files[id] > 1 {
			s.files[id]--
		} else {
			delete(s.files, id)
		}
	}
	s.mu.Unlock()
	if last {
		e.memory.Close()
		s.core.forgetBlob(e.token)
		select {
		case s.freed <- struct{}{}:
		default:
		}
	}
}

// forgetBlob tells the workers that have fetched a piece of memory that nobody needs it any more.
func (c *core) forgetBlob(t blob.Token) {
	c.mu.Lock()
	defer c.unlock()
	for p := range c.live {
		if _, has := p.fetched[t]; has {
			delete(p.fetched, t)
			p.sendLocked(wire.AppendToken(nil, wire.Forget, 0, uint64(t)))
		}
	}
}

// fetchNotice answers a worker that wants to see memory that it was told of.
func (p *proc) fetchNotice(f wire.Frame) error {
	token, err := wire.ParseToken(f)
	if err != nil {
		return err
	}
	if p.link == nil {
		return illegal(f, "there is no way to send a descriptor to this worker")
	}
	t := blob.Token(token)
	e := p.core.blobs.find(t)
	if e == nil {
		return p.answerFetch(f, blob.Gone, nil)
	}
	defer e.Release() // after the worker is known to have it: else it would not hear of the end
	if f.Arg != wire.FetchOnce {
		p.core.mu.Lock()
		if p.fetched == nil {
			p.fetched = map[blob.Token]struct{}{}
		}
		p.fetched[t] = struct{}{}
		p.core.mu.Unlock()
	}
	return p.answerFetch(f, blob.Here, e.memory)
}

// answerFetch never waits. A worker asks one question at a time and waits for the answer; one that does not take its answers asks for trouble.
func (p *proc) answerFetch(f wire.Frame, s blob.Status, m *blob.Memory) error {
	err := p.link.Send(s, m, false)
	if err != nil && !errors.Is(err, blob.ErrFull) && m != nil {
		err = p.link.Send(blob.Cannot, nil, false) // too many descriptors are on their way (ETOOMANYREFS), or the like
	}
	if errors.Is(err, blob.ErrFull) {
		return illegal(f, "it asks for more than it takes")
	}
	return nil // what else fails, fails because the process is gone
}
