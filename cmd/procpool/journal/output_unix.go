//go:build unix

package journal

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// fileID is what tells a file from every other on this machine.
func fileID(info os.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%x:%d", st.Dev, st.Ino)
}

// appends reports whether every write to f goes to its end, as with the shell's >>.
func appends(f *os.File) bool {
	flags := 0
	_ = control(f, func(fd uintptr) { flags, _ = unix.FcntlInt(fd, unix.F_GETFL, 0) })
	return flags&unix.O_APPEND != 0
}

// reopen opens for reading a file that is open for writing. Its name may have changed or be gone.
func reopen(f *os.File) (*os.File, error) {
	if runtime.GOOS != "linux" {
		return nil, errUnreadable // elsewhere /dev/fd duplicates the descriptor, which stays write-only
	}
	path := ""
	if err := control(f, func(fd uintptr) { path = fmt.Sprintf("/proc/self/fd/%d", fd) }); err != nil {
		return nil, err
	}
	return os.Open(path)
}

func control(f *os.File, do func(fd uintptr)) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(do)
}
