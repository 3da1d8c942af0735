package top

import (
	"context"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/procpool/procpool/pool/monitor"
)

// key does what a key asks for.
func (m *model) key(key string) tea.Cmd {
	switch {
	case key == "ctrl+c":
		return tea.Quit
	case key == "ctrl+z":
		return tea.Suspend
	case m.pager != nil:
		if m.pager.key(key, m.pager.body(m.height)) {
			m.pager = nil
		}
		return nil
	case m.confirm != nil:
		return m.confirmKey(key)
	case key == "q":
		return tea.Quit
	case key == "?" || key == "h" || key == "f1":
		m.pager = &pager{title: "procpool top", text: helpText}
		return nil
	case m.status == choosing:
		return m.chooserKey(key)
	case m.shown.Taken.IsZero():
		return nil // there is nothing yet that a key could mean
	}
	if m.status == live { // what is said of an end stays
		m.notice = notice{}
	}
	return m.pictureKey(key)
}

func (m *model) pictureKey(key string) tea.Cmd {
	switch key {
	case "tab", "right":
		m.moveFocus(1)
	case "shift+tab", "left":
		m.moveFocus(-1)
	case "up", "ctrl+p":
		m.move(-1)
	case "down", "ctrl+n":
		m.move(1)
	case "pgup":
		m.move(-m.page())
	case "pgdown":
		m.move(m.page())
	case "home":
		m.move(-1 << 30)
	case "end":
		m.move(1 << 30)
	case "enter":
		m.showDetails()
	case "s", ">":
		m.sortBy(1)
	case "S", "<":
		m.sortBy(-1)
	case "r":
		m.shown.reverse = !m.shown.reverse
	case "space":
		m.pause()
	case "g", "p", "k":
		return m.workerKey(key)
	}
	return nil
}

func (m *model) moveFocus(by section) {
	panels := m.shown.panels(m.width)
	for range panels {
		m.focus = (m.focus + by + sections) % sections
		if m.focus == workersSection || panels[m.focus].rows() > 0 {
			return
		}
	}
}

// move goes to another row of the panel.
func (m *model) move(by int) {
	p := m.shown.panels(m.width)[m.focus]
	if p.rows() == 0 {
		return
	}
	s := &m.spots[m.focus]
	s.find(p.keys)
	s.row = max(0, min(s.row+by, p.rows()-1))
	s.key = p.keys[s.row]
	if s.row == 0 && m.focus != workersSection {
		s.key = "" // what is new comes first: stay there
	}
}

func (m *model) page() int { return max(1, m.height/3) }

func (m *model) pause() {
	m.paused = !m.paused && m.status == live
	if !m.paused {
		m.shown.Snapshot = m.latest
	}
}

// sortBy sorts the workers by another of the columns that are seen.
func (m *model) sortBy(by int) {
	t := &table[monitor.Worker]{glyphs: m.glyphs, columns: workerColumns(m.glyphs), rows: m.shown.Workers}
	columns, _ := t.place(max(m.width, leastWidth))
	now := slices.IndexFunc(columns, func(c placed[monitor.Worker]) bool { return c.name == m.shown.order })
	now = (max(now, 0) + by + len(columns)) % len(columns)
	m.shown.order, m.shown.reverse = columns[now].name, false
	m.notice = notice{text: "The workers are sorted by " + strings.TrimSpace(m.shown.order) + "."}
}

// selectedRow is the row of a panel that the viewer is at; -1 where there is none.
func (m *model) selectedRow(s section) int {
	p := m.shown.panels(m.width)[s]
	if p.rows() == 0 {
		return -1
	}
	m.spots[s].find(p.keys)
	return m.spots[s].row
}

func (m *model) showDetails() {
	row := m.selectedRow(m.focus)
	if row < 0 {
		return
	}
	switch m.focus {
	case workersSection:
		m.pager = workerDetails(m.shown.workers()[row])
	case failuresSection:
		m.pager = failureDetails(m.shown.Failures[row])
	case functionsSection:
		m.pager = functionDetails(m.shown.Functions[row])
	case slowestSection:
		m.pager = slowDetails(m.shown.Slowest[row])
	case adviceSection:
		m.pager = adviceDetails(m.shown.Advice)
	}
}

// workerKey does something with the selected worker.
func (m *model) workerKey(key string) tea.Cmd {
	row := m.selectedRow(workersSection)
	if row < 0 || m.status == ended {
		return nil
	}
	w := m.shown.workers()[row]
	switch {
	case w.Slot < 0:
		m.notice = notice{"A spare has no slot yet: choose another worker.", true}
	case w.PID == 0:
		m.notice = notice{"There is no process in " + slotName(w.Slot) + " now.", true}
	case key == "g":
		return m.askGoroutines(w)
	case key == "p":
		return m.askProfile(w)
	case m.shown.ReadOnly:
		m.notice = notice{"This pool lets nobody kill its workers from here.", true}
	default:
		m.confirm = &kill{slot: w.Slot, pid: w.PID, task: taskName(w.Func, w.Index)}
	}
	return nil
}

func (m *model) askGoroutines(w monitor.Worker) tea.Cmd {
	m.notice = notice{text: fmt.Sprintf("Asking %s (pid %d) for its goroutines ...", slotName(w.Slot), w.PID)}
	ctx, pool := m.ctx, m.pool
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, askTime)
		defer cancel()
		text, err := pool.Goroutines(ctx, w.Slot)
		return goroutinesMsg{w.Slot, text, err}
	}
}

func (m *model) askProfile(w monitor.Worker) tea.Cmd {
	m.notice = notice{text: fmt.Sprintf("Profiling the CPU of %s (pid %d) for %v ...", slotName(w.Slot), w.PID, profileTime)}
	ctx, pool, name := m.ctx, m.pool, m.shown.Pool
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, profileTime+askTime)
		defer cancel()
		data, err := pool.Profile(ctx, w.Slot, profileTime)
		var path string
		if err == nil {
			path, err = keepProfile(data, name, w)
		}
		if err != nil {
			return noticeMsg{fmt.Sprintf("The profile of %s: %v", slotName(w.Slot), err), true}
		}
		return noticeMsg{text: fmt.Sprintf("The CPU profile of %s is in a file. To look at it:\ngo tool pprof %s", slotName(w.Slot), path)}
	}
}

func (k *kill) question() string {
	text := fmt.Sprintf("Kill the worker of slot %d (pid %d)? ", k.slot, k.pid)
	if k.task != "" {
		text += "It runs " + k.task + ", which fails then. "
	}
	return text + "y/n"
}

func (m *model) confirmKey(key string) tea.Cmd {
	k := m.confirm
	switch key {
	case "y", "Y":
		m.confirm = nil
	case "n", "N", "esc", "q":
		m.confirm = nil
		m.notice = notice{text: fmt.Sprintf("The worker of slot %d lives on.", k.slot)}
		return nil
	default:
		return nil
	}
	ctx, pool := m.ctx, m.pool
	return func() tea.Msg {
		if err := pool.Kill(ctx, k.slot, k.pid); err != nil {
			return noticeMsg{fmt.Sprintf("The worker of slot %d was not killed: %v", k.slot, err), true}
		}
		return noticeMsg{text: fmt.Sprintf("Killed pid %d. Slot %d gets another process.", k.pid, k.slot)}
	}
}
