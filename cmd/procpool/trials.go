package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/procpool/procpool/worker"
)

// The functions of this file are for trying things out: what comes back, and what happens
// when a function fails, panics, exits, crashes, hangs or eats all memory.

var echoBuiltin = builtin{
	name: "echo", trial: true,
	about: "return the value",
	arg:   "VALUE",
	input: "any value; with --json any JSON",
	open: noFlags(typed[any, any]{
		fn:        echo,
		parse:     func(text string) (any, error) { return text, nil },
		parseJSON: anyJSON,
		line:      func(_ item, v any) string { return plainText(v) },
	}),
}

var echo = worker.Register("echo", func(_ context.Context, v any) (any, error) { return v, nil })

// anyJSON decodes one value and keeps whole numbers whole.
func anyJSON(raw json.RawMessage) (any, error) {
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("not one JSON value: %s", clipped(string(raw), 60))
	}
	return plainNumbers(v)
}

// plainNumbers replaces every json.Number in v by an int64, a uint64 or a float64.
func plainNumbers(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		return plainNumber(string(v))
	case []any:
		for i := range v {
			if v[i], err = plainNumbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = plainNumbers(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

func plainNumber(text string) (any, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("the number %s is out of range", clipped(text, 60))
	}
	return f, nil
}

// plainText is a string as it is, and everything else as JSON.
func plainText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("invalid duration %s; want one such as 1.5s or 100ms", quoted(clipped(text, 60)))
	}
	return d, nil
}

func parseWhole(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%s is no whole number", quoted(clipped(text, 60)))
	}
	return n, nil
}

var sleepBuiltin = builtin{
	name: "sleep", trial: true,
	about: "sleep, and return how long it was",
	arg:   "DURATION",
	input: "a duration such as 1.5s or 100ms",
	open: noFlags(typed[time.Duration, string]{
		fn:    sleep,
		parse: parseDuration,
		line:  valueLine,
	}),
}

