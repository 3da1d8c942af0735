//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package blob

import (
	"errors"
	"os"
)

// New copies data into memory that can be shared: a file without a name, in the directory for temporary files.
func New(data []byte) (*Memory, error) {
	file, err := newFile(data)
	if err != nil {
		return nil, err
	}
	m := &Memory{file: file}
	if err := m.stat(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return m, nil
}

// Adopt makes Memory of a descriptor that another process has sent, which it owns from now on. There are no seals here: unless the
// sender is trusted it is read and never mapped.
func Adopt(file *os.File, trust bool) (*Memory, error) {
	m := &Memory{file: file, alone: !trust}
	if err := m.stat(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return m, nil
}
