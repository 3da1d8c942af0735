package doctor

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// read returns what is in a file of the system, trimmed; "" where it cannot be read.
func (s *system) read(path string) string {
	text, _ := os.ReadFile(filepath.Join(s.root, path))
	return strings.TrimSpace(string(text))
}

// number reads a file that holds one number. "max" is unlimited, and so is what no int64 holds.
func (s *system) number(path string) (n int64, known bool) {
	return parseNumber(s.read(path))
}

func parseNumber(text string) (n int64, known bool) {
	if text == "max" {
		return unlimited, true
	}
	u, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, false
	}
	return int64(min(u, uint64(unlimited))), true
}

// value returns what follows key in a text of lines "key: value" or "key value".
func value(text, key string) string {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, key); ok && rest != "" && strings.ContainsRune(": \t", rune(rest[0])) {
			return strings.TrimSpace(strings.TrimLeft(rest, ": \t"))
		}
	}
	return ""
}

// kilobytes is value for a line such as "MemTotal:  2048 kB", in bytes; 0 where there is none.
func kilobytes(text, key string) int64 {
	n, _ := parseNumber(strings.TrimSuffix(value(text, key), " kB"))
	return n << 10
}
