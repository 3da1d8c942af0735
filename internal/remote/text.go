package remote

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const cutMark = " … (cut)"

// cut shortens s to at most limit bytes and marks that it did.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return marked(s, limit)
}

func marked(s string, limit int) string {
	if limit < len(cutMark) {
		return cutBare(s, limit) // the mark alone says less than what it replaces
	}
	return cutBare(s, limit-len(cutMark)) + cutMark
}

// cutBare shortens without a mark: names, where half a name is as wrong as none.
func cutBare(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return s[:runeStart(s, limit)]
}

// runeStart returns the largest index up to i that does not split a rune.
// Invalid UTF-8 is cut anywhere: no rune is longer than four bytes.
func runeStart(s string, i int) int {
	if i <= 0 || i >= len(s) {
		return i
	}
	for back := 0; back < utf8.UTFMax && back <= i; back++ {
		if utf8.RuneStart(s[i-back]) {
			return i - back
		}
	}
	return i
}

// sentText is what a worker makes of a text: short and valid UTF-8, because
// other languages refuse a msgpack str that is not.
func sentText(s string) string {
	return bounded(s, validUTF8)
}

// receivedText is what the parent makes of a text: also fit to be printed.
func receivedText(s string) string {
	return bounded(s, func(s string) string { return printable(validUTF8(s)) })
}

// bounded cuts before it cleans, so that a text of a gigabyte is never copied,
// and again afterwards, since what clean inserts may be longer.
func bounded(s string, clean func(string) string) string {
	long := len(s) > maxText
	s = clean(cutBare(s, maxText))
	if long {
		return marked(s, min(len(s)+len(cutMark), maxText))
	}
	return cut(s, maxText)
}

func validUTF8(s string) string {
	return strings.ToValidUTF8(s, "\uFFFD")
}

// printable escapes the control characters of valid UTF-8, so that a text
// cannot forge log lines or drive a terminal.
func printable(s string) string {
	if strings.IndexFunc(s, mustEscape) < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for _, r := range s {
		if mustEscape(r) {
			escape(&b, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// escape writes one of the control characters, which all are below U+00A0.
func escape(b *strings.Builder, r rune) {
	const hex = "0123456789abcdef"
	switch {
	case r == '\r':
		b.WriteString(`\r`)
		return
	case r < 0x80:
		b.WriteString(`\x`)
	default:
		b.WriteString(`\u00`)
	}
	b.WriteByte(hex[r>>4])
	b.WriteByte(hex[r&0xf])
}

func mustEscape(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t'
}
