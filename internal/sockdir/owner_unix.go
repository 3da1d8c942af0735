//go:build unix

package sockdir

import (
	"errors"
	"io/fs"
	"syscall"
)

const supported = true

// owner is the user that a file belongs to.
func owner(info fs.FileInfo) (uid int, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}

// IsAlive reports whether there is a process of that number.
func IsAlive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
