// Package sockdir is where the pools that may be watched have their Unix sockets: a directory that only their user can enter, with a socket for each pool, named
// PID-POOL-N.sock. Who watches finds the pools by reading the directory: nothing else is shared, and a program that was killed leaves nothing but a file.
package sockdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Var is the environment variable by which a user asks for the sockets of all pools of a program, and says where they are.
const Var = "PROCPOOL_MONITOR"

// ErrUnsupported is returned where the system has no Unix sockets that are safe in this way.
var ErrUnsupported = errors.New("procpool: watching a pool through a Unix socket is not supported on this system")

// Wanted reports whether the environment asks for sockets.
func Wanted() bool {
	switch os.Getenv(Var) {
	case "", "0", "off", "false":
		return false
	}
	return true
}

// chosen is the directory that the environment names; "" where it names none.
func chosen() (string, error) {
	value := os.Getenv(Var)
	switch value {
	case "", "0", "off", "false", "1", "on", "true":
		return "", nil
	}
	if !strings.ContainsRune(value, '/') {
		return "", fmt.Errorf("procpool: %s=%s: want 1, 0, or the path of a directory", Var, strconv.Quote(value))
	}
	dir, err := filepath.Abs(value) // cleaned: Lstat of "link/" would follow the link
	if err != nil {
		return "", fmt.Errorf("procpool: %s=%s: %w", Var, strconv.Quote(value), err)
	}
	return dir, nil
}

// places are the directories where sockets may be, the one for new ones first. A program that a daemon started may not know the user's runtime directory, so
// who looks for pools looks in all of them.
func places() ([]string, error) {
	dir, err := chosen()
	if dir != "" || err != nil {
		return []string{dir}, err
	}
	var dirs []string
	if runtime := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(runtime) && isOwn(runtime) { // after su it is another user's
		dirs = append(dirs, filepath.Join(runtime, "procpool"))
	}
	return append(dirs, "/tmp/procpool-"+strconv.Itoa(os.Geteuid())), nil
}

// isOwn reports whether dir is a directory of this user.
func isOwn(dir string) bool {
	info, err := os.Stat(dir) //nolint:gosec // the user chooses the directory
	if err != nil || !info.IsDir() {
		return false
	}
	uid, ok := owner(info)
	return ok && uid == os.Geteuid()
}

// makeDir returns the directory for new sockets, which it makes if need be.
func makeDir() (string, error) {
	dirs, err := places()
	if err != nil {
		return "", err
	}
	dir := dirs[0]
	if err := os.Mkdir(dir, 0o700); err == nil {
		return dir, os.Chmod(dir, 0o700) //nolint:gosec // a directory; the umask may have taken too much
	} else if !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("procpool: the directory for sockets: %w", err)
	}
	return dir, check(dir)
}

// check refuses a directory that others could enter, or could put something else in the place of: in /tmp anybody can make one of any name.
func check(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("procpool: the directory for sockets: %w", err)
	}
	uid, known := owner(info)
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return refused(dir, "is a symbolic link")
	case !info.IsDir():
		return refused(dir, "is no directory")
	case known && uid != os.Geteuid():
		return refused(dir, fmt.Sprintf("belongs to user %d and not to user %d", uid, os.Geteuid()))
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("procpool: the directory for sockets %s is open to other users (mode %04o): chmod 700 it", strconv.Quote(dir), info.Mode().Perm())
	}
	return nil
}

func refused(dir, why string) error {
	return fmt.Errorf("procpool: the directory for sockets %s %s: remove it, or set %s to the path of a directory of yours", strconv.Quote(dir), why, Var)
}
