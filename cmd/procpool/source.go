package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
)

// stdinArg is the input that stands for the lines of standard input.
const stdinArg = "-"

// maxLine bounds one line of standard input. A line is one argument, so that this
// bounds what a stream without line ends can take.
const maxLine = 64 << 20

// The formats of standard input.
const (
	formatLines = "lines"
	formatNUL   = "nul"
	formatJSON  = "json"
)

var formats = []string{formatLines, formatNUL, formatJSON}

// source yields the items that the command line names. It reads as it is asked, never
// ahead, so that neither a directory nor standard input needs an end.
type source struct {
	args   []string
	stdin  io.Reader
	format string   // of standard input
	paths  bool     // inputs are paths, and directories stand for the files in them
	exts   []string // what a directory is searched for; empty means every file

	// err is what ended the input early. It has a lock because an interrupted run
	// asks while the pool's feeder may still be reading.
	mu  sync.Mutex
	err error
}

// newSource checks args. Without any it reads standard input, unless that is a
// terminal, where the user would wait for the program and the program for the user.
func newSource(args []string, stdin io.Reader, format string, b *builtin) (*source, error) {
	if !slices.Contains(formats, format) {
		return nil, fmt.Errorf("--stdin %s: must be one of lines, nul, json", quoted(format))
	}
	if len(args) == 0 {
		if isTerminal(stdin) {
			return nil, fmt.Errorf("%s: no inputs: name %s, or - to read them from standard input", b.name, b.input)
		}
		args = []string{stdinArg}
	}
	if i := slices.Index(args, stdinArg); i >= 0 && slices.Contains(args[i+1:], stdinArg) {
		return nil, errors.New("standard input (-) can be read only once")
	}
	return &source{args: args, stdin: stdin, format: format, paths: b.paths, exts: b.exts}, nil
}

// readsStdin reports whether some items come from standard input.
func (s *source) readsStdin() bool { return slices.Contains(s.args, stdinArg) }

// items yields every input once, until ctx ends. An error of reading standard input
// ends the sequence too; Err has it.
func (s *source) items(ctx context.Context) iter.Seq[item] {
	return func(yield func(item) bool) {
		next := 0
		number := func(it item) bool {
			if ctx.Err() != nil {
				return false
			}
			it.index = next
			next++
			return yield(it)
		}
		for _, arg := range s.args {
			if !s.expand(arg, number) {
				return
			}
		}
	}
}

// count is how many items there are, unless ctx ends first or nobody can know before
// standard input has ended.
func (s *source) count(ctx context.Context) (n int, known bool) {
	if s.readsStdin() {
		return 0, false
	}
	for range s.items(ctx) {
		n++
	}
	return n, ctx.Err() == nil
}

// Err is the error that ended the input early, or nil.
func (s *source) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *source) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// expand yields the items that one argument stands for.
func (s *source) expand(arg string, yield func(item) bool) bool {
	if arg == stdinArg {
		return s.readStdin(yield)
	}
	return s.expandName(arg, yield)
}

func (s *source) expandName(name string, yield func(item) bool) bool {
	if !s.paths || !isDir(name) {
		return yield(item{name: name})
	}
	for path := range walk(name, s.exts) {
		if !yield(item{name: path, root: name}) {
			return false
		}
	}
	return true
}

func (s *source) readStdin(yield func(item) bool) bool {
	lines := bufio.NewScanner(s.stdin)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	lines.Split(splitAt(s.separator()))
	number := 0
	for lines.Scan() {
		number++
		if !s.line(lines.Bytes(), yield) {
			return false
		}
	}
	if err := lines.Err(); err != nil {
		s.fail(fmt.Errorf("standard input, after line %d: %w", number, err))
		return false
	}
	return true
}

func (s *source) separator() byte {
	if s.format == formatNUL {
		return 0
	}
	return '\n'
}

// line yields what one line stands for. Empty lines are an empty value, but no path
// and no JSON.
func (s *source) line(line []byte, yield func(item) bool) bool {
	switch {
	case s.format == formatJSON:
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			return true
		}
		return yield(item{name: string(line), raw: json.RawMessage(bytes.Clone(line))})
	case s.paths && len(line) == 0:
		return true
	}
	return s.expandName(string(line), yield)
}

// splitAt splits at sep alone. bufio.ScanLines would drop a carriage return, which may
// belong to a value or to a file's name.
func splitAt(sep byte) bufio.SplitFunc {
	return func(data []byte, atEOF bool) (advance int, token []byte, err error) {
		if i := bytes.IndexByte(data, sep); i >= 0 {
			return i + 1, data[:i], nil
		}
		if atEOF && len(data) > 0 {
			return len(data), data, nil
		}
		return 0, nil, nil
	}
}
