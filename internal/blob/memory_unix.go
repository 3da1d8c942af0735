//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package blob

import (
	"errors"
	"fmt"
	"math"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// checkFileSize fails where a file of so many bytes is over RLIMIT_FSIZE, which counts memory files too: writing one would end the program by SIGXFSZ.
func checkFileSize(size int) error {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_FSIZE, &limit) == nil && uint64(size) > uint64(limit.Cur) { //nolint:unconvert // signed on FreeBSD
		return fmt.Errorf("shared memory of %d bytes: %w (RLIMIT_FSIZE)", size, unix.EFBIG)
	}
	return nil
}

// newFile writes data into a file that has no name any more, and returns a descriptor that cannot change it.
func newFile(data []byte) (*os.File, error) {
	if err := checkFileSize(len(data)); err != nil {
		return nil, err
	}
	scratch, err := os.CreateTemp("", "procpool-blob-")
	if err != nil {
		return nil, fmt.Errorf("shared memory: %w", err)
	}
	file, err := os.Open(scratch.Name())
	err = errors.Join(err, os.Remove(scratch.Name())) // before anything is in it: nothing is left, whatever happens
	if err == nil {
		_, err = scratch.Write(data)
	}
	if err = errors.Join(err, scratch.Close()); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("shared memory of %d bytes: %w", len(data), err)
	}
	return file, nil
}

// stat fills in what a file says of itself.
func (m *Memory) stat() error {
	var st unix.Stat_t
	if err := unix.Fstat(int(m.file.Fd()), &st); err != nil {
		return fmt.Errorf("shared memory: fstat: %w", err)
	}
	switch {
	case uint32(st.Mode)&unix.S_IFMT != unix.S_IFREG: //nolint:unconvert // 16 bits on Darwin
		return errors.New("shared memory: the descriptor is none of memory")
	case st.Size < 0 || st.Size > math.MaxInt:
		return fmt.Errorf("shared memory of %d bytes", st.Size)
	}
	m.size, m.hollow = int(st.Size), st.Blocks < st.Size/512
	m.id = FileID{Device: uint64(st.Dev), Inode: st.Ino} //nolint:unconvert // 32 bits on Darwin
	return nil
}

func mapFile(file *os.File, size int) ([]byte, error) {
	p, err := unix.MmapPtr(int(file.Fd()), 0, nil, uintptr(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(p), size), nil
}

func unmap(data []byte) { _ = unix.MunmapPtr(unsafe.Pointer(&data[0]), uintptr(len(data))) }

// blank puts zeros, which take no memory, in the place of a mapping.
func blank(data []byte) error {
	_, err := unix.MmapPtr(-1, 0, unsafe.Pointer(&data[0]), uintptr(len(data)), unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_FIXED)
	return err
}
