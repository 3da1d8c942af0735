//go:build linux || darwin

package sockdir

import (
	"net"
	"syscall"
)

// credential asks the socket of a connection. A connection whose peer the system does not tell is nobody's: the answer is a user that nobody is.
func credential(conn net.Conn, ask func(fd int) (uid int, err error)) (uid int, ok bool) {
	const nobody = -1
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return nobody, true
	}
	uid = nobody
	err = raw.Control(func(fd uintptr) {
		if id, err := ask(int(fd)); err == nil {
			uid = id
		}
	})
	if err != nil {
		return nobody, true
	}
	return uid, true
}
