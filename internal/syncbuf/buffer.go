// Package syncbuf has a buffer that one goroutine writes while another reads: what a pool logs and prints, in tests and measuring programs.
package syncbuf

import (
	"bytes"
	"sync"
)

// Buffer keeps what is written to it. Its zero value is empty and ready; it must not be copied once it is used.
type Buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer. It never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String is what was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
