package remote

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestReceivedTextIsFitToBePrinted(t *testing.T) {
	for sent, want := range map[string]string{
		"":                           "",
		"plain":                      "plain",
		"two\nlines\tand a tab":      "two\nlines\tand a tab",
		"\x1b[31mred\x1b[0m":         `\x1b[31mred\x1b[0m`,
		"carriage\r\nreturn":         `carriage\r` + "\nreturn",
		"nul\x00 del\x7f c1\u009b":   `nul\x00 del\x7f c1\u009b`,
		"bad \xff\xfe utf-8":         "bad \uFFFD utf-8",
		"grüße, 世界 🙂":                "grüße, 世界 🙂",
		"half a rune \xe4\xb8":       "half a rune \uFFFD",
		`already escaped \x1b stays`: `already escaped \x1b stays`,
	} {
		got := receivedText(sent)
		assert.Equal(t, want, got)
		assert.Equal(t, got, receivedText(got), "a second time changes nothing")
	}
}

func TestTextsAreCutBetweenRunes(t *testing.T) {
	for name, s := range map[string]string{
		"ascii":         strings.Repeat("a", maxText+1),
		"two bytes":     strings.Repeat("ä", maxText),
		"four bytes":    "a" + strings.Repeat("🙂", maxText),
		"invalid":       strings.Repeat("\xff", 2*maxText),
		"growing":       strings.Repeat("a\xff", maxText/2),
		"continuations": strings.Repeat("\x80", maxText) + "a",
		"controls":      strings.Repeat("\x1b", maxText+1),
		"a megabyte":    strings.Repeat("x\x00ä", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			for _, got := range []string{sentText(s), receivedText(s), receivedText(sentText(s))} {
				assert.LessOrEqual(t, len(got), maxText)
				assert.True(t, utf8.ValidString(got))
				assert.True(t, strings.HasSuffix(got, cutMark))
			}
		})
	}
}

func TestATextOfExactlyTheCapIsWhole(t *testing.T) {
	s := strings.Repeat("a", maxText)
	assert.Equal(t, s, receivedText(sentText(s)))
}

func TestCutHoldsAnyLimit(t *testing.T) {
	s := strings.Repeat("世", 20)
	for limit := range len(s) + 2 {
		got := cut(s, limit)
		assert.LessOrEqual(t, len(got), limit)
		assert.True(t, utf8.ValidString(got), "limit %d", limit)
	}
}
