package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/procpool/procpool/pool"
)

// workersPart is about the worker processes: how many there are and what they are.
type workersPart struct {
	workers int
	inline  bool
}

func (w *workersPart) define(fs *pflag.FlagSet) {
	fs.IntVarP(&w.workers, "workers", "w", 0, "`N` worker processes (default: one for each CPU that this process may use)")
	fs.BoolVar(&w.inline, "inline", false, "run in this process, for debugging; a crash then ends all")
}

func (w *workersPart) check(_ *runFlags, changed func(string) bool) error {
	if w.workers < 1 && changed("workers") {
		return fmt.Errorf("--workers %d: must be at least 1", w.workers)
	}
	return nil
}

func (w *workersPart) join(j *job) error {
	if w.workers > 0 {
		j.options = append(j.options, pool.WithWorkers(w.workers))
	}
	if w.inline {
		j.options = append(j.options, pool.WithInline())
	}
	return nil
}
