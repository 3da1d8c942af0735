//go:build unix

package sockdir

import (
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
)

// helper is the variable that makes this binary play another process, which dies without tidying up.
const helper = "SOCKDIR_TEST_HELPER"

func TestMain(m *testing.M) {
	if pool := os.Getenv(helper); pool != "" {
		l, err := Listen(pool)
		if err != nil {
			panic(err)
		}
		fmt.Println(l.Path)
		_, _ = os.Stdin.Read(make([]byte, 1))
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	leaktest.Main(m)
}

// ownPlace has the test use a directory of its own, which does not exist yet.
func ownPlace(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "sd") // short: t.TempDir has the test's name in it
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	dir = filepath.Join(dir, "s")
	t.Setenv(Var, dir)
	return dir
}

func listen(t *testing.T, pool string) *Listener {
	t.Helper()
	l, err := Listen(pool)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func listed(t *testing.T) []Socket {
	t.Helper()
	all, err := List(t.Context())
	require.NoError(t, err)
	return all
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestASocketIsForItsUserAlone(t *testing.T) {
	dir := ownPlace(t)
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	l := listen(t, "primes")
	for path, mode := range map[string]fs.FileMode{dir: fs.ModeDir | 0o700, l.Path: fs.ModeSocket | 0o600} {
		info, err := os.Lstat(path)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode(), path)
	}
}

func TestTheDirectoryIsUsableUnderAnyUmask(t *testing.T) {
	ownPlace(t)
	old := syscall.Umask(0o777)
	defer syscall.Umask(old)
	listen(t, "primes")
	require.Len(t, listed(t), 1)
}

func TestAPoolIsFoundUntilItsSocketIsClosed(t *testing.T) {
	dir := ownPlace(t)
	require.Empty(t, listed(t), "there is no directory yet")
	a, b := listen(t, "primes"), listen(t, "a b/é-1")
	require.Equal(t, []Socket{{a.Path, os.Getpid(), "primes"}, {b.Path, os.Getpid(), "a_b__-1"}}, sortedByPool(listed(t)))
	require.NoError(t, a.Close())
	require.Len(t, listed(t), 1)
	require.NoError(t, b.Close())
	require.NoError(t, b.Close())
	require.Empty(t, listed(t))
	require.Empty(t, names(t, dir))
}

func sortedByPool(all []Socket) []Socket {
	if len(all) == 2 && all[0].Pool != "primes" {
		all[0], all[1] = all[1], all[0]
	}
	return all
}

func TestDirectoriesThatOthersCouldEnterAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(t *testing.T, dir string)
		says    string
	}{
		"a link":            {func(t *testing.T, dir string) { require.NoError(t, os.Symlink(t.TempDir(), dir)) }, "is a symbolic link"},
		"a link to nowhere": {func(t *testing.T, dir string) { require.NoError(t, os.Symlink("/no/such", dir)) }, "is a symbolic link"},
		"a file":            {func(t *testing.T, dir string) { require.NoError(t, os.WriteFile(dir, nil, 0o600)) }, "is no directory"},
		"open to others":    {func(t *testing.T, dir string) { openDir(t, dir, 0o755) }, "is open to other users (mode 0755): chmod 700"},
		"open to a group":   {func(t *testing.T, dir string) { openDir(t, dir, 0o710) }, "is open to other users (mode 0710)"},
		"another user's": {func(t *testing.T, dir string) {
			if os.Geteuid() != 0 {
				t.Skip("only root can give a directory away")
			}
			openDir(t, dir, 0o700)
			require.NoError(t, os.Chown(dir, 4711, 0))
		}, "belongs to user 4711 and not to user 0"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := ownPlace(t)
			test.prepare(t, dir)
			_, err := Listen("primes")
			require.ErrorContains(t, err, test.says)
			require.ErrorContains(t, err, dir)
			_, err = List(t.Context())
			require.ErrorContains(t, err, test.says)
		})
	}
}

func openDir(t *testing.T, dir string, mode fs.FileMode) {
	t.Helper()
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Chmod(dir, mode))
}

func TestALinkIsNotFollowedForASlashAtItsEnd(t *testing.T) {
	dir := ownPlace(t)
	require.NoError(t, os.Symlink(t.TempDir(), dir))
	t.Setenv(Var, dir+"/")
	_, err := Listen("primes")
	require.ErrorContains(t, err, "is a symbolic link")
}

