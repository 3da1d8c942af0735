package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/spf13/pflag"
)

// gatePart is about waiting for the machine: no item is started while it has too little memory or too much to do.
type gatePart struct {
	memfree sizeValue
	load    float64
}

func (g *gatePart) define(fs *pflag.FlagSet) {
	fs.Var(&g.memfree, "memfree", "start no item while less than `SIZE` of memory is available on the machine (Linux)")
	fs.Float64Var(&g.load, "load", 0, "start no item while the load average of the last minute is above `N` (Linux)")
}

func (g *gatePart) check(_ *runFlags, changed func(string) bool) error {
	if changed("load") && g.load <= 0 {
		return fmt.Errorf("--load %v: must be more than 0", g.load)
	}
	return nil
}

func (g *gatePart) join(j *job) error {
	if g.memfree > 0 {
		enough := func() (bool, error) {
			free, err := memoryAvailable()
			return free >= int64(g.memfree), err
		}
		if err := g.hang(j, "--memfree: waiting until "+g.memfree.String()+" of memory are available", enough); err != nil {
			return err
		}
	}
	if g.load > 0 {
		calm := func() (bool, error) {
			load, err := loadAverage()
			return load <= g.load, err
		}
		return g.hang(j, fmt.Sprintf("--load: waiting until the load is no more than %v", g.load), calm)
	}
	return nil
}

// hang puts a gate before the items.
func (g *gatePart) hang(j *job, waiting string, isOpen func() (bool, error)) error {
	if _, err := isOpen(); errors.Is(err, errors.ErrUnsupported) {
		return errors.New("--memfree and --load work on Linux only")
	} else if err != nil {
		return err
	}
	if !j.dry {
		one := &gate{isOpen: isOpen, pause: time.Second, waits: func() { j.console.say("procpool: " + waiting) }}
		j.stages = append(j.stages, one.stage)
	}
	return nil
}

// gate lets items pass while it is open. To look costs a read of a file, so an open one is looked at again after some time only.
type gate struct {
	isOpen func() (bool, error)
	pause  time.Duration
	waits  func()    // is called when items begin to wait
	looked time.Time // when it was open
}

// openFor is how long a gate that was open is taken for open.
const openFor = 100 * time.Millisecond

func (g *gate) stage(ctx context.Context, items iter.Seq[item]) iter.Seq[item] {
	return func(yield func(item) bool) {
		for it := range items {
			if !g.await(ctx) || !yield(it) {
				return
			}
		}
	}
}

// await waits until the gate is open; false if ctx ends before. Where the system does not tell any more, it is open.
func (g *gate) await(ctx context.Context) bool {
	for told := false; time.Since(g.looked) > openFor; told = true {
		if open, err := g.isOpen(); open || err != nil {
			g.looked = time.Now()
			break
		}
		if !told {
			g.waits()
		}
		select {
		case <-time.After(g.pause):
		case <-ctx.Done():
			return false
		}
	}
	return true
}
