package top

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/procpool/procpool/pool/monitor"
)

// section is a part of the picture below its head.
type section int

const (
	workersSection section = iota
	failuresSection
	functionsSection
	slowestSection
	adviceSection
	sections
)

// panel is a section as it is to be drawn.
type panel struct {
	section section
	title   string
	count   int      // of what it shows
	keys    []string // of its rows, by which the selected one is found again in the next snapshot
	head    int      // lines above the rows
	draw    func(width, from, to int, selected selection) []string
}

func (p *panel) rows() int { return len(p.keys) }

// want is how many lines show all of it.
func (p *panel) want() int {
	if p.rows() == 0 {
		return 1
	}
	return 1 + p.head + p.rows()
}

// picture is a snapshot with how the viewer wants to see it.
type picture struct {
	monitor.Snapshot
	glyphs  glyphs
	history []float64 // of the rate, oldest first
	order   string    // of workers: the name of a column
	reverse bool
}

// panels are the sections, each with what it has to show.
func (p *picture) panels(width int) []*panel {
	return []*panel{p.workersPanel(), p.failuresPanel(), p.functionsPanel(), p.slowestPanel(), p.advicePanel(width)}
}

// workers are in the order that the viewer wants.
func (p *picture) workers() []monitor.Worker {
	rows := slices.Clone(p.Workers)
	sortRows(workerColumns(p.glyphs), rows, p.order, p.reverse)
	return rows
}

func (p *picture) workersPanel() *panel {
	t := &table[monitor.Worker]{glyphs: p.glyphs, columns: workerColumns(p.glyphs), rows: p.workers(), order: p.order, reverse: p.reverse}
	return tablePanel(workersSection, "Workers", t, workerKey)
}

// workerKey tells slots apart, and spares, which have none.
func workerKey(w monitor.Worker) string {
	if w.Slot < 0 {
		return "spare " + strconv.Itoa(w.PID)
	}
	return strconv.Itoa(w.Slot)
}

func (p *picture) failuresPanel() *panel {
	t := &table[monitor.Record]{glyphs: p.glyphs, columns: p.failureColumns(), rows: p.Failures}
	return tablePanel(failuresSection, "Failures", t, recordKey)
}

func (p *picture) slowestPanel() *panel {
	t := &table[monitor.Record]{glyphs: p.glyphs, columns: p.slowestColumns(), rows: p.Slowest}
	return tablePanel(slowestSection, "Slowest tasks", t, recordKey)
}

func recordKey(r monitor.Record) string {
	return fmt.Sprint(r.Ended.UnixNano(), r.Func, r.Index, r.Slot, r.Attempt)
}

func (p *picture) functionsPanel() *panel {
	t := &table[monitor.Function]{glyphs: p.glyphs, columns: functionColumns(), rows: p.Functions}
	return tablePanel(functionsSection, "Functions", t, func(f monitor.Function) string { return f.Func })
}

func tablePanel[T any](s section, title string, t *table[T], key func(T) string) *panel {
	p := &panel{section: s, title: title, count: len(t.rows), head: 1}
	for _, row := range t.rows {
		p.keys = append(p.keys, key(row))
	}
	p.draw = func(width, from, to int, selected selection) []string {
		t.selected = selected
		return t.lines(width, from, to)
	}
	return p
}

func (p *picture) advicePanel(width int) *panel {
	var lines []string
	for _, text := range p.Advice {
		for i, line := range strings.Split(ansi.Wrap(text, max(10, width-4), " "), "\n") {
			mark := "  "
			if i == 0 {
				mark = p.glyphs.bullet + " "
			}
			lines = append(lines, mark+line)
		}
	}
	a := &panel{section: adviceSection, title: "Advice", count: len(p.Advice)}
	for i := range lines {
		a.keys = append(a.keys, strconv.Itoa(i))
	}
	a.draw = func(width, from, to int, selected selection) (drawn []string) {
		for i := from; i < min(to, len(lines)); i++ {
			if i == selected.row {
				drawn = append(drawn, styleSelected.Render(p.glyphs.fit(p.glyphs.cursor+lines[i], width, false)))
			} else {
				drawn = append(drawn, p.glyphs.fit(" "+lines[i], width, false))
			}
		}
		return drawn
	}
	return a
}

// legend says what the bars of the workers are made of.
func legend(g glyphs) string {
	return styleGood.Render(g.work) + styleFaint.Render("work ") + styleWarn.Render(g.wait) + styleFaint.Render("wait "+g.idle+"idle")
}

