package top

import (
	"fmt"
	"strconv"

	tea "charm.land/bubbletea/v2"
)

// chooser lists the pools that can be looked at.
func (m *model) chooser(width, height int) []string {
	t := &table[Choice]{glyphs: m.glyphs, columns: choiceColumns(), rows: m.choices, selected: selection{row: m.choice, focused: true}}
	foot := append(m.noticeLines(width), footer(m.glyphs, width, []hint{{"enter", "look at it"}, {"↑↓", "select"}, {"q", "quit"}, {"?", "help"}}))
	lines := []string{styleTitle.Render(m.glyphs.fit(" Which pool?", width, false))}
	room := max(1, height-len(lines)-len(foot)-1)
	from := max(0, m.choice-room+1)
	lines = append(lines, t.lines(width, from, from+room)...)
	for len(lines)+len(foot) < height {
		lines = append(lines, m.glyphs.fit("", width, false))
	}
	return append(lines[:max(0, height-len(foot))], foot...)
}

func (m *model) chooserKey(key string) tea.Cmd {
	switch key {
	case "up":
		m.choice = max(0, m.choice-1)
	case "down":
		m.choice = min(len(m.choices)-1, m.choice+1)
	case "enter":
		return m.open(m.choices[m.choice])
	}
	return nil
}

func choiceColumns() []column[Choice] {
	return []column[Choice]{
		{name: "PID", width: 7, right: true, cell: func(c Choice) string { return strconv.Itoa(c.PID) }},
		{name: "POOL", width: 8, most: 30, cell: func(c Choice) string { return c.Name }},
		{name: "WORKERS", rank: 2, width: 8, cell: func(c Choice) string {
			if c.Err != nil {
				return ""
			}
			return fmt.Sprintf("%d of %d busy", c.Snapshot.Queue.Busy, c.Snapshot.Queue.Workers)
		}},
		{name: "UP", rank: 1, width: 6, right: true, cell: func(c Choice) string {
			if c.Err != nil || c.Snapshot.Began.IsZero() {
				return ""
			}
			return shortTime(c.Snapshot.Taken.Sub(c.Snapshot.Began).Seconds())
		}},
		{name: "PROGRAM", width: 10, flex: true, cell: func(c Choice) string {
			if c.Err != nil {
				return "does not answer: " + c.Err.Error()
			}
			return c.Snapshot.Program
		}},
	}
}

// List is the pools as a table, for a file or a pipe.
func List(pools []Choice, width int) string {
	t := &table[Choice]{glyphs: chooseGlyphs(), columns: choiceColumns(), rows: pools, selected: selection{row: -1}}
	return plainLines(t.lines(width, 0, len(pools)))
}
