//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package proc

import "golang.org/x/sys/unix"

// searchable reports whether this process may enter dir.
func searchable(dir string) error { return unix.Access(dir, unix.X_OK) }
