package bench

import (
	_ "embed" // the page
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"

	"github.com/procpool/procpool/internal/echarts"
)

var (
	//go:embed page/page.html
	pageHTML string
	//go:embed page/page.css
	pageCSS string
	//go:embed page/page.js
	pageJS string
)

// page is what the template shows.
type page struct {
	Report     *Report
	Machine    string
	Workers    string
	Started    string
	Seconds    string
	Noise      string
	NoiseClass string
	Cards      []card
	Sections   []pageSection

	CSS         template.CSS
	JS, ECharts template.JS
}

// card is one figure that is worth a large font.
type card struct{ Value, Text string }

type pageSection struct {
	Name, Title, About, Axis string
	Charts                   []chart
	Columns                  []string
	Lines                    []pageLine
	Errors                   []string
	SplitColumns             []string
	Split                    []pageLine
}

type pageLine struct {
	Name  string
	Cells []pageCell
}

type pageCell struct{ Value, Spread string }

// chart is a place in the page where page.js draws, and how to read what is there.
type chart struct {
	ID, Title, Read string
	Key             []keyEntry
}

// keyEntry explains a colour, by the name of its variable.
type keyEntry struct {
	Colour template.CSS
	Text   string
}

var places = []keyEntry{{"--parent", "in the calling process"}, {"--between", "between the processes"}, {"--worker", "in the worker"}}

// charts of the sections.
var charts = map[string][]chart{
	"roundtrip": {
		{"roundtrip-timeline", "One call, from left to right", "Each bar begins where the one above it ends; all of them together are the round trip. Most of it is not work but waiting " +
			"for the system to wake up the process, or the goroutine, that goes on.", places},
		{"roundtrip-bars", "The same beside others", "Time for one there and back; shorter is better. Each line on the scale is ten times the one before.", nil},
	},
	"pays": {{"pays-lines", "Speed beside a plain loop, by the work in a task", "Above the grey line it is faster than a plain loop in one goroutine, below it is slower. " +
		"“procpool” is a Map over all workers, “procpool Call” one call after the other. To the right, where a task takes long, what it costs to send it no longer matters: what works side by side ends near the number of processors, and one call after the other near the plain loop.", nil}},
	"batch": {
		{"batch-lines", "Time for one tiny task", "Lower is better. On the left each task travels alone; towards the right many share the cost of a message. “Untuned” is what each does by itself.", nil},
		{"batch-shares", "Where the time of a task goes", "As parts of the way of one task. In a large batch a task mostly waits for the others of its batch, which is no loss: they are done meanwhile.", nil},
	},
	"payload": {
		{"payload-lines", "Time for one there and back, by size", "Lower is better; each line on the scale is ten times the one before. Small values all cost the same: a round trip. From some size on the copying counts.", nil},
		{"payload-shares", "Where the time goes", "As parts of the round trip.", nil},
	},
	"records": {{"records-bars", "Time for one record", "Shorter is better. Each line on the scale is ten times the one before.", nil}},
	"cpu":     {{"cpu-lines", "How many times as fast as one goroutine", "The dashed line is what the processors here allow.", nil}},
	"skew":    {{"skew-bars", "Time until all are done, beside a perfect queue", "1 is perfect.", nil}},
	"start":   {{"start-bars", "Time from nothing to the first result, and the end", "Shorter is better.", nil}},
	"memory":  {{"memory-bars", "Memory that a worker has for itself", "Shorter is better.", nil}},
}

// stageTexts say what Stages are.
var stageTexts = []string{
	"encode the argument", "in the pool's queue", "write to the pipe", "the pipe, until the worker has read it",
	"in the worker's queue", "decode the argument", "the function", "encode the result",
	"result waits for others", "write and pipe, until the parent has read it", "until the caller has woken up", "decode the result",
}

// WriteHTML writes one page that needs nothing else: no network, no other file.
func (r *Report) WriteHTML(w io.Writer) error {
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return err
	}
	return t.Execute(w, &page{
		Report: r, Machine: r.Machine.text(), Workers: workers(r.Settings.Workers),
		Started: r.Started.Format("2006-01-02 15:04 MST"), Seconds: fmt.Sprintf("%.0f", r.Seconds),
		Noise: r.Noise.text(), NoiseClass: strings.Fields(r.Noise.Verdict + " quiet")[0],
		Cards: r.cards(), Sections: r.pageSections(),
		CSS: template.CSS(pageCSS), JS: template.JS(pageJS), ECharts: template.JS(echarts.Script), //nolint:gosec // they are ours, and not the user's
	})
}

func (m *Machine) text() string {
	facts := []string{fmt.Sprintf("%d processors", m.CPUs)}
	if m.Memory > 0 {
		facts = append(facts, Size(float64(m.Memory)))
	}
	for _, fact := range []string{m.CPU, strings.TrimSpace(m.OS + " " + m.Kernel), m.Arch, m.Go} {
		if fact != "" {
			facts = append(facts, fact)
		}
	}
	if m.Python != "" {
		facts = append(facts, "Python "+m.Python)
	}
	return strings.Join(facts, ", ")
}

