package main

import (
	"os"
	"strconv"
	"strings"
)

// palette colours words for a terminal, or leaves them as they are.
type palette struct{ on bool }

// newPalette decides by the stream and the environment, as https://no-color.org and https://bixense.com/clicolors have it: NO_COLOR that is not empty
// wins, then CLICOLOR_FORCE or FORCE_COLOR that is neither empty nor 0; else colours are for terminals that are not dumb.
func newPalette(stream any, getenv func(string) string) palette {
	forced := func(name string) bool { return getenv(name) != "" && getenv(name) != "0" }
	switch {
	case getenv("NO_COLOR") != "":
		return palette{}
	case forced("CLICOLOR_FORCE"), forced("FORCE_COLOR"):
		return palette{on: true}
	case getenv("CLICOLOR") == "0":
		return palette{}
	}
	return palette{on: isTerminal(stream) && getenv("TERM") != "dumb"}
}

func paletteFor(stream any) palette { return newPalette(stream, os.Getenv) }

// The colours are the eight that every terminal has in its own theme, so that they can be read on light and dark.
const (
	bold   = 1
	faint  = 2
	red    = 31
	green  = 32
	yellow = 33
)

func (p palette) paint(text string, codes ...int) string {
	if !p.on || text == "" {
		return text
	}
	var b strings.Builder
	for _, code := range codes {
		b.WriteString("\x1b[" + strconv.Itoa(code) + "m")
	}
	return b.String() + text + "\x1b[0m"
}
