package main

import (
	"os"

	"golang.org/x/term"
)

// columnsOf is how wide the terminal of a stream is; otherwise, if it is none.
func columnsOf(stream any, otherwise int) int {
	if file, ok := stream.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return otherwise
}