func (n *Noise) text() string {
	text := fmt.Sprintf("Equal busy loops differed by %.0f %% within a moment, and by %.0f %% over the minutes", 100*n.Jitter, 100*n.Drift)
	if n.Others >= 0 {
		text += fmt.Sprintf("; other programs took %.0f %% of the processors", 100*n.Others)
	}
	text += "."
	switch n.Verdict {
	case "quiet":
		text += " The figures can be taken as they are."
	case "some noise":
		text += " Small differences mean nothing."
	default:
		text += " Read the ratios rather than the figures, and measure again when the machine is quieter."
	}
	return text
}

func (r *Report) cards() (cards []card) {
	add := func(value, text string) { cards = append(cards, card{value, text}) }
	if row := r.Section("roundtrip").Row("an int, one at a time", procpool); row != nil {
		add(Span(row.Median), "for one call to a worker and back")
	}
	if p := r.Pays; p != nil {
		switch {
		case p.Loop > 0:
			add(Span(p.Loop), "of work in a task: below that, processes do not pay on this machine")
		case p.Loop < 0:
			add("–", "at no task time that was measured was a pool faster than a plain loop")
		}
	}
	if row := r.Section("batch").Row("untuned", procpool); row != nil {
		add(Rate(row.Median), "tiny tasks, when many travel together")
	}
	if row := r.Section("payload").Row("1 MiB", procpool); row != nil {
		add(Bandwidth(row), "each way, for values of 1 MiB")
	}
	if row := r.Section("start").Row("first result", procpool); row != nil {
		add(Span(row.Median), "from nothing to the first result")
	}
	if row := r.Section("memory").Row("fresh", procpool); row != nil {
		add(Size(row.Median), "of memory for each worker")
	}
	return cards
}

func (r *Report) pageSections() (all []pageSection) {
	for i := range r.Sections {
		s := &r.Sections[i]
		p := pageSection{Name: s.Name, Title: s.Title, About: s.About, Axis: s.Axis, Columns: s.Cases()}
		if len(s.Rows) > 0 {
			p.Charts = s.drawable()
		}
		for _, contender := range s.Contenders() {
			p.Lines = append(p.Lines, s.line(contender, p.Columns))
		}
		for j := range s.Rows {
			if row := &s.Rows[j]; row.Error != "" {
				p.Errors = append(p.Errors, fmt.Sprintf("%s, %s: %s", row.Contender, row.Case, row.Error))
			}
		}
		p.SplitColumns, p.Split = s.splits()
		all = append(all, p)
	}
	return all
}

// drawable are the charts of a section for which there are figures.
func (s *Section) drawable() (some []chart) {
	columns, _ := s.splits()
	for _, c := range charts[s.Name] {
		if len(columns) > 0 || !strings.HasSuffix(c.ID, "-timeline") && !strings.HasSuffix(c.ID, "-shares") {
			some = append(some, c)
		}
	}
	return some
}

func (s *Section) line(contender string, cases []string) pageLine {
	line := pageLine{Name: contender}
	for _, name := range cases {
		row := s.Row(name, contender)
		switch {
		case row == nil:
			line.Cells = append(line.Cells, pageCell{Value: "–"})
		case row.Runs < 2:
			line.Cells = append(line.Cells, pageCell{Value: s.text(row.Median)})
		default:
			line.Cells = append(line.Cells, pageCell{s.text(row.Median), fmt.Sprintf("%.0f %%", math.Round(100*row.Spread()))})
		}
	}
	return line
}

// text is a figure in the unit of the section.
func (s *Section) text(v float64) string {
	switch s.Unit {
	case "bytes":
		return Size(v)
	case "ratio":
		return fmt.Sprintf("%.2f ×", v)
	}
	return Span(v)
}

// splits are the splits of procpool's rows, a line for each stage.
func (s *Section) splits() (columns []string, lines []pageLine) {
	var all []*Split
	for _, name := range s.Cases() {
		if row := s.Row(name, procpool); row != nil && row.Split != nil && row.Split.Total > 0 {
			columns = append(columns, name)
			all = append(all, row.Split)
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	for i, stage := range Stages {
		line := pageLine{Name: stageTexts[i]}
		for _, split := range all {
			d := split.Stages[stage]
			line.Cells = append(line.Cells, pageCell{Span(d), fmt.Sprintf("%.0f %%", 100*d/split.Total)})
		}
		lines = append(lines, line)
	}
	total := pageLine{Name: "all of it"}
	for _, split := range all {
		total.Cells = append(total.Cells, pageCell{Span(split.Total), ""})
	}
	return columns, append(lines, total)
}
