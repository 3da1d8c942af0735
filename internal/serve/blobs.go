package serve

import (
	"errors"
	"fmt"

	"github.com/procpool/procpool/internal/blob"
	"github.com/procpool/procpool/internal/codec"
	"github.com/procpool/procpool/wire"
)

// A Task is the Carrier of its own argument and result. It is asked by the goroutine that runs it, before and after the function.
var _ blob.Carrier = (*Task)(nil)

var errNoLink = errors.New("shared memory: this worker has no way to get it")

// Put implements codec.Carrier: for results that are long.
func (t *Task) Put(b []byte) (ref codec.Ref, ok bool, err error) {
	s := t.batch().server
	switch least := s.welcome.Blob; {
	case s.blobs == nil || s.cfg.Inline || least <= 0 || len(b) < least:
		return ref, false, nil
	case uint64(len(b)) > s.welcome.Max:
		return ref, false, fmt.Errorf("%w: %d bytes, more than the %d of WithMaxPayload", wire.ErrTooLarge, len(b), s.welcome.Max)
	}
	return s.blobs.OfferBytes(t.batch().id, t.offset(), b)
}

// Take implements codec.Carrier.
func (t *Task) Take(ref codec.Ref) ([]byte, error) {
	if t.batch().server.blobs == nil {
		return nil, errNoLink
	}
	return t.batch().server.blobs.Copy(ref)
}

// Object implements codec.Carrier.
func (t *Task) Object(ref codec.Ref) (any, error) {
	h, err := t.Unpack(ref)
	if err != nil {
		return nil, err
	}
	return blob.Wrap(h), nil
}

// Pack implements blob.Carrier.
func (t *Task) Pack(h *blob.Handle) (ref codec.Ref, contents []byte, err error) {
	c := t.batch().server.blobs
	if c == nil { // a worker that shares no memory with its parent
		contents, err = h.Bytes()
		return ref, contents, err
	}
	ref, err = c.Offer(t.batch().id, t.offset(), h)
	return ref, nil, err
}

// Unpack implements blob.Carrier.
func (t *Task) Unpack(ref codec.Ref) (*blob.Handle, error) {
	if t.batch().server.blobs == nil {
		return nil, errNoLink
	}
	return t.batch().server.blobs.Open(ref)
}

// Fill implements blob.Carrier.
func (t *Task) Fill(contents []byte) (*blob.Handle, error) { return blob.NewOwn(contents, false) }

// settle lets go of what the last task had, once its result is in the pipe or the ring: it may have returned what lies in a Blob.
func (s *Server) settle() {
	if s.blobs != nil {
		s.blobs.Settle()
	}
}

// forgetBlob lets go of shared memory that the pool does not need any more, when no task runs.
func (s *Server) forgetBlob(f wire.Frame) error {
	token, err := wire.ParseToken(f)
	if err == nil && s.blobs != nil {
		s.blobs.Forget(blob.Token(token), s.busy.Load)
	}
	return err
}
