package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/procpool/procpool/pool"
)

// inputPart is about the inputs: how they are read, and how far ahead.
type inputPart struct {
	stdin  string
	chunk  int
	window int
}

func (in *inputPart) define(fs *pflag.FlagSet) {
	fs.StringVar(&in.stdin, "stdin", "", "`FORMAT` of standard input: lines, nul or json (default: json with --json, else lines)")
	fs.IntVar(&in.chunk, "chunk", 0, "let `N` items travel together (default: as their running time suggests)")
	fs.IntVar(&in.window, "window", 0, "let at most `N` items be under way (default: as their running time suggests)")
}

func (in *inputPart) check(_ *runFlags, changed func(string) bool) error {
	if in.chunk < 1 && changed("chunk") {
		return fmt.Errorf("--chunk %d: must be at least 1", in.chunk)
	}
	if in.window < 1 && changed("window") {
		return fmt.Errorf("--window %d: must be at least 1", in.window)
	}
	return nil
}

func (in *inputPart) join(j *job) error {
	if in.chunk > 0 {
		j.calls = append(j.calls, pool.Chunk(in.chunk))
	}
	if in.window > 0 {
		j.calls = append(j.calls, pool.Window(in.window))
	}
	return nil
}

// format is the format of standard input.
func (in *inputPart) format(json bool) string {
	switch {
	case in.stdin != "":
		return in.stdin
	case json:
		return formatJSON
	}
	return formatLines
}
