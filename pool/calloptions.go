package pool

import (
	"errors"
	"fmt"
	"time"
)

// CallOption changes one call from the defaults. An option that does not apply to the kind of call is ignored.
type CallOption func(*callConfig)

// callConfig is what the options of one call set.
type callConfig struct {
	hard, soft       time.Duration
	hardSet, softSet bool
	retries          int
	retriesSet       bool
	retryIf          func(error) bool
	retryDelay       time.Duration

	// What holds, the pool's options considered: set by typed.configure.
	limits limits
	retry  *retry

	chunk       int // 0: adaptive
	window      int // 0: adaptive
	failFast    bool
	nonBlocking bool
	priority    int
	key         string
	keyed       bool
	progress    func(done, failed, total int)
	timing      *Timing

	complaint []error
}

func newCallConfig(opts []CallOption) (callConfig, error) {
	var c callConfig
	for _, o := range opts {
		if o != nil {
			o(&c)
		}
	}
	if c.softSet && c.hard > 0 && c.soft >= c.hard {
		c.complain("SoftTimeout(%v): want less than Timeout(%v)", c.soft, c.hard)
	}
	return c, errors.Join(c.complaint...)
}

func (c *callConfig) complain(format string, args ...any) {
	c.complaint = append(c.complaint, fmt.Errorf("procpool: "+format, args...))
}

// Timeout sets the hard time limit of each task of the call in place of the pool's; 0 lifts it. See WithTaskTimeout.
func Timeout(d time.Duration) CallOption {
	return func(c *callConfig) {
		if c.hard, c.hardSet = d, true; d < 0 {
			c.complain("Timeout(%v): want 0 or more", d)
		}
	}
}

// SoftTimeout sets the soft time limit of each task of the call in place of the pool's; 0 lifts it. See WithSoftTimeout.
func SoftTimeout(d time.Duration) CallOption {
	return func(c *callConfig) {
		if c.soft, c.softSet = d, true; d < 0 {
			c.complain("SoftTimeout(%v): want 0 or more", d)
		}
	}
}

// Retries sets how often a task of the call is started again, in place of the pool's WithRetries: a task may be started n+1 times. Time limits count for each
// attempt. What is cancelled or closed is not started again, and Broadcast never starts anything again.
func Retries(n int) CallOption {
	return func(c *callConfig) {
		if c.retries, c.retriesSet = n, true; n < 0 {
			c.complain("Retries(%d): want 0 or more", n)
		}
	}
}

// RetryIf makes Retries count for failures that a worker has answered as well, where f says so: it gets the *TaskError that the caller would. Deaths and hard
// time limits are retried without asking. f is called on a goroutine of the pool; one that panics, or ends its goroutine, is taken for a no.
func RetryIf(f func(error) bool) CallOption {
	return func(c *callConfig) { c.retryIf = f }
}

// RetryDelay makes each further attempt wait for d first. The default is none.
func RetryDelay(d time.Duration) CallOption {
	return func(c *callConfig) {
		if c.retryDelay = d; d < 0 {
			c.complain("RetryDelay(%v): want 0 or more", d)
		}
	}
}

// Chunk makes n tasks of Map, Stream and their kin travel together. The default, 0, lets the pool decide by
// what the tasks take: many where they are tiny, one where they are not.
func Chunk(n int) CallOption {
	return func(c *callConfig) {
		if c.chunk = n; n < 0 {
			c.complain("Chunk(%d): want 0 or more", n)
		}
	}
}

// Window bounds how many inputs a Stream has read and not yet yielded, exactly. The default grows with the speed of the tasks: from 4 for each worker
// to about 20 ms of work, 32 768 tasks or 64 MiB.
func Window(n int) CallOption {
	return func(c *callConfig) {
		if c.window = n; n < 1 {
			c.complain("Window(%d): want at least 1", n)
		}
	}
}

// FailFast ends a Map or Stream at the first item that fails: what has not started is withdrawn, what runs is cancelled. The error
// holds the items that failed by themselves, not those cancelled because of them.
func FailFast() CallOption { return func(c *callConfig) { c.failFast = true } }

// NonBlocking makes Call and Go fail with ErrQueueFull where they would wait for room in the queue.
func NonBlocking() CallOption { return func(c *callConfig) { c.nonBlocking = true } }

// Priority puts tasks before all that have a lower one. The default is 0. Tasks of a low priority may wait for ever.
func Priority(n int) CallOption { return func(c *callConfig) { c.priority = n } }

// Key sends all tasks with the same key to the same slot, as long as it exists and can start workers: they wait for it though
// others are idle. What a function keeps in its process's memory is found again, until the process is renewed.
func Key(key string) CallOption {
	return func(c *callConfig) { c.key, c.keyed = key, true }
}

// Progress sets a function that is told how a Map or Stream gets on, at most ten times a second and once at the end. done includes failed; total
// is -1 where it is not known. It is called on the goroutine that consumes the results; where it panics, what is left is withdrawn. The panic is then that of
// the caller of Map or of the loop, and of GoMap the Future's error.
func Progress(f func(done, failed, total int)) CallOption {
	return func(c *callConfig) { c.progress = f }
}

// ShutdownOption changes what Shutdown does.
type ShutdownOption func(*shutdownConfig)

type shutdownConfig struct{ dropQueued bool }

// DropQueued makes Shutdown fail with ErrClosed what no worker has started, instead of running it.
func DropQueued() ShutdownOption { return func(c *shutdownConfig) { c.dropQueued = true } }
