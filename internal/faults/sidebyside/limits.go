//go:build linux

package main

import (
	"context"
	"fmt"

	"github.com/procpool/procpool/pool"
)

func endless(dir string) line { return optioned(dir, "endless", pool.Timeout(limit)) }

// poison is tried again by the pool.
func poison(dir string) line {
	l := optioned(dir, "poison", pool.Retries(retries))
	l.Note = fmt.Sprintf("in %d workers", l.attempt)
	return l
}

// optioned is a fault of one task that has an option of its own.
func optioned(dir, how string, opt pool.CallOption) line {
	return onPool(dir, nil, func(p *pool.Pool) waiting {
		return submit(context.Background(), p, misbehave, order{Dir: dir, How: how}, opt)
	})
}
