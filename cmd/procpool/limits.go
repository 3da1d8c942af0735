package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/procpool/procpool/pool"
)

// limitsPart is about single items: how long one may take, and how often it is tried.
type limitsPart struct {
	timeout     time.Duration
	softTimeout time.Duration
	retries     int
	retryErrors bool
	retryDelay  time.Duration
}

func (l *limitsPart) define(fs *pflag.FlagSet) {
	fs.DurationVar(&l.timeout, "timeout", 0, "kill the worker of an item that takes longer than `D`, as 1m30s; its failure has the stack")
	fs.DurationVar(&l.softTimeout, "soft-timeout", 0, "ask an item to end after `D`: its context ends")
	fs.IntVar(&l.retries, "retries", 0, "try an item whose worker died, or that was killed by --timeout, up to `N` times more")
	fs.BoolVar(&l.retryErrors, "retry-errors", false, "with --retries: try items that failed by themselves again too")
	fs.DurationVar(&l.retryDelay, "retry-delay", 0, "with --retries: wait for `D` before each")
}

func (l *limitsPart) check(_ *runFlags, changed func(string) bool) error {
	for name, d := range map[string]time.Duration{"timeout": l.timeout, "soft-timeout": l.softTimeout} {
		if d <= 0 && changed(name) {
			return fmt.Errorf("--%s %v: must be more than 0", name, d)
		}
	}
	switch {
	case l.timeout > 0 && l.softTimeout >= l.timeout:
		return fmt.Errorf("--soft-timeout %v: must be less than --timeout %v", l.softTimeout, l.timeout)
	case l.retries < 0:
		return fmt.Errorf("--retries %d: must be at least 0", l.retries)
	case l.retryDelay < 0:
		return fmt.Errorf("--retry-delay %v: must be at least 0", l.retryDelay)
	case l.retries == 0 && (l.retryErrors || l.retryDelay > 0):
		return errors.New("--retry-errors and --retry-delay are for --retries")
	}
	return nil
}

func (l *limitsPart) join(j *job) error {
	if l.timeout > 0 {
		j.options = append(j.options, pool.WithTaskTimeout(l.timeout))
	}
	if l.softTimeout > 0 {
		j.options = append(j.options, pool.WithSoftTimeout(l.softTimeout))
	}
	if l.retries > 0 {
		j.calls = append(j.calls, pool.Retries(l.retries), pool.RetryDelay(l.retryDelay))
	}
	if l.retryErrors {
		j.calls = append(j.calls, pool.RetryIf(func(error) bool { return true }))
	}
	return nil
}
