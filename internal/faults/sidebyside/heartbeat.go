//go:build linux && !ignore_until_landed

package main

import (
	"context"

	"github.com/procpool/procpool/pool"
)

// stop has no more time than the limit: its context ends, and after the stop grace its worker.
func stop(dir string) line {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	l := onPool(dir, nil, func(p *pool.Pool) waiting { return submit(ctx, p, misbehave, order{Dir: dir, How: "stop"}) })
	l.Note = "at its limit of 1 s" // which Python's callers have not
	return l
}
