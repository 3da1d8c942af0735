package random

import (
	"errors"

	"golang.org/x/sys/unix"
)

func read(b []byte) {
	for len(b) > 0 {
		n, err := unix.Getrandom(b, 0)
		if err != nil && !errors.Is(err, unix.EINTR) {
			panic("procpool: getrandom: " + err.Error()) // there since Linux 3.17
		}
		b = b[max(n, 0):]
	}
}
