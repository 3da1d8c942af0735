package main

import (
	"fmt"
	"io"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/pflag"

	"github.com/procpool/procpool/pool"
)

// showPart is about standard error: what is told of a run beside its failures.
type showPart struct {
	quiet     bool
	noSummary bool
	log       string
}

func (s *showPart) define(fs *pflag.FlagSet) {
	fs.BoolVarP(&s.quiet, "quiet", "q", false, "no progress and no summary")
	fs.BoolVar(&s.noSummary, "no-summary", false, "no summary")
	fs.StringVar(&s.log, "log", "off", "log the pool to standard error: `LEVEL` error, warn, info, debug or trace")
}

func (s *showPart) check(*runFlags, func(string) bool) error {
	if hclog.LevelFromString(s.log) == hclog.NoLevel {
		return fmt.Errorf("--log %s: must be off, error, warn, info, debug or trace", quoted(s.log))
	}
	return nil
}

func (s *showPart) join(j *job) error {
	// The log is off by default: each death is told with the item that it cost.
	log := hclog.New(&hclog.LoggerOptions{Name: "procpool", Level: hclog.LevelFromString(s.log), Output: io.Writer(j.console)})
	j.options = append(j.options, pool.WithLogger(log))
	return nil
}
