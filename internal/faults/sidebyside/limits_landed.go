//go:build linux && ignore_until_landed

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/procpool/procpool/pool"
)

func optioned(dir, how string, opt pool.CallOption) line {
	return onPool(dir, nil, func(p *pool.Pool) waiting {
		return submit(context.Background(), p, misbehave, order{Dir: dir, How: how}, opt)
	})
}

func endless(dir string) line { return optioned(dir, "endless", pool.Timeout(limit)) }

// stop has no limit, so that the pool must find out by itself. By default it takes 10 seconds for that.
func stop(dir string) line {
	l := misdeed("stop", pool.WithHeartbeat(time.Second))(dir)
	l.Note = "by a heartbeat of 1 s"
	return l
}

func capped(dir string) line { return misdeed("memory", pool.WithMemoryLimit(memory))(dir) }

// poison is tried again by the pool.
func poison(dir string) line {
	l := optioned(dir, "poison", pool.Retries(retries))
	l.Note = fmt.Sprintf("in %d workers", l.attempt)
	return l
}
