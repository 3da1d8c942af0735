package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"

	"github.com/procpool/procpool/pool"
)

// renderer prints what came of the items.
type renderer interface {
	// item prints one outcome. Its error is that of standard output.
	item(o outcome) error
	// totals prints what the task has to say at the end.
	totals() error
}

// textRenderer prints the results as the function has them. Failures are none.
type textRenderer struct {
	task task
	out  *sink
}

func (r *textRenderer) item(o outcome) error {
	succeeded := o.err == nil
	if succeeded && !r.task.add(o) {
		return r.out.line([]byte(r.task.text(o)))
	}
	return nil
}

func (r *textRenderer) totals() error {
	text, _ := r.task.totals()
	if text == "" {
		return nil
	}
	return r.out.line([]byte(text))
}

// jsonRenderer prints one object for each item.
type jsonRenderer struct {
	task    task
	out     *sink
	details bool
}

// jsonResult is the object of an item that succeeded. The value is there even if it is
// null: that is how the two kinds are told apart.
type jsonResult struct {
	Index int `json:"index"`
	Input any `json:"input"`
	Value any `json:"value"`
	*jsonDetails
}

// jsonFailure is the object of an item that failed.
type jsonFailure struct {
	Index int    `json:"index"`
	Input any    `json:"input"`
	Error string `json:"error"`
	Kind  string `json:"kind"` // input, returned, panic, exit, encode, decode or other
	*jsonExit
	*jsonDetails
}

// jsonExit says how a process ended.
type jsonExit struct {
	Reason string `json:"reason"`
	Signal string `json:"signal,omitempty"`
	Code   *int   `json:"code,omitempty"`
	Stderr string `json:"stderr,omitempty"`
}

// jsonDetails differ from run to run, so they are there only on demand.
type jsonDetails struct {
	Slot    int     `json:"slot"`
	PID     int     `json:"pid"`
	Attempt int     `json:"attempt"`
	Queued  float64 `json:"queued_seconds"`
	Exec    float64 `json:"exec_seconds"`
	CPU     float64 `json:"cpu_seconds"`
}

func (r *jsonRenderer) item(o outcome) error {
	if o.err == nil && r.task.add(o) {
		return nil
	}
	return r.line(r.object(o))
}

func (r *jsonRenderer) object(o outcome) any {
	var details *jsonDetails
	if r.details {
		details = &jsonDetails{o.slot, o.pid, o.attempt, inSeconds(o.timing.Queued), inSeconds(o.timing.Exec), inSeconds(o.timing.CPU)}
	}
	if o.err == nil {
		return jsonResult{o.item.index, o.item.input(), o.value, details}
	}
	return jsonFailure{o.item.index, o.item.input(), o.err.Error(), o.kind(), exitOf(o.err), details}
}

func exitOf(err error) *jsonExit {
	var exit *pool.ExitError
	if !errors.As(err, &exit) {
		return nil
	}
	j := &jsonExit{Reason: string(exit.Reason), Stderr: string(exit.Stderr)}
	if exit.Signal != nil {
		j.Signal = exit.Signal.String()
	} else {
		j.Code = &exit.Code
	}
	return j
}

func inSeconds(d time.Duration) float64 { return d.Seconds() }

func (r *jsonRenderer) totals() error {
	_, value := r.task.totals()
	if value == nil {
		return nil
	}
	return r.line(value)
}

func (r *jsonRenderer) line(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	return r.out.line(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}
