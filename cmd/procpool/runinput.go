package main

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/spf13/pflag"

	"github.com/procpool/procpool/cmd/procpool/numeral"
	"github.com/procpool/procpool/pool"
)

// inputPart is about the inputs: how they are read, and how far ahead.
type inputPart struct {
	stdin  string
	chunk  int
	window int
	shuf   bool
	seed   uint64
	dryRun bool
}

func (in *inputPart) define(fs *pflag.FlagSet) {
	fs.StringVar(&in.stdin, "stdin", "", "`FORMAT` of standard input: lines, nul or json (default: json with --json, else lines)")
	fs.IntVar(&in.chunk, "chunk", 0, "let `N` items travel together (default: as their running time suggests)")
	fs.IntVar(&in.window, "window", 0, "let at most `N` items be under way (default: as their running time suggests)")
	fs.BoolVar(&in.shuf, "shuf", false, fmt.Sprintf("run the inputs in random order; of more than %s, in the order of a window of so many", numeral.Thousands(shuffleItems)))
	fs.Uint64Var(&in.seed, "seed", 0, "with --shuf: the order of an earlier run with the same `N` (default: another one each time)")
	fs.BoolVar(&in.dryRun, "dry-run", false, "print the commands that would be run, count them, and start nothing")
}

func (in *inputPart) check(_ *runFlags, changed func(string) bool) error {
	if in.chunk < 1 && changed("chunk") {
		return fmt.Errorf("--chunk %d: must be at least 1", in.chunk)
	}
	if in.window < 1 && changed("window") {
		return fmt.Errorf("--window %d: must be at least 1", in.window)
	}
	if !in.shuf && changed("seed") {
		return errors.New("--seed is for --shuf")
	}
	if in.shuf && !changed("seed") {
		in.seed = rand.Uint64N(1 << 32) // short enough to be typed
	}
	return nil
}

func (in *inputPart) join(j *job) error {
	if in.shuf {
		j.stages = append(j.stages, newShuffle(in.seed).stage)
		j.rows = append(j.rows, func() (string, string) { return "shuffled with", fmt.Sprintf("--seed %d", in.seed) })
	}
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
