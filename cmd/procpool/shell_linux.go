package main

import (
	"fmt"
	"os"
)

// streamPath is the path of an open file.
func streamPath(f *os.File) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return ""
	}
	return path
}
