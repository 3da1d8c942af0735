package top

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// shortTime is a number of seconds in at most six columns.
func shortTime(s float64) string {
	switch {
	case s < 0 || math.IsNaN(s):
		return "?"
	case s == 0:
		return "0s"
	case s < 1e-6:
		return figures3(s*1e9) + "ns"
	case s < 1e-3:
		return figures3(s*1e6) + "µs"
	case s < 0.9995:
		return figures3(s*1e3) + "ms"
	case s < 99.5:
		return figures3(s) + "s"
	}
	d := time.Duration(min(s, math.MaxInt64/1e9-1) * float64(time.Second)).Round(time.Second)
	switch minutes, hours := int(d.Minutes()), int(d.Hours()); {
	case minutes < 60:
		return fmt.Sprintf("%dm%02ds", minutes, int(d.Seconds())%60)
	case hours < 48:
		return fmt.Sprintf("%dh%02dm", hours, minutes%60)
	default:
		return fmt.Sprintf("%dd%02dh", hours/24, hours%24)
	}
}

// figures3 is a number below 1000 with three figures.
func figures3(x float64) string {
	switch {
	case x < 9.995:
		return strconv.FormatFloat(x, 'f', 2, 64)
	case x < 99.95:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return strconv.FormatFloat(x, 'f', 0, 64)
}

// shortBytes is a size in at most six columns.
func shortBytes(n float64) string {
	unit := 0
	for n >= 999.5 && unit < 5 {
		n /= 1024
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%.0fB", n)
	}
	return figures3(max(n, 0)) + "KMGTP"[unit-1:unit]
}

// knownBytes is a size that is known if it is not zero.
func knownBytes(n int64) string {
	if n == 0 {
		return ""
	}
	return shortBytes(float64(n))
}

// shortRate is a number of things a second.
func shortRate(x float64) string {
	switch {
	case x >= 999.5:
		return shortCount(int(x+0.5)) + "/s"
	case x <= 0:
		return "0/s"
	}
	return figures3(x) + "/s"
}

// shortCount is a number in at most six columns, exact up to 99,999.
func shortCount(n int) string {
	switch {
	case n < 100_000:
		return strconv.Itoa(n)
	case n < 1e9:
		return figures3(float64(n)/1e6) + "M"
	}
	return figures3(float64(n)/1e9) + "G"
}

// taskName is a function and which of its items.
func taskName(fn string, index int) string {
	if fn == "" || index < 0 {
		return fn
	}
	return fn + " #" + strconv.Itoa(index)
}