func TestADirectoryThatCannotBeMadeIsNamed(t *testing.T) {
	t.Setenv(Var, "/no/such/place")
	_, err := Listen("primes")
	require.ErrorContains(t, err, "/no/such/place")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestTheVariableIsOneOrZeroOrAPath(t *testing.T) {
	for value, wanted := range map[string]bool{"": false, "0": false, "off": false, "1": true, "/some/where": true, "maybe": true} {
		t.Setenv(Var, value)
		require.Equal(t, wanted, Wanted(), value)
	}
	t.Setenv(Var, "maybe")
	_, err := Listen("primes")
	require.ErrorContains(t, err, `PROCPOOL_MONITOR="maybe": want 1, 0, or the path of a directory`)
	_, err = List(t.Context())
	require.ErrorContains(t, err, `PROCPOOL_MONITOR="maybe"`)
}

func TestTheUsersRuntimeDirectoryComesFirst(t *testing.T) {
	runtime := t.TempDir()
	t.Setenv(Var, "1")
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	fallback := fmt.Sprintf("/tmp/procpool-%d", os.Geteuid())
	dirs, err := places()
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(runtime, "procpool"), fallback}, dirs)
	for _, useless := range []string{"", "relative", "/no/such", "/dev/null"} {
		t.Setenv("XDG_RUNTIME_DIR", useless)
		dirs, err := places()
		require.NoError(t, err)
		require.Equal(t, []string{fallback}, dirs, useless)
	}
	if os.Geteuid() == 0 { // as after su
		t.Setenv("XDG_RUNTIME_DIR", runtime)
		require.NoError(t, os.Chown(runtime, 4711, 0))
		dirs, err := places()
		require.NoError(t, err)
		require.Equal(t, []string{fallback}, dirs)
	}
}

func TestALongPathTakesFromTheNameAndThenFails(t *testing.T) {
	dir := ownPlace(t)
	room := maxPath - len(dir)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	fits := filepath.Join(dir, strings.Repeat("d", room-40))
	t.Setenv(Var, fits)
	l := listen(t, strings.Repeat("pool", 20))
	require.LessOrEqual(t, len(l.Path), maxPath)
	require.Equal(t, "pool", listed(t)[0].Pool[:4])

	t.Setenv(Var, filepath.Join(dir, strings.Repeat("d", room)))
	_, err := Listen("primes")
	require.ErrorContains(t, err, "is too long by")
	require.ErrorContains(t, err, "set PROCPOOL_MONITOR to a shorter one")
}

// ghost is the socket of a process that was killed.
func ghost(t *testing.T, pool string) (path string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helper+"="+pool)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line := make([]byte, 200)
	n, err := out.Read(line)
	require.NoError(t, err)
	path = strings.TrimSpace(string(line[:n]))
	require.NoError(t, in.Close())
	_, _ = io.Copy(io.Discard, out)
	require.Error(t, cmd.Wait(), "it was killed")
	return path
}

func TestSocketsOfDeadProcessesAreRemovedByWhoeverLists(t *testing.T) {
	dir := ownPlace(t)
	path := ghost(t, "primes")
	require.FileExists(t, path)
	l := listen(t, "alive")
	require.Equal(t, []Socket{{l.Path, os.Getpid(), "alive"}}, listed(t))
	require.Equal(t, []string{filepath.Base(l.Path)}, names(t, dir))
}

func TestASocketThatWasNeverBornIsRemovedLater(t *testing.T) {
	dir := ownPlace(t)
	path := ghost(t, "primes")
	temp := path + unborn
	require.NoError(t, os.Rename(path, temp))
	require.Empty(t, listed(t))
	require.FileExists(t, temp, "it may be born yet")
	long := time.Now().Add(-2 * infancy)
	require.NoError(t, os.Chtimes(temp, long, long))
	require.Empty(t, listed(t))
	require.Empty(t, names(t, dir))
}

func TestASocketOfAnotherProcessWithOurNumberStays(t *testing.T) {
	dir := ownPlace(t)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	next := filepath.Join(dir, fmt.Sprintf("%d-primes-%d%s", os.Getpid(), last.Load()+1, suffix))
	other, err := net.Listen("unix", next) // as of a container that shares the directory
	require.NoError(t, err)
	defer other.Close()
	l := listen(t, "primes")
	require.NotEqual(t, next, l.Path)
	require.Len(t, listed(t), 2)
}

func TestWhatIsNoSocketOfAPoolIsLeftAlone(t *testing.T) {
	dir := ownPlace(t)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	other, err := net.Listen("unix", filepath.Join(dir, "other.sock"))
	require.NoError(t, err)
	other.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, other.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "1-a-1.sock"), nil, 0o600))
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(dir, "2-a-1.sock")))
	require.Empty(t, listed(t))
	require.Len(t, names(t, dir), 3)
}

func TestManyMayCallAtOnce(t *testing.T) {
	ownPlace(t)
	l := listen(t, "primes")
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			})
		}
	})
	var clients sync.WaitGroup
	for i := range 64 {
		clients.Go(func() {
			conn, err := Dial(t.Context(), l.Path)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			text := fmt.Sprintf("%03d", i)
			_, _ = io.WriteString(conn, text)
			got := make([]byte, 3)
			if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
				t.Errorf("%q, %v: want %s", got, err, text)
			}
		})
		clients.Go(func() {
			if _, err := List(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	clients.Wait()
	require.NoError(t, l.Close())
	served.Wait()
}

func TestThePeerOfAConnectionIsKnown(t *testing.T) {
	ownPlace(t)
	l := listen(t, "primes")
	client, err := Dial(t.Context(), l.Path)
	require.NoError(t, err)
	defer client.Close()
	server, err := l.Accept()
	require.NoError(t, err)
	defer server.Close()
	for _, conn := range []net.Conn{client, server} {
		if uid, ok := peer(conn); ok {
			require.Equal(t, os.Geteuid(), uid)
		}
	}
}
