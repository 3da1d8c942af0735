package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// A setting is one way to run all tests.
type setting struct {
	title string
	env   []string
}

const head = `# Faults

What can go wrong in a pool of processes, the tests that make it go wrong, and what they found when they were run last. ` + "`make faults`" + ` runs
them and writes this file; only the lists of faults and of reasons, in internal/faults/table, are written by hand. Rows S are attacks by
a worker on its parent.

All runs are under the race detector, on %s.

| row | fault | test |%s
|--:|---|---|%s
`

const tail = `
## Not tested

| row | fault | reason |
|--:|---|---|
`

// render writes the tables.
func render(w io.Writer, system string, rows []*row, settings []setting, runs []run) {
	var titles strings.Builder
	for _, s := range settings {
		titles.WriteString(" " + s.title + " |")
	}
	fmt.Fprintf(w, head, system, titles.String(), strings.Repeat("---|", len(settings)))
	notes := &footnotes{}
	for _, r := range rows {
		for _, line := range r.lines() {
			fmt.Fprintf(w, "| %s | %s | %s |", r.id, line.fault, line.proof)
			for i := range settings {
				fmt.Fprintf(w, " %s |", line.cell(runs[i], notes))
			}
			fmt.Fprintln(w)
		}
	}
	notes.render(w)
	fmt.Fprint(w, tail)
	for _, r := range rows {
		if r.reason != "" {
			fmt.Fprintf(w, "| %s | %s | %s |\n", r.id, r.fault, r.reason)
		}
	}
}

// A line is one test of a row, or its reference to other rows.
type line struct {
	fault, proof string
	test         *test // nil for a reference
}

// lines are what a row takes in the table; the first names the fault.
func (r *row) lines() (lines []line) {
	for i := range r.tests {
		lines = append(lines, line{proof: short(r.tests[i]), test: &r.tests[i]})
	}
	if len(r.alike) > 0 && r.reason == "" {
		lines = append(lines, line{proof: "those of " + strings.Join(r.alike, ", ")})
	}
	if len(lines) > 0 {
		lines[0].fault = r.fault
	}
	return lines
}

// short names a test with its package, unless that is the usual one.
func short(t test) string { return strings.TrimPrefix(t.String(), "internal/faults.") }

func (l line) cell(r run, notes *footnotes) string {
	if l.test == nil {
		return ""
	}
	result, ok := r.results[*l.test]
	if !ok {
		return "**not run**"
	}
	text := string(result.verdict)
	if result.verdict == fail {
		text = "**fail**"
	}
	for _, reason := range result.skips {
		text += fmt.Sprintf(" [%d]", notes.number(reason))
	}
	return text
}

// footnotes are numbered in the order in which they are first used.
type footnotes struct{ texts []string }

func (f *footnotes) number(text string) int {
	i := slices.Index(f.texts, text)
	if i < 0 {
		i = len(f.texts)
		f.texts = append(f.texts, text)
	}
	return i + 1
}

func (f *footnotes) render(w io.Writer) {
	if len(f.texts) > 0 {
		fmt.Fprintln(w, "\nSkipped:")
	}
	for i, text := range f.texts {
		fmt.Fprintf(w, "\n%d. %s", i+1, text)
	}
	if len(f.texts) > 0 {
		fmt.Fprintln(w)
	}
}

// listing is what a file of tables says of which row is proven by what, or why by nothing.
func listing(text string) (lines []string) {
	for row := range strings.Lines(text) {
		cells := strings.Split(row, "|")
		if len(cells) < 5 || strings.TrimSpace(cells[1]) == "row" || strings.HasPrefix(cells[1], "--") {
			continue
		}
		lines = append(lines, strings.TrimSpace(cells[1])+": "+strings.TrimSpace(cells[3]))
	}
	return lines
}
