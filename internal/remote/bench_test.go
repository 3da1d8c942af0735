package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
)

// BenchmarkRoundTrip is what a failed task pays: Append in the worker, Parse in
// the parent and, once somebody asks, Targets.
func BenchmarkRoundTrip(b *testing.B) {
	for _, c := range []struct {
		name string
		err  error
	}{
		{"error=plain", errors.New("no such record")},
		{"error=wrapped", fmt.Errorf("load: %w", errApp)},
		{"error=path", fmt.Errorf("load: %w", &fs.PathError{Op: "open", Path: "/tmp/x", Err: syscall.ENOENT})},
		{"error=typed", &codeError{Code: 404, Detail: "no such thing"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				buf = Append(buf[:0], c.err)
				e, parseErr := Parse(buf)
				if parseErr != nil {
					b.Fatal(parseErr)
				}
				e.Targets()
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}