var sleep = worker.Register("sleep", func(ctx context.Context, d time.Duration) (string, error) {
	select {
	case <-time.After(d):
		return d.String(), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
})

var failBuiltin = builtin{
	name: "fail", trial: true,
	about: "return an error",
	arg:   "TEXT",
	input: "the text of the error",
	open:  noFlags(typed[string, string]{fn: fail, parse: asTyped, line: valueLine}),
}

var fail = worker.Register("fail", func(_ context.Context, text string) (string, error) {
	return "", errors.New(text)
})

var panicBuiltin = builtin{
	name: "panic", trial: true,
	about: "panic; the worker survives",
	arg:   "TEXT",
	input: "what to panic with",
	open:  noFlags(typed[string, string]{fn: panicFunc, parse: asTyped, line: valueLine}),
}

var panicFunc = worker.Register("panic", func(_ context.Context, text string) (string, error) {
	panic(text)
})

var exitBuiltin = builtin{
	name: "exit", trial: true,
	about: "end the worker with os.Exit",
	arg:   "CODE",
	input: "an exit code, 0 to 255",
	open:  noFlags(typed[int, string]{fn: exit, parse: parseWhole, line: valueLine}),
}

var exit = worker.Register("exit", func(_ context.Context, code int) (string, error) {
	if code < 0 || code > 255 {
		return "", fmt.Errorf("exit code %d: must be from 0 to 255", code)
	}
	os.Exit(code)
	return "", nil
})

var crashBuiltin = builtin{
	name: "crash", trial: true,
	about: "end the worker by a crash",
	details: `segv    a bad pointer, with the signal's default action as in a C program: signal SIGSEGV
kill    SIGKILL from nowhere, as from the system's out-of-memory killer
stack   the Go runtime's "stack overflow", which recover does not catch: exit code 2`,
	arg:   "HOW",
	input: "segv, kill or stack",
	open:  noFlags(typed[string, string]{fn: crash, parse: asTyped, line: valueLine}),
}

var crash = worker.Register("crash", func(_ context.Context, how string) (string, error) {
	switch how {
	case "segv":
		segfault()
	case "kill":
		killSelf()
	case "stack":
		debug.SetMaxStack(16 << 20) // to fill the default gigabyte takes seconds
		return strconv.Itoa(overflowStack(1)), nil
	}
	return "", fmt.Errorf("%s is not segv, kill or stack", quoted(how))
})

// overflowStack calls itself without end, nearly. The addition keeps the compiler from making it
// a loop.
func overflowStack(n int) int {
	if n == 0 {
		return 0
	}
	return n + overflowStack(n+1)
}

var flakyBuiltin = builtin{
	name: "flaky", trial: true,
	about: "fail at first, and succeed when it is tried again",
	details: `crash:2 ends the worker at the first two attempts, fail:1 returns an error at the first, hang:1 loops
for ever at the first. See --retries, --retry-errors and --timeout.`,
	arg:   "HOW:N",
	input: "crash, fail or hang, and how many attempts do",
	open:  noFlags(typed[string, string]{fn: flaky, parse: asTyped, line: valueLine}),
}

var flaky = worker.Register("flaky", func(ctx context.Context, text string) (string, error) {
	how, times, _ := strings.Cut(text, ":")
	n, err := strconv.Atoi(times)
	if err != nil {
		return "", fmt.Errorf("%s is not crash:N, fail:N or hang:N", quoted(clipped(text, 60)))
	}
	attempt := worker.Info(ctx).Attempt
	if attempt > n {
		return fmt.Sprintf("%s: attempt %d", text, attempt), nil
	}
	switch how {
	case "crash":
		os.Exit(1)
	case "hang":
		for {
			spun.Add(1)
		}
	}
	return "", fmt.Errorf("attempt %d", attempt)
})

var hangBuiltin = builtin{
	name: "hang", trial: true,
	about: "loop for ever and ignore everything",
	arg:   "NAME",
	input: "any text",
	open:  noFlags(typed[string, string]{fn: hang, parse: asTyped, line: valueLine}),
}

var hang = worker.Register("hang", func(context.Context, string) (string, error) {
	for {
		spun.Add(1)
	}
})

// spun gives hang something to do.
var spun atomic.Uint64

var leakBuiltin = builtin{
	name: "leak", trial: true,
	about: "take memory and keep it",
	details: `The memory is kept when the function returns, so that the worker grows from item to item.
"max" goes on until something ends the worker; mind the other programs on the machine.`,
	arg:   "SIZE",
	input: "a size such as 64MiB, or max",
	open: noFlags(typed[uint64, string]{
		fn:    leak,
		parse: parseLeak,
		line:  valueLine,
	}),
}

var (
	leak   = worker.Register("leak", takeMemory)
	leaked [][]byte
)

// takeMemory is the function leak.
func takeMemory(ctx context.Context, size uint64) (string, error) {
	const piece = 16 << 20
	for taken := uint64(0); taken < size; {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		b := make([]byte, min(piece, size-taken))
		for i := 0; i < len(b); i += 512 {
			b[i] = 1 // a page counts when it is written
		}
		leaked = append(leaked, b)
		taken += uint64(len(b))
	}
	return fmt.Sprintf("%s more, %s in all", byteSize(int64(size)), byteSize(leakedBytes())), nil
}

// parseLeak reads a size, or max.
func parseLeak(text string) (uint64, error) {
	if text == "max" {
		return math.MaxInt64, nil
	}
	return parseSize(text)
}

func leakedBytes() int64 {
	n := int64(0)
	for _, b := range leaked {
		n += int64(len(b))
	}
	return n
}

var printBuiltin = builtin{
	name: "print", trial: true,
	about: "print the text to the worker's standard output and standard error",
	arg:   "TEXT",
	input: "the text",
	open:  noFlags(typed[string, string]{fn: printFunc, parse: asTyped, line: valueLine}),
}

var printFunc = worker.Register("print", func(_ context.Context, text string) (string, error) {
	fmt.Fprintln(os.Stdout, "stdout: "+text)
	fmt.Fprintln(os.Stderr, "stderr: "+text)
	return text, nil
})

func valueLine(_ item, value string) string { return value }
