package main

import (
	"strings"

	"github.com/procpool/procpool/pool/monitor"
)

// makeSafe makes everything printable that a pool says of itself: names, errors and what workers wrote are not to be trusted.
func makeSafe(s *monitor.Snapshot) {
	lines := []*string{&s.Pool, &s.Program}
	for i := range s.Workers {
		w := &s.Workers[i]
		lines = append(lines, &w.State, &w.Func)
		for k := range w.Spans {
			lines = append(lines, &w.Spans[k].Func)
		}
	}
	for i := range s.Functions {
		lines = append(lines, &s.Functions[i].Func)
		s.Functions[i].Stages = safeKeys(s.Functions[i].Stages)
	}
	for i := range s.Advice {
		lines = append(lines, &s.Advice[i])
	}
	for _, records := range [][]monitor.Record{s.Failures, s.Slowest} {
		for i := range records {
			r := &records[i]
			lines = append(lines, &r.Func, &r.Arg, &r.Kind, &r.Error)
			r.Stderr, r.Stack = safeText(r.Stderr), safeText(r.Stack)
		}
	}
	for _, line := range lines {
		*line = printable(*line)
	}
}

func safeKeys(m map[string]float64) map[string]float64 {
	safe := make(map[string]float64, len(m))
	for key, value := range m {
		safe[printable(key)] = value
	}
	return safe
}

// safeText makes each line of a text printable. Tabs become blanks, so that a line is as wide as it is long.
func safeText(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = expandTabs(printableLine(strings.TrimSuffix(line, "\r")))
	}
	return strings.Join(lines, "\n")
}

const tabStop = 4

func expandTabs(line string) string {
	if !strings.Contains(line, "\t") {
		return line
	}
	var b strings.Builder
	column := 0
	for _, r := range line {
		n := 1
		if r == '\t' {
			n = tabStop - column%tabStop
			b.WriteString(strings.Repeat(" ", n))
		} else {
			b.WriteRune(r)
		}
		column += n
	}
	return b.String()
}
