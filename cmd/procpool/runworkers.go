package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/procpool/procpool/pool"
)

// workersPart is about the worker processes: how many there are, what they are and what they may have.
type workersPart struct {
	workers     workersValue
	nice        int
	cpus        cpusValue
	memory      sizeValue
	renewMemory sizeValue
	maxTasks    int
	inline      bool
	niceGiven   bool
}

func (w *workersPart) define(fs *pflag.FlagSet) {
	fs.VarP(&w.workers, "workers", "w", "`N` worker processes; +N and -N: more or less than there are CPUs; N%: a share of them\n(default: one for each CPU that this process may use)")
	fs.IntVar(&w.nice, "nice", 0, "nice value `N` of the workers, -20 to 19 (default: that of this process)")
	fs.Var(&w.cpus, "affinity", "tie the workers to the CPUs of `LIST`, as 0,2-3; 0/2-3 ties them in turn to 0 and to 2-3 (Linux)")
	fs.Var(&w.memory, "memory", "end an item that makes its worker take more than `SIZE` of private memory, as 512M or 1.5GiB (Linux)")
	fs.Var(&w.renewMemory, "renew-memory", "renew a worker after an item that has left it with more than `SIZE` of private memory (Linux)")
	fs.IntVar(&w.maxTasks, "max-tasks", 0, "renew a worker after `N` items")
	fs.BoolVar(&w.inline, "inline", false, "run in this process, for debugging; a crash then ends all")
}

func (w *workersPart) check(_ *runFlags, changed func(string) bool) error {
	if w.maxTasks < 1 && changed("max-tasks") {
		return fmt.Errorf("--max-tasks %d: must be at least 1", w.maxTasks)
	}
	if w.nice < -20 || w.nice > 19 {
		return fmt.Errorf("--nice %d: must be from -20 to 19", w.nice)
	}
	for _, cpus := range w.cpus {
		for _, cpu := range cpus {
			if !hasCPU(cpu) {
				return fmt.Errorf("--affinity: there is no CPU %d, or none for this process", cpu)
			}
		}
	}
	w.niceGiven = changed("nice")
	if w.inline {
		for _, flag := range []string{"nice", "affinity", "memory", "renew-memory", "max-tasks"} {
			if changed(flag) {
				return fmt.Errorf("--%s is for worker processes; with --inline there are none", flag)
			}
		}
	}
	if w.memory > 0 && w.renewMemory > w.memory {
		return errors.New("--renew-memory is above --memory: no worker would live to be renewed")
	}
	return nil
}

// plainly says in the words of the flags why the pool did not start, where a flag is the reason.
func (w *workersPart) plainly(err error) error {
	low, ok := errors.AsType[*pool.LowLimitError](err)
	if !ok {
		return err
	}
	return &coded{exitUsage, fmt.Errorf("--memory %s is too low: a worker needs at least %d MiB", w.memory.String(), (low.Least+1<<20-1)>>20)}
}

func (w *workersPart) join(j *job) error {
	add := func(wanted bool, option pool.Option) {
		if wanted {
			j.options = append(j.options, option)
		}
	}
	add(w.workers > 0, pool.WithWorkers(int(w.workers)))
	add(w.niceGiven, pool.WithNice(w.nice))
	add(len(w.cpus) > 0, pool.WithCPUAffinity(w.cpus...))
	add(w.memory > 0, pool.WithMemoryLimit(int64(w.memory)))
	add(w.renewMemory > 0, pool.WithMaxWorkerMemory(int64(w.renewMemory)))
	add(w.maxTasks > 0, pool.WithMaxTasksPerWorker(w.maxTasks))
	add(w.inline, pool.WithInline())
	return nil
}
