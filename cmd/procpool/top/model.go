package top

import (
	"context"
	"errors"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/procpool/procpool/pool/monitor"
)

// status is what the picture is worth.
type status int

const (
	choosing   status = iota // which pool
	connecting               // nothing has come yet, or the connection broke and is tried again
	live
	ended // this is the last picture
)

const (
	maxHistory  = 300
	retryAfter  = time.Second
	askTime     = 10 * time.Second // for an answer that a worker has to give
	profileTime = 5 * time.Second
)

// model is all that the picture is drawn from. It is the program's alone: commands get what they need as values.
type model struct {
	ctx    context.Context //nolint:containedctx // of the program: it ends the commands
	width  int
	height int
	glyphs glyphs

	choices []Choice
	choice  int

	pool   Pool
	status status
	shown  picture          // what is looked at; its Taken is zero before the first snapshot
	latest monitor.Snapshot // what has come while it was paused
	paused bool

	focus section
	spots [sections]spot

	pager   *pager // covers the picture
	confirm *kill
	notice  notice
}

// spot is where the viewer is in a panel.
type spot struct {
	key string // of the row; "" is the first, whatever it is
	row int
	top int // the first row shown
}

// kill is what the viewer is to confirm.
type kill struct {
	slot, pid int
	task      string
}

// notice is a line above the keys.
type notice struct {
	text string
	bad  bool
}

func newModel(ctx context.Context, pools []Choice) *model {
	m := &model{ctx: ctx, glyphs: chooseGlyphs(), choices: pools}
	m.shown = picture{glyphs: m.glyphs, order: "SLOT"}
	return m
}

// Messages of commands.
type (
	connectedMsg struct{ stream Stream }
	snapshotMsg  struct {
		stream Stream
		news   News
	}
	retryMsg      struct{}
	brokenMsg     struct{ why string }
	endedMsg      struct{ why string }
	goroutinesMsg struct {
		slot int
		text string
		err  error
	}
	noticeMsg notice
)

// Init looks at the only pool, or has the viewer choose.
func (m *model) Init() tea.Cmd {
	if len(m.choices) == 1 {
		return m.open(m.choices[0])
	}
	return nil
}

func (m *model) open(c Choice) tea.Cmd {
	m.pool, m.status = c.Pool, connecting
	m.shown.PID, m.shown.Pool, m.shown.Program = c.PID, c.Name, c.Snapshot.Program
	return m.connect()
}

// connect waits for the stream of the pool.
func (m *model) connect() tea.Cmd {
	ctx, pool := m.ctx, m.pool
	return func() tea.Msg {
		stream, err := pool.Watch(ctx)
		if err != nil {
			return lost(ctx, pool, err)
		}
		return connectedMsg{stream}
	}
}

// next waits for a snapshot.
func (m *model) next(stream Stream) tea.Cmd {
	ctx, pool := m.ctx, m.pool
	return func() tea.Msg {
		news, err := stream.Next()
		if err != nil {
			stream.Close()
			return lost(ctx, pool, err)
		}
		return snapshotMsg{stream, news}
	}
}

// lost says whether it is worth trying again.
func lost(ctx context.Context, pool Pool, err error) tea.Msg {
	if errors.Is(err, ErrEnded) {
		return endedMsg{err.Error()}
	}
	if why := pool.WhyGone(ctx); why != "" {
		return endedMsg{why}
	}
	return brokenMsg{err.Error()}
}

// Update takes one message.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		return m, m.key(msg.String())
	case connectedMsg:
		return m, m.next(msg.stream)
	case snapshotMsg:
		m.take(msg.news)
		return m, m.next(msg.stream)
	case brokenMsg:
		m.status = connecting
		m.notice = notice{"The connection broke: " + msg.why + ". Trying again ...", true}
		return m, tea.Tick(retryAfter, func(time.Time) tea.Msg { return retryMsg{} })
	case retryMsg:
		return m, m.connect()
	case endedMsg:
		m.end(msg.why)
	case goroutinesMsg:
		m.showGoroutines(msg)
	case noticeMsg:
		m.notice = notice(msg)
	}
	return m, nil
}

// take shows a snapshot, unless the picture is paused.
func (m *model) take(n News) {
	if m.status == connecting {
		m.notice = notice{}
	}
	m.status = live
	m.latest = n.Snapshot
	if n.Past != nil {
		m.shown.history = n.Past
	}
	m.shown.history = append(m.shown.history, n.Snapshot.Rates.Completed)
	m.shown.history = m.shown.history[max(0, len(m.shown.history)-maxHistory):]
	if !m.paused {
		m.shown.Snapshot = n.Snapshot
	}
}

// end keeps the last picture.
func (m *model) end(why string) {
	m.status, m.confirm, m.paused = ended, nil, false
	m.notice = notice{capital(why) + ". q quits.", true}
	if !m.latest.Taken.IsZero() {
		m.shown.Snapshot = m.latest
		m.notice.text = capital(why) + ". This is the last picture of it. q quits."
	}
}

