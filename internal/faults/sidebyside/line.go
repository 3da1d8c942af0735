//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/procpool/procpool/pool"
)

// A line tells what one fault did to one pool. The script for Python's pools prints the same.
type line struct {
	Fault      string  `json:"fault"`
	Pool       string  `json:"pool"`
	Saw        string  `json:"saw"`            // "result", nothing, or the type of an error; empty where nobody waits for a result
	Text       string  `json:"text,omitempty"` // of the error
	Note       string  `json:"note,omitempty"`
	Neighbours int     `json:"neighbours"` // tasks without fault: one was running when it happened, the others were waiting
	Answered   int     `json:"answered"`   // how many of them got their results
	Workers    *int    `json:"workers"`    // how many served afterwards; nil where there is no afterwards
	Ends       bool    `json:"ends"`       // whether the pool could be ended in good order
	Seconds    float64 `json:"seconds"`    // until the caller saw what it saw
	Error      string  `json:"error,omitempty"`

	attempt int // of the faulty task, the last one
}

const (
	result  = "result"
	nothing = "nothing" // no answer in time: as good as a hang
)

// see fills in what the caller got, who had no more patience than ctx.
func (l *line) see(ctx context.Context, err error, since time.Time) {
	l.Seconds = seconds(since)
	switch {
	case err == nil:
		l.Saw = result
	case ctx.Err() != nil:
		l.Saw = nothing
	default:
		if task, ok := errors.AsType[*pool.TaskError](err); ok {
			l.attempt = task.Attempt
			err = task.Err // around it stands only where it happened
		}
		l.Saw, l.Text = strings.TrimPrefix(fmt.Sprintf("%T", err), "*pool."), err.Error()
		if failed, ok := errors.AsType[*pool.StartError](err); ok {
			l.Text = failed.Err.Error() // without the path of the program
		}
		if exit, ok := errors.AsType[*pool.ExitError](err); ok && exit.Err != nil && err == exit {
			l.Text = string(exit.Reason) // what the pool knows of the cause, without the figures
		}
		if err == context.DeadlineExceeded {
			l.Saw, l.Text = "context.DeadlineExceeded", "" // its type has no name that anybody knows, its text says the same
		}
	}
}

// seconds is the time since, in steps of a millisecond.
func seconds(since time.Time) float64 { return float64(time.Since(since).Milliseconds()) / 1000 }
