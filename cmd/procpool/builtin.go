package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/spf13/pflag"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// builtin is a function that the command offers, and what people are told of it.
type builtin struct {
	name    string
	about   string   // one line
	details string   // for the help; may be empty
	arg     string   // what stands for an input in the usage line
	input   string   // what one input is
	paths   bool     // inputs are paths, and directories are walked
	exts    []string // files that a walk yields; empty means all
	trial   bool     // it is there for trying things out

	// open defines the function's own flags and returns the task that obeys them.
	open func(fs *pflag.FlagSet) task
}

// builtins are all functions, in the order in which they are listed.
var builtins = []*builtin{
	&gostatsBuiltin, &wordcountBuiltin, &sha256Builtin, &thumbnailBuiltin, &primesBuiltin, &mandelbrotBuiltin,
	&echoBuiltin, &sleepBuiltin, &failBuiltin, &panicBuiltin, &exitBuiltin, &crashBuiltin, &flakyBuiltin, &hangBuiltin, &leakBuiltin, &printBuiltin,
}

// takes is what the function's inputs are, in one word.
func (b *builtin) takes() string {
	if b.paths {
		return "path"
	}
	return "value"
}

// task is one use of a function: it feeds it and knows how its results read.
type task interface {
	// begin is called once, before anything else, with what the command line names.
	begin(src *source)
	// check finds what is no argument of the function.
	check(it item) error
	// encode returns the item's argument, encoded, and the path that it names, if it names one.
	encode(e *encoder, it item) (arg []byte, path string, err error)
	// decode returns the value of a result that an encoder encoded.
	decode(b []byte) (value any, err error)
	// sums reports whether add must be told of items that an earlier run has printed.
	sums() bool
	// feed runs the function over items.
	feed(ctx context.Context, p *pool.Pool, items iter.Seq[item], opts []pool.CallOption) iter.Seq[outcome]
	// add is told of every item that succeeded. silent means that the item itself is not
	// to be printed.
	add(o outcome) (silent bool)
	// text is the result of an item that succeeded, without a line end.
	text(o outcome) string
	// totals returns what is printed after the last item: as text, and as a value for
	// the JSON output. Empty text and a nil value mean nothing.
	totals() (text string, value any)
}

// typed is the task of a function with argument A and result R.
type typed[A, R any] struct {
	fn worker.Func[A, R]

	// parse turns what was typed into an argument.
	parse func(text string) (A, error)
	// parseJSON turns JSON into an argument. By default a JSON string is what would
	// have been typed, and everything else must fit A.
	parseJSON func(raw json.RawMessage) (A, error)
	// line is the result as text.
	line func(it item, r R) string

	// The rest may be nil.
	path    func(arg A) string // the path that arg names; by default arg itself, if it is a string
	onBegin func(src *source)
	onAdd   func(it item, r R) (silent bool)
	sum     func() (text string, value any)
}

func (t *typed[A, R]) begin(src *source) {
	if t.onBegin != nil {
		t.onBegin(src)
	}
}

func (t *typed[A, R]) feed(ctx context.Context, p *pool.Pool, items iter.Seq[item], opts []pool.CallOption) iter.Seq[outcome] {
	return feed(ctx, p, t.fn, items, t.arg, opts)
}

func (t *typed[A, R]) check(it item) error {
	_, err := t.arg(it)
	return err
}

func (t *typed[A, R]) arg(it item) (A, error) {
	switch {
	case it.raw == nil:
		return t.parse(it.name)
	case t.parseJSON != nil:
		return t.parseJSON(it.raw)
	}
	var text string
	if json.Unmarshal(it.raw, &text) == nil {
		return t.parse(text)
	}
	var arg A
	return arg, strictJSON(it.raw, &arg)
}

func (t *typed[A, R]) add(o outcome) bool {
	return t.onAdd != nil && t.onAdd(o.item, t.result(o))
}

func (t *typed[A, R]) text(o outcome) string { return t.line(o.item, t.result(o)) }

// result is the outcome's value with its type. A nil is the zero of a type that has nil.
func (t *typed[A, R]) result(o outcome) R {
	r, ok := o.value.(R)
	if !ok && o.value != nil {
		panic(fmt.Sprintf("bug: a result of %s is a %T", t.fn.Name(), o.value))
	}
	return r
}

func (t *typed[A, R]) totals() (string, any) {
	if t.sum == nil {
		return "", nil
	}
	return t.sum()
}

// strictJSON decodes one value and refuses fields that v does not have: a misspelt one
// would silently be a default.
func strictJSON(raw []byte, v any) error {
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("not an argument of this function: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("not one JSON value: %s", clipped(string(raw), 60))
	}
	return nil
}

// asTyped is the parse of functions whose argument is the text itself.
func asTyped(text string) (string, error) { return text, nil }

// noFlags opens a function that has no flags of its own.
func noFlags[A, R any](t typed[A, R]) func(*pflag.FlagSet) task {
	return func(*pflag.FlagSet) task { return &t }
}
