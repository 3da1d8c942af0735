package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// againLine is the command line of this process as one would type it: quoted for the shell, with the flags added that it lacks, behind
// --journal and its file, and with standard input and output from and to the files that they are from and to
// now. Output is appended.
func againLine(s streams, flags ...string) string {
	words := make([]string, 0, len(s.args)+len(flags)+5)
	words = append(words, shellQuoted(s.program))
	for _, arg := range withFlags(s.args, flags) {
		words = append(words, shellQuoted(arg))
	}
	if path := fileOf(s.in); path != "" {
		words = append(words, "<", shellQuoted(path))
	}
	if path := fileOf(s.out); path != "" {
		words = append(words, ">>", shellQuoted(path))
	}
	return strings.Join(words, " ")
}

func withFlags(args, flags []string) []string {
	const after = "--journal"
	end := len(args)
	if i := slices.Index(args, "--"); i >= 0 {
		end = i
	}
	at := end
	for i, arg := range args[:end] {
		if arg == after && i+1 < end {
			at = i + 2
		} else if strings.HasPrefix(arg, after+"=") {
			at = i + 1
		}
	}
	flags = slices.DeleteFunc(slices.Clone(flags), func(flag string) bool { return slices.Contains(args[:end], flag) })
	return slices.Concat(args[:at], flags, args[at:])
}

// fileOf is the path of the regular file that a stream is, or "" where it is none or its name is not to be had.
func fileOf(stream any) string {
	f, ok := stream.(*os.File)
	if !ok {
		return ""
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	path := streamPath(f)
	if other, err := os.Stat(path); err != nil || !os.SameFile(info, other) {
		return "" // it has been renamed or removed
	}
	return fromHere(path)
}

// fromHere is path as it is called from the working directory, if it is below that.
func fromHere(path string) string {
	dir, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}
