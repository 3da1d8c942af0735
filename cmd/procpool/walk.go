package main

import (
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// isDir reports whether path is a directory or, as for "find -H", a link to one.
func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// walk yields the regular files below dir in lexical order and follows no symbolic
// link but dir itself. With exts it yields only files whose names end in one of them.
// A directory that cannot be read is yielded too: whoever opens it gets the reason, as
// for any other input that cannot be read.
func walk(dir string, exts []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		visit := func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				if !yield(path) {
					return fs.SkipAll
				}
				return fs.SkipDir
			case entry.Type().IsRegular() && hasExt(path, exts):
				if !yield(path) {
					return fs.SkipAll
				}
			}
			return nil
		}
		_ = filepath.WalkDir(walkRoot(dir), visit) // visit returns no error of its own
	}
}

// walkRoot is dir written so that WalkDir enters it even if it is a symbolic link.
func walkRoot(dir string) string {
	if info, err := os.Lstat(dir); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return dir + string(filepath.Separator)
	}
	return dir
}

func hasExt(path string, exts []string) bool {
	return len(exts) == 0 || slices.Contains(exts, strings.ToLower(filepath.Ext(path)))
}
