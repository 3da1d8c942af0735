//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package blob

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// socketLink is one end of a stream socket pair between two processes. A message is one byte, its Status, and at most one descriptor.
type socketLink struct {
	file  *os.File
	trust bool
}

// NewLink returns the link over a socket, which is in blocking mode and not in the runtime's poller: the parent never waits for it,
// and a worker does so for moments. trust says that the other side is the parent.
func NewLink(file *os.File, trust bool) Link { return &socketLink{file, trust} }

// Send implements Link.
func (l *socketLink) Send(s Status, m *Memory, wait bool) error {
	var rights []byte
	if m != nil {
		m.mu.Lock() // so that it is not closed meanwhile
		defer m.mu.Unlock()
		if m.file == nil {
			return ErrReleased
		}
		rights = unix.UnixRights(int(m.file.Fd()))
	}
	flags := noSignal
	if !wait {
		flags |= unix.MSG_DONTWAIT
	}
	return l.on(func(fd int) error {
		for {
			_, err := unix.SendmsgN(fd, []byte{byte(s)}, rights, nil, flags)
			switch {
			case errors.Is(err, unix.EINTR):
			case errors.Is(err, unix.EAGAIN):
				return ErrFull
			case err != nil:
				return fmt.Errorf("shared memory: sendmsg: %w", err)
			default:
				return nil
			}
		}
	})
}

// Recv implements Link. It has room for two descriptors, to find out whether there are more than one; the kernel closes the rest.
func (l *socketLink) Recv(wait bool) (s Status, m *Memory, err error) {
	var file *os.File
	err = l.on(func(fd int) (err error) {
		s, file, err = receive(fd, wait)
		return err
	})
	if err == nil && file != nil {
		m, err = Adopt(file, l.trust)
	}
	return s, m, err
}

func receive(fd int, wait bool) (Status, *os.File, error) {
	flags := recvFlags
	if !wait {
		flags |= unix.MSG_DONTWAIT
	}
	var b [1]byte
	oob := make([]byte, unix.CmsgSpace(4))
	for {
		n, oobn, got, _, err := unix.Recvmsg(fd, b[:], oob, flags)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return 0, nil, ErrEmpty
		case err != nil:
			return 0, nil, fmt.Errorf("shared memory: recvmsg: %w", err)
		}
		fds := descriptors(oob[:oobn])
		cut := got&unix.MSG_CTRUNC != 0
		switch {
		case len(fds) == 1 && !cut:
			return Status(b[0]), os.NewFile(uintptr(fds[0]), "procpool-blob"), nil
		case len(fds) > 0:
			for _, fd := range fds {
				unix.Close(fd)
			}
			return 0, nil, errors.New("shared memory: more than one descriptor in a message")
		case cut:
			return 0, nil, ErrNoRoom
		case n == 0:
			return 0, nil, io.EOF
		}
		return Status(b[0]), nil, nil
	}
}

// descriptors returns all that came in a control message.
func descriptors(oob []byte) (all []int) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for i := range messages {
		if fds, err := unix.ParseUnixRights(&messages[i]); err == nil {
			all = append(all, fds...)
		}
	}
	for _, fd := range all {
		unix.CloseOnExec(fd) // where the system call could not do so itself
	}
	return all
}

// on runs f with the descriptor, which is not closed meanwhile.
func (l *socketLink) on(f func(fd int) error) error {
	conn, err := l.file.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	if err := conn.Control(func(fd uintptr) { result = f(int(fd)) }); err != nil {
		return err
	}
	return result
}

// Close implements Link.
func (l *socketLink) Close() error { return l.file.Close() }
