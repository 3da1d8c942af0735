package doctor

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/procpool/procpool/cmd/procpool/numeral"
)

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<40:
		return fmt.Sprintf("%.1f TiB", float64(n)/(1<<40))
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return trimmed(float64(n)/(1<<20)) + " MiB"
	case n >= 1<<10:
		return trimmed(float64(n)/(1<<10)) + " KiB"
	}
	return fmt.Sprintf("%d bytes", n)
}

// trimmed has a decimal only where it says something.
func trimmed(f float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") }

// span is a duration with three digits.
func span(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
	case d >= time.Microsecond:
		return fmt.Sprintf("%.3g µs", float64(d)/float64(time.Microsecond))
	}
	return fmt.Sprintf("%d ns", d.Nanoseconds())
}

// unlimited stands for no limit in facts.
const unlimited = math.MaxInt64

// limitText is a limit for people.
func limitText(n int64) string {
	if n == unlimited {
		return "unlimited"
	}
	return numeral.Thousands(n)
}

// join lists words: "a, b and c".
func join(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
