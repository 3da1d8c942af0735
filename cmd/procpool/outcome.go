package main

import (
	"errors"
	"strings"

	"github.com/procpool/procpool/pool"
)

// outcome is what came of one item.
type outcome struct {
	item    item
	value   any   // what the function returned; nil where it failed
	err     error // a *pool.TaskError, or why the item never reached the pool
	slot    int   // -1 where no worker was involved
	pid     int
	attempt int
	timing  pool.Timing
}

// rejected is the outcome of an item that is no argument of the function.
func rejected(it item, err error) outcome { return outcome{item: it, err: err, slot: -1} }

// kind is the failure's kind as the JSON output names it.
func (o outcome) kind() string {
	var (
		remote   *pool.RemoteError
		panicked *pool.PanicError
		exit     *pool.ExitError
		encode   *pool.EncodeError
		decode   *pool.DecodeError
		timeout  *pool.TimeoutError
		task     *pool.TaskError
	)
	switch {
	case !errors.As(o.err, &task):
		return "input"
	case errors.As(o.err, &panicked):
		return "panic"
	case errors.As(o.err, &timeout): // before exit: at the hard limit the worker is killed
		return "timeout"
	case errors.As(o.err, &exit):
		return "exit"
	case errors.As(o.err, &encode):
		return "encode"
	case errors.As(o.err, &decode):
		return "decode"
	case errors.As(o.err, &remote):
		return "returned"
	}
	return "other"
}

// cause says why the item failed.
func (o outcome) cause() string { return strings.TrimPrefix(plainFailure(o.err), "procpool: ") }

// complaint is the line that tells of a failed item: which, and why.
func (o outcome) complaint() string {
	cause := clipped(o.cause(), 1000)
	return "procpool: " + o.item.label() + ": " + cause
}

// stack is the worker's goroutines at the time limit, or that of the panic; "" where there is none.
func (o outcome) stack() string {
	var (
		timeout  *pool.TimeoutError
		panicked *pool.PanicError
	)
	switch {
	case errors.As(o.err, &timeout):
		return timeout.Stack
	case errors.As(o.err, &panicked):
		return panicked.Stack
	}
	return ""
}

// size is about how much memory the outcome takes.
func (o outcome) size() int {
	n := len(o.item.name) + len(o.item.raw) + o.timing.ResultBytes + len(o.stack())
	if exit, ok := errors.AsType[*pool.ExitError](o.err); ok {
		n += len(exit.Stderr)
	}
	return n
}

// numbered returns err with the item's own number. The pool counts the items that it
// was given; those that were no arguments are not among them.
func numbered(err error, index int) error {
	task, ok := err.(*pool.TaskError)
	if !ok || task.Index == index {
		return err
	}
	copied := *task
	copied.Index = index
	return &copied
}
