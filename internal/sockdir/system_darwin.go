package sockdir

import (
	"net"

	"golang.org/x/sys/unix"
)

const (
	maxPath          = 103   // sun_path has 104 bytes, the last of which ends it
	refusedMeansDead = false // a full backlog refuses too
)

// peer is the user at the other end of a connection.
func peer(conn net.Conn) (uid int, ok bool) {
	return credential(conn, func(fd int) (int, error) {
		cred, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
		if err != nil {
			return 0, err
		}
		return int(cred.Uid), nil
	})
}
