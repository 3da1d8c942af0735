package sockdir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	suffix  = ".sock"
	unborn  = ".new"
	maxPool = 40 // bytes of the pool's name that the file's name tells
)

// Listener accepts connections of this user alone. Its Close takes the socket away.
type Listener struct {
	net.Listener
	Path string

	close sync.Once
	err   error
}

// last numbers the sockets of this process, so that two pools of one name are told apart.
var last atomic.Int64

// Listen opens a socket for a pool.
func Listen(pool string) (*Listener, error) {
	if !supported {
		return nil, ErrUnsupported
	}
	dir, err := makeDir()
	if err != nil {
		return nil, err
	}
	for {
		path, err := newPath(dir, pool)
		if err != nil {
			return nil, err
		}
		// A process in another container that shares the directory may have our number. What a dead one left is removed by the question.
		if !listens(context.Background(), path) {
			return listenAt(path)
		}
	}
}

// newPath is a path that fits into a socket's address.
func newPath(dir, pool string) (string, error) {
	head := filepath.Join(dir, strconv.Itoa(os.Getpid())+"-")
	tail := "-" + strconv.FormatInt(last.Add(1), 10) + suffix
	room := maxPath - len(head) - len(tail) - len(unborn)
	if room < 1 {
		return "", fmt.Errorf("procpool: the path of the directory for sockets %s is too long by %d bytes, since a socket's has at most %d: set %s to a shorter one",
			strconv.Quote(dir), 1-room, maxPath, Var)
	}
	return head + plain(pool, min(room, maxPool)) + tail, nil
}

// plain is a pool's name as a part of a file's name.
func plain(name string, most int) string {
	if name == "" {
		name = "pool"
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("-_.", r):
			return r
		}
		return '_'
	}, name)
	return name[:min(len(name), most)]
}

// listenAt makes the socket under another name first: one that can be found is one that answers, so who finds one that does not may remove it.
func listenAt(path string) (*Listener, error) {
	temp := path + unborn
	_ = os.Remove(temp) //nolint:gosec // of a dead process that had our number, where the user wants it
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: temp, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("procpool: opening a socket: %w", err)
	}
	l.SetUnlinkOnClose(false)
	err = os.Chmod(temp, 0o600) //nolint:gosec // the user chooses the directory
	if err == nil {
		err = os.Rename(temp, path) //nolint:gosec // the user chooses the directory
	}
	if err != nil {
		_ = l.Close()
		_ = os.Remove(temp) //nolint:gosec // the user chooses the directory
		return nil, fmt.Errorf("procpool: opening a socket: %w", err)
	}
	return &Listener{Listener: l, Path: path}, nil
}

// Accept returns the next connection of this user, or of root.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if uid, ok := peer(conn); !ok || uid == os.Geteuid() || uid == 0 {
			return conn, nil
		}
		_ = conn.Close()
	}
}

// Close removes the socket, if nobody has, and stops listening.
func (l *Listener) Close() error {
	l.close.Do(func() {
		err := os.Remove(l.Path)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		l.err = errors.Join(err, l.Listener.Close())
	})
	return l.err
}

// Dial connects to a socket of this user. Root may look at everybody's.
func Dial(ctx context.Context, path string) (net.Conn, error) {
	if !supported {
		return nil, ErrUnsupported
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if uid, ok := peer(conn); ok && uid != os.Geteuid() && os.Geteuid() != 0 {
		_ = conn.Close()
		return nil, fmt.Errorf("procpool: the socket %s is one of user %d: only they can look", strconv.Quote(path), uid)
	}
	return conn, nil
}
