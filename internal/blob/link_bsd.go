//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package blob

// The Go runtime ignores SIGPIPE but on standard output and error; received descriptors are marked one by one.
const (
	noSignal  = 0
	recvFlags = 0
)
