package blob

import "golang.org/x/sys/unix"

const (
	noSignal  = unix.MSG_NOSIGNAL
	recvFlags = unix.MSG_CMSG_CLOEXEC
)
