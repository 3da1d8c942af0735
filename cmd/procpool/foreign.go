package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/kballard/go-shellquote"
	"github.com/spf13/pflag"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// foreignPart is about workers that are another program: one that speaks the protocol of package wire. Its functions are
// called by whatever name is given.
type foreignPart struct {
	command string
	strings bool

	argv []string
}

func (f *foreignPart) define(fs *pflag.FlagSet) {
	fs.StringVar(&f.command, "command", "", "run the program `ARGV` as the worker, as 'python3 worker.py'; FUNCTION is then one of its functions")
	fs.BoolVar(&f.strings, "strings", false, "with --command: every input is a string, also one that is JSON")
}

func (f *foreignPart) isGiven() bool { return f.argv != nil }

func (f *foreignPart) check(all *runFlags, changed func(string) bool) error {
	if !changed("command") {
		if f.strings {
			return errors.New("--strings is for --command")
		}
		return nil
	}
	var err error
	if f.argv, err = shellquote.Split(f.command); err != nil {
		return fmt.Errorf("--command %s: %w", quoted(f.command), err)
	}
	switch {
	case len(f.argv) == 0:
		return errors.New("--command: no program is named")
	case all.workers.inline:
		return errors.New("--command starts a program; --inline starts none")
	}
	return nil
}

func (f *foreignPart) join(j *job) error {
	if f.isGiven() {
		j.options = append(j.options, pool.WithCommand(f.argv...))
		j.recorders = append(j.recorders, unknownFunction{f.argv, j.name})
	}
	return nil
}

// builtin is a function of the foreign worker, described as one of ours.
func (f *foreignPart) builtin(name string) *builtin {
	return &builtin{
		name:  name,
		input: "a value",
		open: noFlags(typed[any, any]{
			fn:        worker.Named[any, any](name),
			parse:     f.parse,
			parseJSON: anyJSON,
			line:      func(_ item, v any) string { return foreignText(v) },
		}),
	}
}

// parse takes an input that is JSON for that value, and every other one for a string.
func (f *foreignPart) parse(text string) (any, error) {
	if !f.strings {
		if v, err := anyJSON(json.RawMessage(text)); err == nil {
			return v, nil
		}
	}
	return text, nil
}

// foreignText is bytes and text as they are, and everything else as JSON.
func foreignText(v any) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return plainText(v)
}

// unknownFunction ends a run whose function the worker does not have: no item would do better than the first.
type unknownFunction struct {
	argv     []string
	function string
}

func (u unknownFunction) record(o outcome) error {
	if !errors.Is(o.err, pool.ErrNotRegistered) {
		return nil
	}
	return &coded{code: exitUsage, err: fmt.Errorf("--command: the worker %s has no function %s", quoted(strings.Join(u.argv, " ")), quoted(u.function))}
}

func (u unknownFunction) close(bool) error { return nil }
