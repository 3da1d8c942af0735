package sockdir

import (
	"net"

	"golang.org/x/sys/unix"
)

const (
	maxPath          = 107  // sun_path has 108 bytes, the last of which ends it
	refusedMeansDead = true // a full backlog is told by EAGAIN
)

// peer is the user at the other end of a connection.
func peer(conn net.Conn) (uid int, ok bool) {
	return credential(conn, func(fd int) (int, error) {
		cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil {
			return 0, err
		}
		return int(cred.Uid), nil
	})
}
