//go:build unix

package serve

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// vectorWriter returns what writes pieces to w: where that is a file, together, so that whoever reads is not woken for the first of them alone.
func vectorWriter(w io.Writer) func(pieces [][]byte) error {
	each := writeEach(w)
	f, ok := w.(*os.File)
	if !ok {
		return each
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return each // a closed file: each will say so
	}
	return func(pieces [][]byte) error {
		if len(pieces) == 1 {
			return each(pieces)
		}
		return writeTogether(conn, pieces)
	}
}

func writeTogether(conn syscall.RawConn, pieces [][]byte) error {
	var failure error
	err := conn.Write(func(fd uintptr) (done bool) {
		for len(pieces) > 0 {
			n, err := unix.Writev(int(fd), pieces)
			switch {
			case errors.Is(err, unix.EINTR):
			case errors.Is(err, unix.EAGAIN):
				return false
			case err != nil:
				failure = err
				return true
			default:
				pieces = drop(pieces, n)
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	return failure
}

// drop takes the first n bytes off pieces.
func drop(pieces [][]byte, n int) [][]byte {
	for len(pieces) > 0 && n >= len(pieces[0]) {
		n -= len(pieces[0])
		pieces = pieces[1:]
	}
	if len(pieces) > 0 {
		pieces[0] = pieces[0][n:]
	}
	return pieces
}
