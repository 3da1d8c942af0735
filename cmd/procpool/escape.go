package main

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable returns s with everything escaped that could drive a terminal: control
// characters, invalid UTF-8, and the invisible characters that turn text around.
// What a worker, a file name or an error says is not to be trusted.
func printable(s string) string {
	return escape(s, unicode.IsPrint)
}

// printableLine is printable for the line of a program's output, where tabs are at home.
func printableLine(s string) string {
	return escape(s, func(r rune) bool { return r == '\t' || unicode.IsPrint(r) })
}

func escape(s string, keep func(rune) bool) string {
	if isKept(s, keep) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b.WriteString(`\x`)
			b.WriteString(strconv.FormatUint(uint64(s[i])|0x100, 16)[1:])
		case keep(r):
			b.WriteString(s[i : i+n])
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
		i += n
	}
	return b.String()
}

func isKept(s string, keep func(rune) bool) bool {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || !keep(r) {
			return false
		}
		i += n
	}
	return true
}

// quoted returns a name as it is when it is plain, and otherwise as a Go string, so
// that nobody takes a part of the name for a part of the message.
func quoted(name string) string {
	if name == "" || strings.ContainsAny(name, " \t\"\\") || !isKept(name, unicode.IsPrint) {
		return strconv.Quote(name)
	}
	return name
}

// clipped is s, shortened to at most n bytes and marked where it was.
func clipped(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}
