package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/procpool/procpool/pool"
)

// renderer prints what came of the items.
type renderer interface {
	// item prints one outcome. Its error is that of standard output.
	item(o outcome) error
	// bytes is what item prints of an outcome that is not silent, without its last line end.
	bytes(o outcome) ([]byte, error)
	// totals prints what the task has to say at the end.
	totals() error
}

// textRenderer prints the results as the function has them. Failures are none.
type textRenderer struct {
	task task
	out  *sink
	tag  bool
}

func (r *textRenderer) item(o outcome) error {
	succeeded := o.err == nil
	if !succeeded || r.task.add(o) {
		return nil
	}
	text := r.task.text(o)
	if r.tag {
		text = tagged(o.item.name, text)
	}
	return r.out.line([]byte(text))
}

func (r *textRenderer) bytes(o outcome) ([]byte, error) {
	succeeded := o.err == nil
	if !succeeded {
		return nil, nil
	}
	return []byte(r.task.text(o)), nil
}

// tagEscaper keeps an input that has tabs or line ends one field of one line.
var tagEscaper = strings.NewReplacer("\\", `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)

// tagged is text with the input before each of its lines. An input that needs escapes has all that it needs, and others are as they are.
func tagged(input, text string) string {
	if strings.ContainsAny(input, "\t\n\r") {
		input = tagEscaper.Replace(input)
	}
	return input + "\t" + strings.ReplaceAll(text, "\n", "\n"+input+"\t")
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
	Kind  string `json:"kind"` // input, returned, panic, timeout, exit, encode, decode or other
	Stack string `json:"stack,omitempty"`
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

func (r *jsonRenderer) bytes(o outcome) ([]byte, error) { return jsonLine(r.object(o)) }

func (r *jsonRenderer) object(o outcome) any {
	var details *jsonDetails
	if r.details {
		details = &jsonDetails{o.slot, o.pid, o.attempt, inSeconds(o.timing.Queued), inSeconds(o.timing.Exec), inSeconds(o.timing.CPU)}
	}
	if o.err == nil {
		return jsonResult{o.item.index, o.item.input(), o.value, details}
	}
	return jsonFailure{o.item.index, o.item.input(), plainFailure(o.err), o.kind(), o.stack(), exitOf(o.err), details}
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
	line, err := jsonLine(v)
	if err != nil {
		return err
	}
	return r.out.line(line)
}

func jsonLine(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
