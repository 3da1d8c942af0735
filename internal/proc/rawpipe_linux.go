package proc

import (
	"os"

	"golang.org/x/sys/unix"
)

// rawPipe makes a pipe that no concurrent fork can inherit.
func rawPipe() (r, w int, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return -1, -1, err
	}
	if err := resize(p[0]); err != nil {
		unix.Close(p[0])
		unix.Close(p[1])
		return -1, -1, err
	}
	return p[0], p[1], nil
}

// rawSocketPair makes sockets that no concurrent fork can inherit.
func rawSocketPair() (a, b int, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	return p[0], p[1], err
}

// resize gives a pipe the capacity of PipeSize.
func resize(fd int) error {
	if PipeSize == 0 {
		return nil
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, PipeSize)
	return err
}

// setCapacity changes the capacity of a pipe. The kernel refuses what is over the user's quota.
func setCapacity(f *os.File, capacity int) {
	_, _ = unix.FcntlInt(f.Fd(), unix.F_SETPIPE_SZ, capacity)
}
