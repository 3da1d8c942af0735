package main

import "io"

// heeded is a writer that remembers its first error, for writers who do not look: cobra prints help so.
type heeded struct {
	w   io.Writer
	err error
}

func (h *heeded) Write(p []byte) (int, error) {
	n, err := h.w.Write(p)
	if h.err == nil {
		h.err = err
	}
	return n, err
}

// verdict is the error of a command that wrote to h: nil where the reader has gone away, and else that of h, if it has one.
func (h *heeded) verdict(err error) error {
	switch {
	case h.err == nil:
		return err
	case readerIsGone(h.err):
		return nil
	}
	return broken(h.err)
}
