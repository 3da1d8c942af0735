package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/procpool/procpool/worker"
)

var wordcountBuiltin = builtin{
	name:  "wordcount",
	about: "count lines, words and bytes, printed as wc prints them",
	details: `The output is that of wc in a UTF-8 locale, column widths and the line of totals included.
Where the inputs come from a directory or from standard input the widths cannot be known
before the end; then columns are one space apart, as in "wc --files0-from=-".`,
	arg:   "PATH",
	input: "a file, or a directory with files",
	paths: true,
	open:  openWordcount,
}

var wordcount = worker.Register("wordcount", countFile)

// wordCounts are the figures of one file.
type wordCounts struct {
	Lines int64 `json:"lines"`
	Words int64 `json:"words"`
	Bytes int64 `json:"bytes"`
}

func openWordcount(*pflag.FlagSet) task {
	l := &wcLayout{}
	return &typed[string, wordCounts]{
		fn:      wordcount,
		parse:   asTyped,
		line:    func(it item, c wordCounts) string { return l.line(c, it.name) },
		onBegin: l.begin,
		onAdd:   func(_ item, c wordCounts) bool { l.add(c); return false },
		sum:     func() (string, any) { return l.totals(), nil },
	}
}

// wcLayout is how wc would set out the same inputs.
type wcLayout struct {
	width int
	files int // named on the command line; zero where they are found later
	found int // that could be counted
	total wordCounts
}

// begin finds the width that wc would find: that of the sum of the sizes, if it can be
// known before reading, and at least seven where there is something that is no regular
// file.
func (l *wcLayout) begin(src *source) {
	l.width = 1
	for _, arg := range src.args {
		if arg == stdinArg || isDir(arg) {
			l.files = 0 // add counts them
			return
		}
	}
	l.files = len(src.args)
	l.width = widthFor(src.args)
}

func widthFor(paths []string) int {
	least, sum := 1, int64(0)
	for _, path := range paths {
		switch info, err := os.Stat(path); {
		case err != nil:
		case info.Mode().IsRegular():
			sum += info.Size()
		default:
			least = 7
		}
	}
	return max(least, len(strconv.FormatInt(sum, 10)))
}

func (l *wcLayout) add(c wordCounts) {
	l.found++
	l.total.Lines += c.Lines
	l.total.Words += c.Words
	l.total.Bytes += c.Bytes
}

func (l *wcLayout) line(c wordCounts, name string) string {
	return fmt.Sprintf("%*d %*d %*d %s", l.width, c.Lines, l.width, c.Words, l.width, c.Bytes, name)
}

// totals is the last line of wc, which it prints if there was more than one file, also
// if some of those that were named could not be read.
func (l *wcLayout) totals() string {
	if max(l.files, l.found) < 2 {
		return ""
	}
	return l.line(l.total, "total")
}

// countFile is the function wordcount.
func countFile(ctx context.Context, path string) (wordCounts, error) {
	f, err := os.Open(path)
	if err != nil {
		return wordCounts{}, err
	}
	defer f.Close()
	return countWords(ctx, f)
}

// countWords counts as wc does in a UTF-8 locale: a word is what stands between white
// space. (GNU wc before 9.5 left out words without a printable character; that shows in
// binary files only.)
func countWords(ctx context.Context, r io.Reader) (wordCounts, error) {
	var c wordCounts
	buf := make([]byte, 64<<10)
	rest, inWord := 0, false // bytes of a character that is not complete yet
	for {
		n, err := r.Read(buf[rest:])
		if ended := ctx.Err(); ended != nil {
			return c, ended
		}
		text := buf[:rest+n]
		complete := len(text)
		if err == nil {
			complete -= partOfRune(text)
		}
		inWord = c.add(text[:complete], inWord)
		rest = copy(buf, text[complete:])
		switch {
		case errors.Is(err, io.EOF):
			return c, nil
		case err != nil:
			return c, err
		}
	}
}

// partOfRune is how many bytes at the end of text may become a character with what
// follows.
func partOfRune(text []byte) int {
	for n := 1; n <= min(len(text), utf8.UTFMax-1); n++ {
		if tail := text[len(text)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

// add counts text; inWord says whether the text before it ended within a word, and the
// result whether this one does.
func (c *wordCounts) add(text []byte, inWord bool) bool {
	c.Bytes += int64(len(text))
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(text[i:])
		}
		i += size
		space := isSpace(r)
		if r == '\n' {
			c.Lines++
		}
		if !space && !inWord {
			c.Words++
		}
		inWord = !space
	}
	return inWord
}

// isSpace is what separates words for wc: the C library's spaces, and those that forbid
// a line break.
func isSpace(r rune) bool {
	switch {
	case r <= ' ':
		return r == ' ' || r >= '\t' && r <= '\r'
	case r < 0x1680:
		return r == 0xa0
	}
	return unicode.IsSpace(r) || r == 0x2060
}
