package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// The exit codes of every subcommand.
const (
	exitOK          = 0
	exitItems       = 1
	exitUsage       = 2
	exitBroken      = 3
	exitHalted      = 4
	exitInterrupted = 130
)

// exitTable documents the exit codes: in the help, in the manual pages, and, held to it by a test, in README.md.
var exitTable = []struct {
	code    int
	meaning string
}{
	{exitOK, "every item succeeded, or the reader of the output has gone away"},
	{exitItems, "some items failed, each with a line on standard error; or doctor found a problem"},
	{exitUsage, "the command line is wrong; nothing was run"},
	{exitBroken, "the run could not go on: the pool did not start or broke, or input or output failed"},
	{exitHalted, "too many items failed (--max-failures)"},
	{exitInterrupted, "interrupted by Ctrl-C, SIGTERM or SIGHUP"},
}

// exitHelp is exitTable as text.
func exitHelp() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, e := range exitTable {
		fmt.Fprintf(&b, "  %3d  %s\n", e.code, e.meaning)
	}
	return b.String()
}

// coded is an error that chooses the exit code. Its error is nil where all that
// there is to say has been said.
type coded struct {
	code int
	err  error
}

func (c *coded) Error() string {
	if c.err == nil {
		return fmt.Sprintf("exit code %d", c.code)
	}
	return c.err.Error()
}

func (c *coded) Unwrap() error { return c.err }

// exitWith is an error that has been reported already: only the code is left.
func exitWith(code int) error {
	if code == exitOK {
		return nil
	}
	return &coded{code: code}
}

// broken is an error that ended the run.
func broken(err error) error { return &coded{code: exitBroken, err: err} }

// exitCode reports err, if nobody has, and turns it into an exit code. An error
// without a code comes from the parsing of the command line of command, as "procpool bench".
func exitCode(err error, command string, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	var c *coded
	if !errors.As(err, &c) {
		complain(stderr, plainly(err))
		fmt.Fprintf(stderr, "Try \"%s --help\".\n", command)
		return exitUsage
	}
	if c.err != nil {
		complain(stderr, c.err)
	}
	return c.code
}

// complain prints an error of several lines with each line made safe: an unknown
// function or flag is repeated in it as the user, or whoever wrote the script, typed it.
func complain(w io.Writer, err error) {
	text := strings.TrimPrefix(strings.TrimRight(plainFailure(err), "\n"), "procpool: ")
	for i, line := range strings.Split(text, "\n") {
		prefix := "procpool: "
		if i > 0 {
			prefix = ""
		}
		fmt.Fprintln(w, prefix+printableLine(line))
	}
}
