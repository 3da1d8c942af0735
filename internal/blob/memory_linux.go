package blob

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// seals that a piece of memory must have before it is mapped: a mapping of a file that shrinks kills the one who reads it,
// contents that change under a reader are worse, and seals that can be lifted are none.
const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL

// hasMemfd reports whether this system has memory files that can be sealed: kernels since 3.17, unless a sandbox forbids them.
var hasMemfd = sync.OnceValue(func() bool {
	fd, err := unix.MemfdCreate("procpool-probe", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err == nil {
		unix.Close(fd)
	}
	return !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES)
})

// New copies data into memory that can be shared.
func New(data []byte) (*Memory, error) {
	create := newMemfd
	if !hasMemfd() {
		create = newFile
	}
	file, err := create(data)
	if err != nil {
		return nil, err
	}
	m := &Memory{file: file}
	if err := m.stat(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return m, nil
}

// newMemfd writes rather than copies into a mapping: that needs no page table and no zeroed pages.
func newMemfd(data []byte) (*os.File, error) {
	if err := checkFileSize(len(data)); err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("procpool-blob", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("shared memory: memfd_create: %w", err)
	}
	file := os.NewFile(uintptr(fd), "procpool-blob")
	if _, err := file.Write(data); err != nil {
		return nil, fmt.Errorf("shared memory of %d bytes: %w", len(data), errors.Join(err, file.Close()))
	}
	if err := seal(file); err != nil {
		return nil, fmt.Errorf("shared memory: seal: %w", errors.Join(err, file.Close()))
	}
	return file, nil
}

// sealTries is how often sealing is tried, with a pause that doubles from a millisecond: about a second in all.
const sealTries = 10

// seal seals a file that nobody has mapped. The kernel refuses that with EBUSY while something of its own holds a page of the file, as compaction and what watches
// memory do for moments.
func seal(file *os.File) error {
	for try := range sealTries {
		_, err := unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, seals)
		if !errors.Is(err, unix.EBUSY) {
			return err
		}
		time.Sleep(time.Millisecond << try)
	}
	return unix.EBUSY
}

// Adopt makes Memory of a descriptor that another process has sent, which it owns from now on. Unless it trusts the sender it takes
// nothing but what is sealed; where there are no seals, such memory is read and never mapped.
func Adopt(file *os.File, trust bool) (*Memory, error) {
	m := &Memory{file: file}
	err := m.stat()
	if err == nil && !trust {
		err = m.checkSeals()
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return m, nil
}

func (m *Memory) checkSeals() error {
	got, err := unix.FcntlInt(m.file.Fd(), unix.F_GET_SEALS, 0)
	switch {
	case err == nil && got&seals == seals && m.hollow:
		return fmt.Errorf("shared memory of %d bytes has holes", m.size)
	case err == nil && got&seals == seals:
		return nil
	case hasMemfd():
		return fmt.Errorf("shared memory: it is not sealed (%#x, want %#x)", max(got, 0), seals)
	}
	m.alone = true
	return nil
}
