package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// report is what one run has found.
type report struct {
	Machine  machine   `json:"machine"`
	Noise    noise     `json:"noise"`
	Quick    bool      `json:"quick"`
	Seconds  float64   `json:"seconds"`
	Findings []finding `json:"findings"`
}

// failed reports whether a row could not be measured.
func (r *report) failed() bool {
	return slices.ContainsFunc(r.Findings, func(f finding) bool { return f.failed })
}

func (r *report) write(out io.Writer, o options) error {
	if o.json {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	m := r.Machine
	fmt.Fprintf(out, "%s, %d cores, %s, %s, Python %s, GOGC %s; load before: %s\n", m.CPU, m.Cores, m.Kernel, m.Go, m.Python, m.GOGC, m.Load)
	fmt.Fprintf(out, "noise: %s\n", &r.Noise)
	fmt.Fprintf(out, "2 workers; medians with their 95 %% intervals; %.0f s in all", r.Seconds)
	if r.Quick {
		fmt.Fprint(out, "; -quick: three rounds of less work, the intervals are all that was seen")
	}
	fmt.Fprint(out, "\n\n")
	t, notes := r.table()
	if o.markdown {
		fmt.Fprintln(out, t.RenderMarkdown())
	} else {
		fmt.Fprintln(out, t.Render())
	}
	for i, note := range notes {
		fmt.Fprintf(out, "[%d] %s\n", i+1, note)
	}
	return nil
}

// table returns the table, and the notes that it refers to.
func (r *report) table() (t table.Writer, notes []string) {
	t = table.NewWriter()
	t.AppendHeader(table.Row{"work", "procpool", "against", "theirs", "figure", "target", "met"})
	for _, f := range r.Findings {
		met := f.Met
		if f.Note != "" {
			notes = append(notes, f.Note)
			met += fmt.Sprintf(" [%d]", len(notes))
		}
		var target string
		if f.Target != nil {
			target = f.Target.String()
		}
		t.AppendRow(table.Row{f.Work, f.Ours, f.Against, f.Theirs, f.Figure.spread(), target, met})
	}
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	return t, notes
}
