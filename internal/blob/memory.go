package blob

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
)

// ErrReleased is returned for what is released already.
var ErrReleased = errors.New("procpool: the Blob is released")

// Memory is one piece of memory that nobody changes any more. Its methods may be called from any number of goroutines.
type Memory struct {
	size  int
	id    FileID
	alone bool // others can still shorten the file: it is read, never mapped

	// hollow says that not all of the file is there: it costs the one who made it nothing, and the one who reads it all that it claims.
	hollow bool

	mu      sync.Mutex
	file    *os.File // nil on the heap, and where the descriptor is not needed any more
	data    []byte   // what Bytes returned; nil before
	mapped  bool     // data is a mapping
	cleanup runtime.Cleanup
	closed  bool
}

// FileID tells one file from any other, as stat and the kernel's lists of mappings do.
type FileID struct{ Device, Inode uint64 }

// NewHeap returns a copy of data that only this process can see.
func NewHeap(data []byte) *Memory {
	return &Memory{size: len(data), data: append([]byte{}, data...)}
}

// Size is the size in bytes.
func (m *Memory) Size() int { return m.size }

// ID is the identity of the file behind it; zero on the heap.
func (m *Memory) ID() FileID { return m.id }

// Mapped reports whether Bytes has handed out a mapping.
func (m *Memory) Mapped() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mapped
}

// Bytes returns the memory itself, which it maps on the first call. It is read-only: writing to it is a fault.
func (m *Memory) Bytes() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return nil, ErrReleased
	case m.data != nil:
		return m.data, nil
	case m.size == 0:
		m.data = []byte{}
		return m.data, nil
	case m.alone:
		data, err := m.readLocked()
		m.data = data
		return data, err
	}
	data, err := mapFile(m.file, m.size)
	if err != nil {
		return nil, fmt.Errorf("shared memory of %d bytes: mmap: %w", m.size, err)
	}
	m.data, m.mapped = data, true
	m.cleanup = runtime.AddCleanup(m, unmap, data)
	return data, nil
}

// Copy returns a copy of the contents.
func (m *Memory) Copy() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return nil, ErrReleased
	case m.data != nil:
		return append([]byte{}, m.data...), nil
	}
	return m.readLocked()
}

func (m *Memory) readLocked() ([]byte, error) {
	data := make([]byte, m.size)
	if _, err := io.ReadFull(io.NewSectionReader(m.file, 0, int64(m.size)), data); err != nil {
		return nil, fmt.Errorf("shared memory of %d bytes: read: %w", m.size, err)
	}
	return data, nil
}

// Settle closes the descriptor of what is mapped: the mapping needs it no longer.
func (m *Memory) Settle() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closeFileLocked()
}

func (m *Memory) closeFileLocked() {
	if m.file != nil {
		_ = m.file.Close() // nothing was written that is not there
		m.file = nil
	}
}

// Close gives the memory back. What Bytes returned must not be used any more.
func (m *Memory) Close() {
	if data := m.end(); data != nil {
		unmap(data)
	}
}

// Retire gives the memory back as Close does, but whoever still reads what Bytes returned finds zeros there, for as long as he
// has a Memory or a Handle that leads to it.
func (m *Memory) Retire() {
	data := m.end()
	if data == nil {
		return
	}
	if blank(data) != nil {
		unmap(data)
		return
	}
	runtime.AddCleanup(m, unmap, data)
}

// end returns the mapping, if there is one, which is the caller's now.
func (m *Memory) end() (mapping []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	m.closeFileLocked()
	if m.mapped {
		m.cleanup.Stop()
		mapping = m.data
	}
	m.data = nil
	return mapping
}

// clone returns the same memory again, for another owner in this process.
func (m *Memory) clone() (*Memory, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return nil, ErrReleased
	case m.file == nil:
		return &Memory{size: m.size, data: m.data}, nil
	}
	data, err := m.readLocked()
	if err != nil {
		return nil, err
	}
	return &Memory{size: m.size, data: data}, nil
}
