//go:build linux

package main

import (
	"time"

	"github.com/procpool/procpool/pool"
)

// stop has no limit, so that the pool must find out by itself. By default it takes 10 seconds for that.
func stop(dir string) line {
	l := misdeed("stop", pool.WithHeartbeat(time.Second))(dir)
	l.Note = "by a heartbeat of 1 s"
	return l
}
