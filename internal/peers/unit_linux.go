package main

import (
	"fmt"
	"time"
)

// A unit says how a number is written.
type unit string

const (
	times     unit = "×"
	inSeconds unit = "s"
	perSecond unit = "/s"
	inBytes   unit = "B"
	bytesRate unit = "B/s"
)

// format writes a number of the unit with three digits or so.
func (u unit) format(v float64) string {
	if u == times {
		return u.number(v) + " ×"
	}
	return u.number(v)
}

func (u unit) number(v float64) string {
	switch u {
	case times:
		return digits(v)
	case inSeconds:
		return duration(v)
	case perSecond:
		return prefixed(v) + "/s"
	case inBytes:
		return fmt.Sprintf("%s MiB", digits(v/(1<<20)))
	case bytesRate:
		return fmt.Sprintf("%s GB/s", digits(v/1e9))
	}
	return digits(v)
}

func digits(v float64) string {
	switch {
	case v >= 100 || v <= -100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10 || v <= -10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func prefixed(v float64) string {
	switch {
	case v >= 1e6:
		return digits(v/1e6) + " M"
	case v >= 1e3:
		return digits(v/1e3) + " k"
	}
	return digits(v)
}

func duration(v float64) string {
	switch d := time.Duration(v * 1e9); {
	case d >= time.Second:
		return digits(v) + " s"
	case d >= time.Millisecond:
		return digits(v*1e3) + " ms"
	case d >= time.Microsecond:
		return digits(v*1e6) + " µs"
	}
	return digits(v*1e9) + " ns"
}
