package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/pflag"

	"github.com/procpool/procpool/pool"
)

// The values of --progress.
const (
	progressAuto  = "auto"
	progressPlain = "plain"
	progressNone  = "none"
)

// showPart is about standard error: what is told of a run beside its failures.
type showPart struct {
	progress  string
	stacks    bool
	quiet     bool
	noSummary bool
	log       string
}

func (s *showPart) define(fs *pflag.FlagSet) {
	fs.StringVar(&s.progress, "progress", progressAuto, "`HOW` to show progress: auto is a bar on a terminal and plain elsewhere; plain is a line now and then; or none")
	fs.BoolVar(&s.stacks, "stacks", false, "print the stack of an item that was too slow or panicked, behind its failure")
	fs.BoolVarP(&s.quiet, "quiet", "q", false, "no progress and no summary")
	fs.BoolVar(&s.noSummary, "no-summary", false, "no summary")
	fs.StringVar(&s.log, "log", "off", "log the pool to standard error: `LEVEL` error, warn, info, debug or trace")
}

func (s *showPart) check(*runFlags, func(string) bool) error {
	if hclog.LevelFromString(s.log) == hclog.NoLevel {
		return fmt.Errorf("--log %s: must be off, error, warn, info, debug or trace", quoted(s.log))
	}
	if !slices.Contains([]string{progressAuto, progressPlain, progressNone}, s.progress) {
		return fmt.Errorf("--progress %s: must be auto, plain or none", quoted(s.progress))
	}
	return nil
}

func (s *showPart) join(j *job) error {
	// The log is off by default: each death is told with the item that it cost.
	log := hclog.New(&hclog.LoggerOptions{Name: "procpool", Level: hclog.LevelFromString(s.log), Output: io.Writer(j.console)})
	j.options = append(j.options, pool.WithLogger(log))
	return nil
}
