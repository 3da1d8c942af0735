//go:build !unix

package pool

import (
	"io"
	"os"
)

// writeNow writes nothing: this system's pipes cannot say how much they would take. Everything is left to the outbox's goroutine.
func writeNow(uintptr, []byte) (int, error) { return 0, nil }

// quiet returns w: this system has no SIGPIPE.
func quiet(w io.Writer) io.Writer { return w }

// unheard is not asked for on this system, which has no SIGPIPE.
func unheard(*os.File) bool { return false }
