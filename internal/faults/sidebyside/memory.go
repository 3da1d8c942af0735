//go:build linux && !ignore_until_landed

package main

import (
	"context"
	"syscall"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// limitMemory is an initializer.
var limitMemory = worker.Register("limitMemory", func(_ context.Context, bytes uint64) (struct{}, error) {
	return struct{}{}, syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: bytes, Max: bytes})
})

func capped(dir string) line {
	return misdeed("memory", pool.WithInitializer(limitMemory, memory))(dir)
}
