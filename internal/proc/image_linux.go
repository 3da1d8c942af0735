package proc

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const selfExe = "/proc/self/exe"

// selfImage is a path that executes the image of this process even if its file was removed or replaced: by name, a
// removed program cannot be started, and a replaced one would be another version. The link is resolved in the child
// before it executes anything, where it still is the parent's.
func selfImage() (string, error) {
	if _, err := os.Lstat(selfExe); err == nil {
		return selfExe, nil
	}
	return os.Executable() // no /proc here
}

// describe is path for people.
func describe(path string) string {
	if path == selfExe {
		if target, err := os.Readlink(selfExe); err == nil {
			return selfExe + " (" + target + ")"
		}
	}
	return path
}

// identify names the image of this process by device, inode, size and time of modification, through the kernel's own
// reference to it. Without /proc, where nothing refers to the image, it is the file that a worker would be started from.
func identify() (string, error) {
	path, err := selfImage()
	if err != nil {
		return "", err
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return "", &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return fmt.Sprintf("%d:%d:%d:%d.%09d", st.Dev, st.Ino, st.Size, st.Mtim.Sec, st.Mtim.Nsec), nil
}
