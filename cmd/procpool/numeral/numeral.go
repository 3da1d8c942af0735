// Package numeral writes counts for people, in the same way in all that the command prints.
package numeral

import (
	"strconv"
	"strings"
)

// Thousands is n with commas.
func Thousands(n int64) string {
	if n < 0 {
		return "-" + Thousands(-n)
	}
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Of is n with its noun, which is given in the singular.
func Of[N int | int64](n N, noun string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(noun, "s"):
		noun += "es"
	default:
		noun += "s"
	}
	return Thousands(int64(n)) + " " + noun
}
