package main

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/procpool/procpool/cmd/procpool/bench"
	"github.com/procpool/procpool/cmd/procpool/numeral"
)

// benchText is a report as tables, for a terminal.
func benchText(r *bench.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", benchMachine(r))
	for i := range r.Sections {
		s := &r.Sections[i]
		fmt.Fprintf(&b, "%s (%s)\n%s\n\n", s.Title, benchUnit(s), benchTable(s))
		if split := splitTable(s); split != "" {
			fmt.Fprintf(&b, "%s: where procpool's time goes\n%s\n\n", s.Title, split)
		}
	}
	b.WriteString("What it says:\n")
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "  - %s\n", f)
	}
	return b.String()
}

// benchMachine says where it was measured and how quiet it was there.
func benchMachine(r *bench.Report) string {
	m := &r.Machine
	facts := []string{numeral.Of(m.CPUs, "CPU")}
	for _, fact := range []string{m.CPU, strings.TrimSpace(m.OS + " " + m.Kernel), m.Arch, m.Go} {
		if fact != "" {
			facts = append(facts, printable(fact))
		}
	}
	if m.Python != "" {
		facts = append(facts, "Python "+printable(m.Python))
	}
	return fmt.Sprintf("%s; %s\n%s; it took %.0f s",
		strings.Join(facts, ", "), numeral.Of(r.Settings.Workers, "worker process"), benchNoise(&r.Noise), r.Seconds)
}

func benchNoise(n *bench.Noise) string {
	text := fmt.Sprintf("%s: equal loops differed by %.0f %% in a moment and %.0f %% over time", n.Verdict, 100*n.Jitter, 100*n.Drift)
	if n.Others >= 0 {
		text += fmt.Sprintf(", others took %.0f %% of the processors", 100*n.Others)
	}
	if n.LoadBefore >= 0 {
		text += fmt.Sprintf(", load %.1f before", n.LoadBefore)
	}
	return text
}

func benchUnit(s *bench.Section) string {
	switch s.Unit {
	case "bytes":
		return "private memory"
	case "ratio":
		return "multiple of the ideal, ± spread"
	}
	return "time for one, ± spread"
}

// benchTable has a line for each contender and a column for each case.
func benchTable(s *bench.Section) string {
	cases := s.Cases()
	w := newTable(append([]string{s.Axis}, cases...)...)
	for _, contender := range s.Contenders() {
		line := table.Row{contender}
		for _, name := range cases {
			line = append(line, benchCell(s, name, contender))
		}
		w.AppendRow(line)
	}
	return w.Render() + benchErrors(s)
}

func benchCell(s *bench.Section, name, contender string) string {
	row := s.Row(name, contender)
	if row == nil {
		return "-"
	}
	value := benchValue(s, row.Median)
	if row.Runs < 2 {
		return value
	}
	return fmt.Sprintf("%s ±%.0f%%", value, 100*row.Spread())
}

func benchValue(s *bench.Section, v float64) string {
	switch s.Unit {
	case "bytes":
		return bench.Size(v)
	case "ratio":
		return fmt.Sprintf("%.2f", v)
	}
	return bench.Span(v)
}

func benchErrors(s *bench.Section) string {
	var b strings.Builder
	for i := range s.Rows {
		if r := &s.Rows[i]; r.Error != "" {
			fmt.Fprintf(&b, "\n%s, %s: %s", r.Contender, r.Case, printable(r.Error))
		}
	}
	return b.String()
}

// stageTexts say what the stages are, in their order.
var stageTexts = map[string]string{
	"encode_arg": "encode argument", "queued": "in the pool's queue", "write": "write to the pipe", "pipe": "pipe, worker wakes up",
	"waiting": "in the worker's queue", "decode_arg": "decode argument", "run": "the function", "encode_result": "encode result",
	"held": "result waits for others", "return": "write, pipe, parent wakes up", "pickup": "caller wakes up", "decode_result": "decode result",
}

// splitTable has a line for each stage and a column for each case.
func splitTable(s *bench.Section) string {
	columns := []string{""}
	var splits []*bench.Split
	for _, name := range s.Cases() {
		if row := s.Row(name, "procpool"); row != nil && row.Split != nil {
			columns = append(columns, name)
			splits = append(splits, row.Split)
		}
	}
	if len(splits) == 0 {
		return ""
	}
	w := newTable(columns...)
	for _, stage := range bench.Stages {
		line := table.Row{stageTexts[stage]}
		for _, split := range splits {
			line = append(line, fmt.Sprintf("%s %3.0f%%", bench.Span(split.Stages[stage]), 100*split.Stages[stage]/max(split.Total, 1)))
		}
		w.AppendRow(line)
	}
	total := table.Row{"all of a timed task"}
	for _, split := range splits {
		total = append(total, bench.Span(split.Total)+"     ")
	}
	w.AppendFooter(total)
	return w.Render()
}
