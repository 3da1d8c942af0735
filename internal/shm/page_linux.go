package shm

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Seals that both sides insist on: a mapping of a file that shrinks kills the one who reads it by
// SIGBUS, and seals that could be lifted again would be none.
const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

// New returns a page that a child can inherit by its descriptor.
func New() (*Page, error) {
	fd, err := unix.MemfdCreate("procpool-status", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("status page: memfd_create: %w", err)
	}
	file := os.NewFile(uintptr(fd), "procpool-status")
	p, err := create(file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return p, nil
}

func create(file *os.File) (*Page, error) {
	if err := file.Truncate(Size); err != nil {
		return nil, fmt.Errorf("status page: %w", err)
	}
	if _, err := unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, fmt.Errorf("status page: seal: %w", err)
	}
	p, err := mapped(file)
	if err != nil {
		return nil, err
	}
	p.word(offMagic).Store(magic)
	return p, nil
}

// Open maps the page that a worker inherited. It keeps the descriptor no longer than that.
func Open(file *os.File) (*Page, error) {
	defer file.Close()
	got, err := unix.FcntlInt(file.Fd(), unix.F_GET_SEALS, 0)
	if err != nil {
		return nil, fmt.Errorf("status page: seals: %w", err)
	}
	if got&seals != seals {
		return nil, fmt.Errorf("status page: seals %#x, want %#x", got, seals)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("status page: %w", err)
	}
	if info.Size() != Size {
		return nil, fmt.Errorf("status page: %d bytes, want %d", info.Size(), Size)
	}
	p, err := mapped(file)
	if err != nil {
		return nil, err
	}
	p.file = nil
	if p.word(offMagic).Load() != magic {
		p.Close()
		return nil, errors.New("status page: no status page")
	}
	return p, nil
}

func mapped(file *os.File) (*Page, error) {
	mem, err := unix.Mmap(int(file.Fd()), 0, Size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("status page: mmap: %w", err)
	}
	return &Page{mem: mem, file: file, release: func() { _ = unix.Munmap(mem) }}, nil
}
