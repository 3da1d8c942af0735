package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPrintableLeavesNothingThatDrivesATerminal(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"plain text, ünï¢ode 日本":   "plain text, ünï¢ode 日本",
		"\x1b[2Jgone":              `\x1b[2Jgone`,
		"two\nlines\ttab\r":        `two\nlines\ttab\r`,
		"bad \xff\x80 bytes":       `bad \xff\x80 bytes`,
		"c1 \u009b31m":             `c1 \u009b31m`,
		"turned \u202egnp.exe":     `turned \u202egnp.exe`,
		"null\x00":                 `null\x00`,
		"a real \ufffd is printed": "a real \ufffd is printed",
	} {
		assert.Equal(t, want, printable(in))
	}
}

func TestPrintableLineKeepsTabs(t *testing.T) {
	assert.Equal(t, "\tmain.go:12 \\x1b", printableLine("\tmain.go:12 \x1b"))
}

func TestQuotedLeavesPlainNamesAlone(t *testing.T) {
	assert.Equal(t, "dir/file.go", quoted("dir/file.go"))
	assert.Equal(t, `""`, quoted(""))
	assert.Equal(t, `"two words"`, quoted("two words"))
	assert.Equal(t, `"new\nline"`, quoted("new\nline"))
	assert.Equal(t, `"\xff"`, quoted("\xff"))
}

func TestClippedNeverCutsARune(t *testing.T) {
	assert.Equal(t, "short", clipped("short", 5))
	assert.Equal(t, "日...", clipped("日本", 5))
	assert.Equal(t, strings.Repeat("x", 10)+"...", clipped(strings.Repeat("x", 11), 10))
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\x1b[0m\xffb")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range printable(s) {
			if r < 0x20 || r >= 0x7f && r < 0xa0 {
				t.Fatalf("%q kept %q", s, r)
			}
		}
	})
}
