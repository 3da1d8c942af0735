package sockdir

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// readAs connects to a socket as another user and reads.
func readAs(uid int, path string) (n int, err error) {
	type answer struct {
		n   int
		err error
	}
	answers := make(chan answer)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		n, err := func() (int, error) {
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
				return 0, errno
			}
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return 0, err
			}
			defer unix.Close(fd)
			if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
				return 0, err
			}
			return unix.Read(fd, make([]byte, 10))
		}()
		answers <- answer{n, err}
	}()
	a := <-answers
	return a.n, a.err
}

func TestAnotherUserGetsNoWordEvenWhereTheModesLetThemIn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can play another user")
	}
	dir := ownPlace(t)
	l := listen(t, "primes")
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("hello"))
			_ = conn.Close()
		}
	}()
	_, err := readAs(4711, l.Path)
	require.ErrorIs(t, err, unix.EACCES, "the modes keep them out")

	for _, path := range []string{filepath.Dir(dir), dir, l.Path} {
		require.NoError(t, os.Chmod(path, 0o777))
	}
	n, err := readAs(4711, l.Path)
	require.NoError(t, err)
	require.Zero(t, n, "they are hung up on")
	n, err = readAs(0, l.Path)
	require.NoError(t, err)
	require.Equal(t, len("hello"), n)
	require.NoError(t, l.Close())
	<-served
}

func TestAConnectionWithoutCredentialIsNobodys(t *testing.T) {
	a, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer a.Close()
	conn, err := net.Dial("tcp", a.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	uid, ok := peer(conn)
	require.True(t, ok)
	require.NotEqual(t, os.Geteuid(), uid)
}