func (m *model) showGoroutines(msg goroutinesMsg) {
	if msg.err != nil {
		m.notice = notice{"The goroutines of " + slotName(msg.slot) + ": " + msg.err.Error(), true}
		return
	}
	m.notice = notice{}
	m.pager = &pager{title: "Goroutines of " + slotName(msg.slot), text: taskFirst(msg.text)}
}

// View draws the model.
func (m *model) View() tea.View {
	v := tea.NewView(strings.Join(m.lines(), "\n"))
	v.AltScreen = true
	return v
}

const (
	leastWidth  = 20
	leastHeight = 6
)

// lines are the picture, each as wide as the terminal and as many as it is high. On one that is too small for any picture it is cut.
func (m *model) lines() []string {
	if m.width <= 0 || m.height <= 0 {
		return nil // the size is not known yet
	}
	width, height := max(m.width, leastWidth), max(m.height, leastHeight)
	lines := m.glyphs.lines(m.draw(width, height))
	for len(lines) < height {
		lines = append(lines, strings.Repeat(" ", width))
	}
	lines = lines[:m.height]
	if m.width < width {
		for i := range lines {
			lines[i] = m.glyphs.fit(lines[i], m.width, false)
		}
	}
	return lines
}

func (m *model) draw(width, height int) []string {
	switch {
	case m.pager != nil:
		return m.pager.view(m.glyphs, width, height)
	case m.status == choosing:
		return m.chooser(width, height)
	}
	lines := m.shown.head(width, height, m.statusText())
	foot := append(m.noticeLines(width), footer(m.glyphs, width, m.hints()))
	if body := height - len(lines) - len(foot); !m.shown.Taken.IsZero() && body > 0 {
		lines = append(lines, m.body(width, body)...)
	}
	for len(lines)+len(foot) < height {
		lines = append(lines, strings.Repeat(" ", width))
	}
	return append(lines[:max(0, height-len(foot))], foot...)
}

func (m *model) statusText() string {
	switch {
	case m.status == connecting:
		return styleWarn.Render("connecting")
	case m.status == ended:
		return styleBad.Render("ended")
	case m.paused:
		return styleWarn.Render("paused")
	}
	return styleGood.Render(m.glyphs.live + " live")
}

func (m *model) noticeLines(width int) []string {
	const most = 4
	var lines []string
	switch {
	case m.confirm != nil:
		lines = wrapped(m.glyphs, m.confirm.question(), width, styleBad.Bold(true))
	case m.notice.text != "" && m.notice.bad:
		lines = wrapped(m.glyphs, m.notice.text, width, styleBad)
	case m.notice.text != "":
		lines = wrapped(m.glyphs, m.notice.text, width, styleNote)
	}
	return lines[:min(len(lines), most)]
}

func (m *model) hints() []hint {
	switch {
	case m.confirm != nil:
		return []hint{{"y", "kill it"}, {"n", "leave it"}}
	case m.status == ended:
		return []hint{{"q", "quit"}, {"?", "help"}, {"tab", "panels"}, {"enter", "details"}}
	}
	return []hint{
		{"q", "quit"}, {"?", "help"}, {"tab", "panels"}, {"enter", "details"}, {"s", "sort"}, {"r", "reverse"}, {"g", "goroutines"}, {"p", "profile"}, {"k", "kill"},
		{"space", "pause"},
	}
}

// body is the panels, apart from each other where there is room for it.
func (m *model) body(width, height int) (lines []string) {
	panels := m.shown.panels(width)
	shares := share(panels, m.focus, height)
	sum, shown := 0, 0
	for _, n := range shares {
		sum += n
		shown += min(n, 1)
	}
	apart := height-sum >= shown
	for i, n := range shares {
		if n > 0 && apart {
			lines = append(lines, strings.Repeat(" ", width))
		}
		if n > 0 {
			lines = append(lines, m.panel(panels[i], width, n)...)
		}
	}
	return lines
}

// panel draws a panel in height lines.
func (m *model) panel(p *panel, width, height int) []string {
	room := height - 1 - p.head
	focused := p.section == m.focus
	if p.rows() == 0 || room < 1 {
		return []string{p.ruler(m.glyphs, width, focused, "")}
	}
	spot := &m.spots[p.section]
	spot.find(p.keys)
	spot.show(room, p.rows())
	note := ""
	if p.rows() > room {
		note = rangeText(spot.top+1, min(spot.top+room, p.rows()), p.rows())
	}
	selected := selection{row: -1}
	if focused || p.section == workersSection {
		selected = selection{row: spot.row, focused: focused}
	}
	return append([]string{p.ruler(m.glyphs, width, focused, note)}, p.draw(width, spot.top, spot.top+room, selected)...)
}

// find has the spot on its row, or where that was if it is gone.
func (s *spot) find(keys []string) {
	if s.key == "" {
		s.row = 0
	}
	for i, key := range keys {
		if key == s.key {
			s.row = i
			return
		}
	}
	s.row = max(0, min(s.row, len(keys)-1))
}

// show scrolls so that the row is among the room rows that are shown.
func (s *spot) show(room, rows int) {
	s.top = max(s.top, s.row-room+1)
	s.top = min(s.top, s.row)
	s.top = max(0, min(s.top, rows-room))
}
