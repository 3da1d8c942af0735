//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/procpool/procpool/pool"
)

// An outcome is what came of a task, in words.
type outcome string

const (
	succeeded     outcome = "ok"
	failed        outcome = "error"
	panicked      outcome = "panic"
	timedOut      outcome = "hard time limit"
	softTimedOut  outcome = "soft time limit"
	crashed       outcome = "crash"
	killed        outcome = "signal: killed"
	terminated    outcome = "signal: terminated"
	protocol      outcome = "protocol"
	unresponsive  outcome = "unresponsive"
	overMemory    outcome = "memory limit"
	encodeParent  outcome = "not encoded by the parent"
	encodeWorker  outcome = "not encoded by the worker"
	decodeParent  outcome = "not decoded by the parent"
	decodeWorker  outcome = "not decoded by the worker"
	cancelled     outcome = "cancelled"
	pastDeadline  outcome = "deadline"
	closed        outcome = "pool closed"
	broken        outcome = "pool broken"
	queueFull     outcome = "queue full"
	withdrawn     outcome = "withdrawn" // nobody waited for it any more
	exitStatus            = "exit "     // and the number
	afterTheFact  outcome = exitStatus + "43"
	inTheDecoder  outcome = exitStatus + "5"
	endOfSequence         = -1 // the Index of a Result that speaks of none
)

// classify says what an error of the pool speaks of.
func classify(err error) outcome {
	if err == nil {
		return succeeded
	}
	var task *pool.TaskError
	if !errors.As(err, &task) {
		return ofTheCall(err)
	}
	switch e := task.Err.(type) {
	case *pool.RemoteError:
		return failed
	case *pool.PanicError:
		return panicked
	case *pool.TimeoutError:
		if e.Hard {
			return timedOut
		}
		return softTimedOut
	case *pool.EncodeError:
		return outcome("not encoded by the " + e.Side)
	case *pool.DecodeError:
		return outcome("not decoded by the " + e.Side)
	case *pool.ExitError:
		return death(e)
	}
	return outcome(fmt.Sprintf("unknown: %T", task.Err))
}

// ofTheCall is classify for errors that speak of no task.
func ofTheCall(err error) outcome {
	switch {
	case errors.Is(err, pool.ErrClosed):
		return closed
	case errors.Is(err, pool.ErrBroken):
		return broken
	case errors.Is(err, pool.ErrQueueFull):
		return queueFull
	case errors.Is(err, context.Canceled):
		return cancelled
	case errors.Is(err, context.DeadlineExceeded):
		return pastDeadline
	}
	return outcome(fmt.Sprintf("unknown: %T", err))
}

// death says how a process ended.
func death(e *pool.ExitError) outcome {
	switch e.Reason {
	case pool.ReasonSignal, pool.ReasonOutOfMemory: // somebody else's memory may have run out in the moment of a kill
		return outcome(fmt.Sprintf("signal: %v", e.Signal))
	case pool.ReasonExit:
		if e.Code == 2 { // a crash, whose first line was lost in what the task itself was writing
			return crashed
		}
		return outcome(fmt.Sprintf(exitStatus+"%d", e.Code))
	}
	return outcome(e.Reason)
}

// attemptOf is the attempt that an error speaks of; 0 where it speaks of none.
func attemptOf(err error) int {
	if task, ok := errors.AsType[*pool.TaskError](err); ok {
		return task.Attempt
	}
	return 0
}
