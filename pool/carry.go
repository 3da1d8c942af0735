package pool

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/procpool/procpool/internal/blob"
	"github.com/procpool/procpool/internal/codec"
	"github.com/procpool/procpool/wire"
)

// carried is the shared memory that one task carries. It is needed until the task is answered.
type carried struct {
	entries []*entry
	bytes   int64 // of byte slices that travel this way by themselves; Blobs are the user's affair
}

// release says that the task is answered. It is called without core.mu, once.
func (c *carried) release() {
	if c == nil {
		return
	}
	for _, e := range c.entries {
		e.Release()
	}
	c.entries = nil
}

// again returns the same for another task with the same argument.
func (c *carried) again() *carried {
	if c == nil {
		return nil
	}
	for _, e := range c.entries {
		e.need() // it is needed, by c
	}
	twin := *c
	return &twin
}

// packing is the Carrier of arguments: it collects what they carry.
type packing struct {
	core *core
	has  carried
}

var _ blob.Carrier = (*packing)(nil)

// carrier returns p for the codec, nil where arguments carry nothing.
func (p *packing) carrier() codec.Carrier {
	if p == nil {
		return nil
	}
	return p
}

// take returns what was carried since the last call; nil for nothing.
func (p *packing) take() *carried {
	if p == nil || len(p.has.entries) == 0 {
		return nil
	}
	has := p.has
	p.has = carried{}
	return &has
}

// drop releases what was carried since the last take.
func (p *packing) drop() { p.take().release() }

// Put implements codec.Carrier: byte slices over the threshold become shared memory.
func (p *packing) Put(b []byte) (ref codec.Ref, ok bool, err error) {
	cfg := p.core.cfg
	switch {
	case cfg.blobThreshold == 0 || len(b) < cfg.blobThreshold || cfg.inline || len(cfg.command) > 0:
		return ref, false, nil
	case len(b) > cfg.maxPayload:
		return ref, false, fmt.Errorf("%w: %d bytes, more than the %d of WithMaxPayload", wire.ErrTooLarge, len(b), cfg.maxPayload)
	}
	e, err := p.core.blobs.create(b)
	if err != nil {
		return ref, false, nil //nolint:nilerr // the pipe needs neither memory nor a descriptor
	}
	p.has.entries = append(p.has.entries, e)
	p.has.bytes += int64(len(b))
	return blob.MakeRef(e.token, len(b)), true, nil
}

// Pack implements blob.Carrier.
func (p *packing) Pack(h *blob.Handle) (ref codec.Ref, contents []byte, err error) {
	source, err := h.Source()
	if err != nil {
		return ref, nil, err
	}
	e, ok := source.(*entry)
	if !ok || e.of != p.core.blobs {
		return ref, nil, blob.ErrOtherPool
	}
	if len(p.core.cfg.command) > 0 {
		if uint64(h.Size()) > math.MaxUint32 {
			return ref, nil, wire.ErrTooLarge
		}
		contents, err = e.Bytes()
		return ref, contents, err
	}
	if !e.need() {
		return ref, nil, blob.ErrReleased
	}
	p.has.entries = append(p.has.entries, e)
	return blob.MakeRef(e.token, h.Size()), nil, nil
}

// Take, Object, Unpack and Fill are for decoding alone.

func (p *packing) Take(codec.Ref) ([]byte, error)             { return nil, errOneWay }
func (p *packing) Object(codec.Ref) (any, error)              { return nil, errOneWay }
func (p *packing) Unpack(codec.Ref) (*blob.Handle, error)     { return nil, errOneWay }
func (p *packing) Fill(contents []byte) (*blob.Handle, error) { return nil, errOneWay }

// carry takes note of what a task of the job carries. The feeder calls it before it submits the task.
func (j *job) carry(index int, has *carried) {
	if has == nil {
		return
	}
	j.mu.Lock()
	wanted := !j.dead && j.failure == nil && !j.finished
	if wanted {
		if j.carried == nil {
			j.carried = map[int]*carried{}
		}
		j.carried[index] = has
		j.bytes.Add(has.bytes)
	}
	j.mu.Unlock()
	if !wanted {
		has.release()
	}
}

// overLocked takes off the list what n answered tasks carried. Under the job's mu.
func (j *job) overLocked(first, n int) (over []*carried) {
	if len(j.carried) == 0 {
		return nil
	}
	for i := first; i < first+n; i++ {
		if has, ok := j.carried[i]; ok {
			over = append(over, has)
			delete(j.carried, i)
		}
	}
	return over
}

// release says that tasks are answered which carried this. It is called without core.mu.
func (j *job) release(over []*carried) {
	for _, has := range over {
		j.bytes.Add(-has.bytes)
		has.release()
	}
}

// releaseAll is for a job that is finished.
func (j *job) releaseAll() {
	j.mu.Lock()
	over := slices.Collect(maps.Values(j.carried))
	j.carried = nil
	j.mu.Unlock()
	j.release(over)
}

// size returns how many bytes the results of a span take, shared memory included.
func (s *span) size() int64 {
	size := int64(len(s.items))
	for i := s.first; s.offers != nil && i < s.first+s.n; i++ {
		size += s.offers[i].size()
	}
	return size
}

// drop gives back the shared memory of results that nobody will see.
func (s *span) drop() {
	for i := s.first; s.offers != nil && i < s.first+s.n; i++ {
		s.offers[i].drop()
	}
}

// abandon gives back the shared memory of results that came and were not consumed. The consumer calls it when it leaves.
func (j *job) abandon() {
	j.mu.Lock()
	spans := j.spans
	j.spans = nil
	j.mu.Unlock()
	for _, s := range spans {
		s.drop()
	}
}
