package top

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// pager is a text that takes the whole picture until it is closed.
type pager struct {
	title string
	text  string
	top   int // the first line shown

	width int      // that lines were made for
	lines []string // of text, wrapped
}

// wrap makes lines for a width. Where it changes, the same part of the text stays in view.
func (p *pager) wrap(width int) {
	if p.width == width {
		return
	}
	if p.width > 0 && len(p.lines) > 0 {
		defer func(old int) { p.top = p.top * len(p.lines) / old }(len(p.lines))
	}
	p.width = width
	p.lines = strings.Split(ansi.Hardwrap(strings.TrimRight(p.text, "\n"), max(1, width-2), true), "\n")
}

// scroll moves by n lines, as far as the text goes.
func (p *pager) scroll(n, height int) {
	p.top = max(0, min(p.top+n, len(p.lines)-height))
}

// key moves in the text, and reports whether it is to be closed.
func (p *pager) key(key string, height int) (closed bool) {
	switch key {
	case "up":
		p.scroll(-1, height)
	case "down", "enter":
		p.scroll(1, height)
	case "pgup", "b":
		p.scroll(-height, height)
	case "pgdown", "space":
		p.scroll(height, height)
	case "home":
		p.top = 0
	case "end":
		p.scroll(len(p.lines), height)
	case "esc", "q", "left", "backspace":
		return true
	}
	return false
}

// view is the text in height lines, its title and its keys included.
func (p *pager) view(g glyphs, width, height int) []string {
	p.wrap(width)
	body := p.body(height)
	p.scroll(0, body)
	last := min(p.top+body, len(p.lines))
	where := fmt.Sprintf("lines %d to %d of %d", p.top+1, last, len(p.lines))
	lines := []string{styleTitle.Render(g.fit(" "+p.title, width, false))}
	for _, line := range p.lines[p.top:last] {
		lines = append(lines, g.fit(" "+line, width, false))
	}
	for len(lines) < height-1 {
		lines = append(lines, strings.Repeat(" ", width))
	}
	return append(lines, footer(g, width, []hint{{"esc", "back"}, {"↑↓", "scroll"}, {"space", "page"}, {where, ""}}))
}

// body is how many lines of the text are shown.
func (p *pager) body(height int) int { return max(1, height-2) }