func workerColumns(g glyphs) []column[monitor.Worker] {
	type W = monitor.Worker
	return []column[W]{
		{name: "SLOT", right: true, less: ascending(slotOrder), cell: func(w W) string {
			if w.Slot < 0 {
				return "spare"
			}
			return strconv.Itoa(w.Slot)
		}},
		{name: "PID", rank: 1, width: 5, right: true, less: ascending(func(w W) int { return w.PID }), cell: ofProcess(func(w W) string { return strconv.Itoa(w.PID) })},
		{name: "STATE", width: 8, less: ascending(func(w W) string { return w.State }), cell: func(w W) string { return w.State }, style: func(w W) lipgloss.Style { return stateStyle(w.State) }},
		{name: "TASK", width: 8, most: 60, flex: true, less: ascending(func(w W) string { return w.Func }), cell: func(w W) string { return taskName(w.Func, w.Index) }},
		{name: "FOR", width: 6, right: true, less: descending(lasting), cell: func(w W) string { return shortTime(lasting(w)) }},
		{name: "DONE", rank: 2, width: 6, right: true, less: descending(func(w W) int { return w.Tasks }), cell: ofProcess(func(w W) string { return shortCount(w.Tasks) })},
		{name: "CPU%", rank: 3, width: 5, right: true, less: descending(cpuOrder), cell: ofProcess(func(w W) string { return cpuText(w, "") })},
		{name: "RSS", rank: 5, width: 6, right: true, less: descending(func(w W) int64 { return w.RSS }), cell: ofProcess(func(w W) string { return knownBytes(w.RSS) })},
		{name: "RESTARTS", rank: 4, right: true, less: descending(func(w W) int { return w.Restarts }), cell: func(w W) string { return shortCount(w.Restarts) }, style: func(w W) lipgloss.Style {
			if w.Restarts > 0 {
				return styleWarn
			}
			return stylePlain
		}},
		{name: g.work + "work " + g.wait + "wait " + g.idle + "idle", title: legend(g), rank: 6, less: descending(workShare), paint: func(w W, width int) string {
			return bar([]part{{w.Time.Working, g.work, styleGood}, {w.Time.Waiting, g.wait, styleWarn}, {w.Time.Idle, g.idle, styleFaint}}, width)
		}},
	}
}

// ofProcess is a cell that is empty while there is no process.
func ofProcess(cell func(monitor.Worker) string) func(monitor.Worker) string {
	return func(w monitor.Worker) string {
		if w.PID == 0 {
			return ""
		}
		return cell(w)
	}
}

// cpuText is how much of a processor a worker has used lately, in percent; a dash until that is known.
func cpuText(w monitor.Worker, unit string) string {
	if w.CPUShare == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f", 100**w.CPUShare) + unit
}

// cpuOrder has those of which nothing is known behind those that did nothing.
func cpuOrder(w monitor.Worker) float64 {
	if w.CPUShare == nil {
		return -1
	}
	return *w.CPUShare
}

// slotOrder has the spares last.
func slotOrder(w monitor.Worker) int {
	if w.Slot < 0 {
		return 1<<31 - 1
	}
	return w.Slot
}

// lasting is how long a worker has been at what it does.
func lasting(w monitor.Worker) float64 {
	if w.State == "busy" {
		return w.TaskTime // which is young where many tasks have followed each other
	}
	return w.Since
}

func workShare(w monitor.Worker) float64 {
	if sum := w.Time.Working + w.Time.Waiting + w.Time.Idle; sum > 0 {
		return w.Time.Working / sum
	}
	return 0
}

func (p *picture) failureColumns() []column[monitor.Record] {
	type R = monitor.Record
	return []column[R]{
		{name: "AGO", width: 6, right: true, cell: p.ago},
		{name: "TASK", width: 8, most: 30, cell: func(r R) string { return taskName(r.Func, r.Index) }},
		{name: "SLOT", rank: 3, right: true, cell: func(r R) string { return strconv.Itoa(r.Slot) }},
		{name: "KIND", rank: 2, width: 8, cell: func(r R) string { return r.Kind }, style: func(R) lipgloss.Style { return styleBad }},
		{name: "CAUSE", width: 12, flex: true, cell: func(r R) string { return r.Error }},
	}
}

func (p *picture) slowestColumns() []column[monitor.Record] {
	type R = monitor.Record
	return []column[R]{
		{name: "RAN", width: 6, right: true, cell: func(r R) string { return shortTime(r.Exec) }},
		{name: "TASK", width: 8, most: 30, cell: func(r R) string { return taskName(r.Func, r.Index) }},
		{name: "SLOT", rank: 3, right: true, cell: func(r R) string { return strconv.Itoa(r.Slot) }},
		{name: "AGO", rank: 2, width: 6, right: true, cell: p.ago},
		{name: "ARGUMENT", width: 9, flex: true, cell: func(r R) string { return r.Arg }},
	}
}

// ago is how long before the snapshot a task ended.
func (p *picture) ago(r monitor.Record) string {
	return shortTime(max(0, p.Taken.Sub(r.Ended).Seconds()))
}

func functionColumns() []column[monitor.Function] {
	type F = monitor.Function
	seconds := func(name string, rank int, of func(F) float64) column[F] {
		return column[F]{name: name, rank: rank, width: 6, right: true, cell: func(f F) string { return shortTime(of(f)) }}
	}
	return []column[F]{
		{name: "FUNCTION", width: 10, most: 40, flex: true, cell: func(f F) string { return f.Func }},
		{name: "TASKS", width: 6, right: true, cell: func(f F) string { return shortCount(f.Tasks) }},
		{name: "FAILED", rank: 1, right: true, cell: func(f F) string { return shortCount(f.Failed) }, style: func(f F) lipgloss.Style {
			if f.Failed > 0 {
				return styleBad
			}
			return stylePlain
		}},
		seconds("RUN p50", 2, func(f F) float64 { return f.Run.P50 }),
		seconds("p99", 3, func(f F) float64 { return f.Run.P99 }),
		seconds("max", 6, func(f F) float64 { return f.Run.Max }),
		seconds("QUEUE p50", 5, func(f F) float64 { return f.Queue.P50 }),
		seconds("TRANSFER p50", 7, func(f F) float64 { return f.Transfer.P50 }),
		seconds("RUN in all", 4, func(f F) float64 { return f.Exec }),
	}
}
