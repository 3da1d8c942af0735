//go:build !unix

package pool

import (
	"io"
	"os"
)

// canTry says that a write need not wait. This system's pipes cannot say how much they would take: everything is left to the outbox's goroutine.
const canTry = false

// writeVector implements vectorWriter, and waits.
func (p *filePipe) writeVector(pieces [][]byte) (n int, err error) {
	for _, b := range pieces {
		m, err := p.file.Write(b)
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// quiet returns w: this system has no SIGPIPE.
func quiet(w io.Writer) io.Writer { return w }

// unheard is not asked for on this system, which has no SIGPIPE.
func unheard(*os.File) bool { return false }
