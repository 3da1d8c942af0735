package blob

import (
	"runtime"
	"sync/atomic"
)

// Source is where a Handle's bytes are.
type Source interface {
	Bytes() ([]byte, error)
	// Release is called once, when the user says that he is done.
	Release()
	// Drop is called instead where he has lost the Handle and never said so. He may still have what Bytes returned.
	Drop()
}

// Handle is what all copies of one worker.Blob share.
type Handle struct {
	size     int
	source   Source
	released atomic.Bool
	cleanup  runtime.Cleanup
}

// NewHandle returns a Handle. source must not lead back to it.
func NewHandle(size int, source Source) *Handle {
	h := &Handle{size: size, source: source}
	h.cleanup = runtime.AddCleanup(h, Source.Drop, source)
	return h
}

// Size is the size in bytes; it stays known after Release.
func (h *Handle) Size() int { return h.size }

// Source returns where the bytes are, unless the Handle is released.
func (h *Handle) Source() (Source, error) {
	if h.released.Load() {
		return nil, ErrReleased
	}
	return h.source, nil
}

// Bytes returns the memory itself.
func (h *Handle) Bytes() ([]byte, error) {
	defer runtime.KeepAlive(h)
	source, err := h.Source()
	if err != nil {
		return nil, err
	}
	return source.Bytes()
}

// Release says that the memory is not needed any more. Calls after the first do nothing.
func (h *Handle) Release() {
	if h.released.CompareAndSwap(false, true) {
		h.cleanup.Stop()
		h.source.Release()
	}
}

// Wrap makes the type that users see of a Handle. Package worker sets it when it is initialised.
var Wrap func(*Handle) any
