//go:build !unix

package serve

import "io"

// vectorWriter returns what writes pieces to w, one after another: this system has no call for several.
func vectorWriter(w io.Writer) func(pieces [][]byte) error { return writeEach(w) }
