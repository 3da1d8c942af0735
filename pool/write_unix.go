//go:build unix

package pool

import (
	"errors"

	"golang.org/x/sys/unix"
)

// maxWrite bounds one write: longer ones do not get faster, and Darwin refuses those over 2 GiB.
const maxWrite = 1 << 30

// writeNow writes what a non-blocking descriptor takes at once.
func writeNow(fd uintptr, b []byte) (n int, err error) {
	for {
		n, err = unix.Write(int(fd), b[:min(len(b), maxWrite)])
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return 0, nil
		case err != nil:
			return 0, err
		default:
			return n, nil
		}
	}
}
