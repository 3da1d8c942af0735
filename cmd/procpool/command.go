package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/pflag"
)

// commandLine is how a function was called, so that single items can be run again.
type commandLine struct {
	function string
	flags    []string // that change what the function does, quoted
}

// newCommandLine takes down the flags of fs that were given.
func newCommandLine(function string, fs *pflag.FlagSet) commandLine {
	c := commandLine{function: function}
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			c.add(f)
		}
	})
	return c
}

// itemFlags are the flags of run that say what an item is, what it may take and how often it is tried.
var itemFlags = []string{"timeout", "soft-timeout", "memory", "retries", "retry-errors", "retry-delay", "json"}

// addItemFlags takes down those of fs that were given.
func (c *commandLine) addItemFlags(fs *pflag.FlagSet) {
	for _, name := range itemFlags {
		if f := fs.Lookup(name); f != nil && f.Changed {
			c.add(f)
		}
	}
}

func (c *commandLine) add(f *pflag.Flag) {
	if f.Value.Type() == "bool" && f.Value.String() == "true" {
		c.flags = append(c.flags, "--"+f.Name)
		return
	}
	value := f.Value.String()
	if size, ok := f.Value.(*sizeValue); ok {
		value = size.exact()
	}
	c.flags = append(c.flags, "--"+f.Name+"="+shellQuoted(value))
}

// text is a command for a shell that runs one item: on one line, whatever the input is.
func (c *commandLine) text(it item) string {
	run := strings.Join(append([]string{"procpool run", shellQuoted(c.function)}, c.flags...), " ")
	if it.raw != nil {
		if !slices.Contains(c.flags, "--json") {
			run += " --json"
		}
		return fmt.Sprintf(`printf '%%s\n' %s | %s`, shellQuoted(it.name), run)
	}
	if strings.HasPrefix(it.name, "-") {
		run += " --"
	}
	return run + " " + shellQuoted(it.name)
}

const shellSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_"

// shellQuoted is text as one word for a shell. Control characters take the $'...' of bash, zsh and newer shells, since a
// line end in a line of a log would make it two.
func shellQuoted(text string) string {
	switch {
	case text != "" && strings.Trim(text, shellSafe) == "":
		return text
	case strings.IndexFunc(text, isControl) < 0:
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case isControl(r):
			fmt.Fprintf(&b, `\%03o`, r)
		case r == '\'' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteString(text[i : i+n])
		}
		i += n
	}
	return b.String() + "'"
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
