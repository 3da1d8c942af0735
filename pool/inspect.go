package pool

import (
	"context"
	"errors"
	"time"
)

// Profile asks the worker of a slot for a profile of itself while it works, in the format of package runtime/pprof: "cpu" over the time d, or "heap",
// "allocs", "goroutine", "threadcreate", "block" or "mutex", as they are now. Go's workers of the same program can be asked; the answer is for go tool pprof.
// Goroutines that run tasks carry the labels func and slot.
func (p *Pool) Profile(ctx context.Context, slot int, kind string, d time.Duration) ([]byte, error) {
	return nil, errors.ErrUnsupported
}

// Goroutines asks the worker of a slot what its goroutines do, in words: the running task's stack is among them.
func (p *Pool) Goroutines(ctx context.Context, slot int) (string, error) {
	return "", errors.ErrUnsupported
}

// KillWorker ends the process pid of a slot, as kill -9 would: its running task fails with an *ExitError, its other tasks run elsewhere, and the slot gets another
// process. It is an error if the slot has another process by now, or none.
func (p *Pool) KillWorker(slot, pid int) error {
	return errors.ErrUnsupported
}

// WithOnStart sets a function that New calls when the workers are ready, as its last step: its error is New's, and the pool is closed then. The function that it
// returns, if any, is called once when the pool has ended, by Shutdown, Close or the collector. A Pool that is to be collected when its users drop it must not be
// held by what start begins: keep a weak.Pointer. WithOnStart may be given more than once.
func WithOnStart(start func(*Pool) (stop func(), err error)) Option {
	return func(*config) {}
}
