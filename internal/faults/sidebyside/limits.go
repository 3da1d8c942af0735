//go:build linux && !ignore_until_landed

package main

import (
	"context"
	"fmt"

	"github.com/procpool/procpool/pool"
)

// endless has no more time than the limit: its context ends, and after the stop grace its worker.
func endless(dir string) line {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return onPool(dir, nil, func(p *pool.Pool) waiting { return submit(ctx, p, misbehave, order{Dir: dir, How: "endless"}) })
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
