package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	firstBuffer = 4 << 10  // enough where little is said, as by most of many workers
	readBuffer  = 64 << 10 // a default pipe's capacity: one read empties it
	growStep    = 4 << 20  // what is allocated on a header's word alone
	growFactor  = 64       // and how many times what has come, after that
)

// Frame is a header and its payload.
type Frame struct {
	Header
	Payload []byte

	// Owned says that the payload is memory of its own, which the receiver may
	// keep. Otherwise it is valid until the next call of the Reader.
	Owned bool
}

// Reader reads frames. It is not safe for concurrent use.
type Reader struct {
	src        io.Reader
	maxPayload uint64
	accept     func(Kind) bool
	trusts     bool

	buf        []byte // of firstBuffer bytes until one read fills it, then of readBuffer
	start, end int    // unread part of buf
}

// NewReader returns a Reader of frames whose kinds accept allows
// (Kind.FromWorker, Kind.FromParent) and whose values have at most maxPayload bytes.
func NewReader(src io.Reader, maxPayload uint64, accept func(Kind) bool) *Reader {
	return &Reader{src: src, maxPayload: maxPayload, accept: accept, buf: make([]byte, firstBuffer)}
}

// SetMaxPayload changes the limit, for a worker that learns it from Welcome.
func (r *Reader) SetMaxPayload(n uint64) { r.maxPayload = n }

// Trust makes the Reader allocate at once what a header announces: for a worker, which can but trust its parent.
func (r *Reader) Trust() { r.trusts = true }

// Buffered returns how many bytes have been read from the source but not returned.
func (r *Reader) Buffered() int { return r.end - r.start }

// Ready reports whether Next would return a frame, or an error, without reading from the source.
func (r *Reader) Ready() bool {
	if r.Buffered() < HeaderSize {
		return false
	}
	h, err := ParseHeader(r.buf[r.start:r.end])
	return err != nil || r.check(h) != nil || uint64(r.Buffered()-HeaderSize) >= h.Length
}

// Kind returns the kind of the frame that Next would return, where Ready says that there is one.
func (r *Reader) Kind() Kind {
	h, _ := ParseHeader(r.buf[r.start:r.end]) // Next says what is wrong with it
	return h.Kind
}

// Fill reads once from the source, for Ready.
func (r *Reader) Fill() error { return r.fill(1) }

// Cookie reads up to and including the cookie and returns what came before it,
// at most MaxBeforeCookie bytes. On an error it returns what it has seen.
func (r *Reader) Cookie(cookie []byte) (before []byte, err error) {
	for {
		if i := bytes.Index(r.buf[r.start:r.end], cookie); i >= 0 {
			before = append(before, r.buf[r.start:r.start+i]...)
			r.start += i + len(cookie)
			if len(before) > MaxBeforeCookie {
				return before[:MaxBeforeCookie], violation(before, "more than %d bytes before the cookie", MaxBeforeCookie)
			}
			return before, nil
		}
		// Keep what may be the beginning of the cookie.
		if keep := r.end - r.start; keep >= len(cookie) {
			pass := keep - len(cookie) + 1
			before = append(before, r.buf[r.start:r.start+pass]...)
			r.start += pass
		}
		if len(before) > MaxBeforeCookie {
			return before[:MaxBeforeCookie], violation(before, "no cookie in the first %d bytes", MaxBeforeCookie)
		}
		if err := r.fill(1); err != nil {
			return append(before, r.buf[r.start:r.end]...), err
		}
	}
}

// Next returns the next frame. At a clean end between two frames the error is
// io.EOF; within a frame it is io.ErrUnexpectedEOF. A frame that breaks the protocol
// is a *ProtocolError, one over its limit wraps ErrTooLarge as well.
func (r *Reader) Next() (Frame, error) {
	if err := r.wantHeader(); err != nil {
		return Frame{}, err
	}
	h, err := ParseHeader(r.buf[r.start:r.end])
	if err != nil {
		return Frame{}, err
	}
	if err := r.check(h); err != nil {
		return Frame{}, err
	}
	r.start += HeaderSize
	if h.Length <= readBuffer {
		return r.small(h)
	}
	return r.large(h)
}

// wantHeader makes a header available. It looks at the first two bytes as soon as they are there: what is no frame may never get as long
// as a header.
func (r *Reader) wantHeader() error {
	if err := r.want(2); err != nil {
		return err
	}
	if b := r.buf[r.start:r.end]; binary.BigEndian.Uint16(b) != magic {
		return violation(b, "no frame begins here")
	}
	return r.want(HeaderSize)
}

func (r *Reader) check(h Header) error {
	switch {
	case !r.accept(h.Kind):
		return violation(nil, "%v is not a kind that this side may send", h.Kind)
	case h.Count > MaxBatchItems:
		return violation(nil, "%d items in one frame, more than %d", h.Count, MaxBatchItems)
	case h.Length > Limit(h, r.maxPayload):
		return fmt.Errorf("%w: %w", violation(nil, "%v frame of %d bytes, more than %d", h.Kind, h.Length, Limit(h, r.maxPayload)), ErrTooLarge)
	}
	return nil
}

func (r *Reader) small(h Header) (Frame, error) {
	n := int(h.Length)
	if err := r.want(n); err != nil {
		return Frame{}, unexpected(err)
	}
	payload := r.buf[r.start : r.start+n : r.start+n]
	r.start += n
	return Frame{Header: h, Payload: payload}, nil
}

// large reads into memory of its own that grows with what has arrived, so that
// a header alone cannot make this side allocate what it announces.
func (r *Reader) large(h Header) (Frame, error) {
	first := int(h.Length)
	if !r.trusts {
		first = min(first, growStep)
	}
	payload := make([]byte, 0, first)
	payload = append(payload, r.buf[r.start:r.end]...)
	r.start, r.end = 0, 0
	for len(payload) < int(h.Length) {
		if len(payload) == cap(payload) {
			bigger := make([]byte, len(payload), min(int(h.Length), growFactor*cap(payload)))
			copy(bigger, payload)
			payload = bigger
		}
		n, err := r.src.Read(payload[len(payload):cap(payload)])
		payload = payload[:len(payload)+n]
		if err != nil && len(payload) < int(h.Length) {
			return Frame{}, unexpected(err)
		}
	}
	return Frame{Header: h, Payload: payload, Owned: true}, nil
}

// want makes at least n bytes available in the buffer, n being at most readBuffer.
func (r *Reader) want(n int) error {
	if missing := n - r.Buffered(); missing > 0 {
		return r.fill(missing)
	}
	return nil
}

// fill reads at least n more bytes, as many as come with them.
func (r *Reader) fill(n int) error {
	if len(r.buf) < readBuffer && (r.end == len(r.buf) || r.Buffered()+n > len(r.buf)) {
		r.grow()
	}
	if r.start == r.end {
		r.start, r.end = 0, 0
	} else if r.end+n > len(r.buf) {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	for n > 0 {
		got, err := r.src.Read(r.buf[r.end:])
		r.end += got
		n -= got
		if n > 0 && err != nil {
			if r.Buffered() > 0 {
				return unexpected(err)
			}
			return err
		}
	}
	return nil
}

// grow gives the buffer its full size. What was returned before stays in the old one.
func (r *Reader) grow() {
	bigger := make([]byte, readBuffer)
	r.end = copy(bigger, r.buf[r.start:r.end])
	r.start, r.buf = 0, bigger
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
