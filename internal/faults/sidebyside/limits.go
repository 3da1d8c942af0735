//go:build linux && !ignore_until_landed

package main

import (
	"context"
	"fmt"
	"syscall"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// untilLimit gives the faulty task no more time than the limit: its context ends, and after the stop grace its worker.
func untilLimit(dir, how string) line {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return onPool(dir, nil, func(p *pool.Pool) waiting { return submit(ctx, p, misbehave, order{Dir: dir, How: how}) })
}

func endless(dir string) line { return untilLimit(dir, "endless") }

func stop(dir string) line {
	l := untilLimit(dir, "stop")
	l.Note = "at its limit of 1 s" // which Python's callers have not
	return l
}

// limitMemory is an initializer.
var limitMemory = worker.Register("limitMemory", func(_ context.Context, bytes uint64) (struct{}, error) {
	return struct{}{}, syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: bytes, Max: bytes})
})

func capped(dir string) line {
	return misdeed("memory", pool.WithInitializer(limitMemory, memory))(dir)
}

// poison is tried again by its caller.
func poison(dir string) (l line) {
	attempt := 1
	l = onPool(dir, nil, func(p *pool.Pool) waiting {
		task := order{Dir: dir, How: "poison"}
		wait := submit(context.Background(), p, misbehave, task)
		return func(ctx context.Context) (err error) {
			for ; ; attempt++ {
				if err = wait(ctx); err == nil || attempt > retries || ctx.Err() != nil {
					return err
				}
				wait = submit(context.Background(), p, misbehave, task)
			}
		}
	})
	l.Note = fmt.Sprintf("in %d workers", attempt)
	return l
}
