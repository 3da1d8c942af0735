package top

import (
	"fmt"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// field is a figure of the head with its name.
type field struct {
	name  string
	value string
}

// leastPart is the number of columns that less of a text is not worth.
const leastPart = 12

// title is the first line: which pool this is, and at its right end what is the matter with the picture.
func (p *picture) title(width int, status string) string {
	room := width - ansi.StringWidth(status) - 1
	name := p.Pool
	if name == "" {
		name = "(no name)"
	}
	line := " " + styleTitle.Render(name)
	more := []string{fmt.Sprintf("pid %d", p.PID)}
	if !p.Began.IsZero() {
		more = append(more, "up "+shortTime(p.Taken.Sub(p.Began).Seconds()))
	}
	for _, text := range append(more, p.Program) {
		left := room - ansi.StringWidth(line) - 2
		if left < min(leastPart, ansi.StringWidth(text)) {
			break
		}
		line += "  " + styleFaint.Render(p.glyphs.clip(text, left))
	}
	return p.glyphs.fit(line, room, false) + " " + status
}

// fields are the figures of the whole pool, the most telling ones first.
func (p *picture) fields(width int) []field {
	q, t, l := p.Queue, p.Totals, p.Latency
	rate := shortRate(p.Rates.Completed)
	if len(p.history) > 1 && width >= 60 {
		rate += " " + styleNote.Render(p.glyphs.sparkline(p.history, min(30, width/5)))
	}
	queue := shortCount(q.Queued) + " waiting, " + shortCount(q.Running) + " running"
	failed := shortCount(t.Failed)
	if t.Failed > 0 {
		failed = styleBad.Render(failed)
	}
	fields := []field{
		{"workers", fmt.Sprintf("%d of %d busy", q.Busy, q.Workers)},
		{"rate", rate},
		{"queue", queue},
		{"done", shortCount(t.Completed)},
		{"failed", failed},
	}
	if l.Count > 0 {
		fields = append(fields, field{"latency", fmt.Sprintf("p50 %s  p90 %s  p99 %s  max %s", shortTime(l.P50), shortTime(l.P90), shortTime(l.P99), shortTime(l.Max))})
	}
	fields = append(fields, field{"restarts", shortCount(t.Restarts)},
		field{"sent", shortBytes(p.Rates.Sent) + "/s"}, field{"received", shortBytes(p.Rates.Received) + "/s"})
	for _, f := range []struct {
		name string
		n    int
	}{{"retried", t.Retried}, {"timed out", t.TimedOut}, {"cancelled", t.Cancelled}, {"renewed", t.Recycles}, {"spares", q.Spares}} {
		if f.n > 0 {
			fields = append(fields, field{f.name, shortCount(f.n)})
		}
	}
	return fields
}

// flow sets fields into lines of at most width columns, as many as there may be. What does not fit is left out.
func (p *picture) flow(fields []field, width, lines int) []string {
	var all []string
	line := ""
	for _, f := range fields {
		text := styleFaint.Render(f.name) + " " + styleBold.Render(f.value)
		switch {
		case line == "":
			line = " " + text
		case ansi.StringWidth(line)+3+ansi.StringWidth(text) <= width:
			line += "   " + text
		case len(all)+1 == lines:
			continue // a shorter one may fit yet
		default:
			all = append(all, p.glyphs.fit(line, width, false))
			line = " " + text
		}
	}
	return append(all, p.glyphs.fit(line, width, false))
}

// head is what stands above the panels.
func (p *picture) head(width, height int, status string) []string {
	lines := 4
	switch {
	case height < 14:
		lines = 1
	case height < 20:
		lines = 2
	case height < 30:
		lines = 3
	}
	return append([]string{p.title(width, status)}, p.flow(p.fields(width), width, lines)...)
}

// ruler is the line above a panel.
func (p *panel) ruler(g glyphs, width int, focused bool, note string) string {
	style, line, lineStyle := styleFaint, g.line, styleFaint
	if focused {
		style, line, lineStyle = styleTitle, g.heavy, styleTitle
	}
	count := " none"
	if p.count > 0 {
		count = " " + shortCount(p.count)
	}
	left := line + " " + p.title + count + " "
	if note != "" {
		note = " " + note + " " + line
	}
	rest := width - ansi.StringWidth(left) - ansi.StringWidth(note)
	if rest < 1 {
		return style.Render(g.fit(left, width, false))
	}
	return style.Render(left) + lineStyle.Render(strings.Repeat(line, rest)) + style.Render(note)
}

// isShown reports whether a panel is worth a line: an empty one is only where that is good news, or where the viewer is.
func (p *panel) isShown(focus section) bool {
	return p.rows() > 0 || p.section == workersSection || p.section == failuresSection || p.section == focus
}

// share divides height lines between panels. The focused one comes first. One that gets a single line shows how many there are of what it has no room for.
func share(panels []*panel, focus section, height int) []int {
	const (
		fewRows = 3
		small   = 12 // lines for which several panels are too many
	)
	got := make([]int, len(panels))
	order := []int{int(focus)}
	for i, p := range panels {
		if i != int(focus) && p.isShown(focus) {
			order = append(order, i)
		}
	}
	give := func(i, n int) {
		n = min(n, height)
		got[i] += n
		height -= n
	}
	least := func(i int) int { return min(panels[i].want(), 1+panels[i].head+fewRows) }
	own := panels[order[0]].want()
	if height >= small {
		own = min(own, max(least(order[0]), height/2))
	}
	give(order[0], own)
	for _, i := range order { // a line for each, if there are so many
		if got[i] == 0 {
			give(i, 1)
		}
	}
	for _, i := range order {
		if more := least(i) - got[i]; more > 0 && more <= height {
			give(i, more)
		}
	}
	for more := true; more && height > 0; {
		more = false
		for _, i := range order {
			// A panel of a single line has its title there: a heading of the table and no row would tell no more.
			if got[i] > 1 && got[i] < panels[i].want() {
				give(i, 1)
				more = true
			}
		}
	}
	return got
}

// hint is a key with what it does.
type hint struct{ key, what string }

// footer is as many hints as there is room for.
func footer(g glyphs, width int, hints []hint) string {
	line := ""
	for _, h := range hints {
		text := styleBold.Render(h.key) + " " + styleFaint.Render(h.what)
		if line != "" {
			text = "  " + text
		}
		if ansi.StringWidth(line)+ansi.StringWidth(text)+1 > width {
			break
		}
		line += text
	}
	return g.fit(" "+line, width, false)
}

// wrapped is text in lines of at most width columns, each padded and in a style.
func wrapped(g glyphs, text string, width int, style lipgloss.Style) (lines []string) {
	for line := range strings.SplitSeq(ansi.Wrap(text, max(1, width-2), " /"), "\n") {
		lines = append(lines, style.Render(g.fit(" "+line, width, false)))
	}
	return lines
}

// rangeText says which rows are shown.
func rangeText(from, to, of int) string { return fmt.Sprintf("%d to %d of %d", from, to, of) }

// capital is a text with its first letter large.
func capital(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
