package top

import (
	"os"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// The styles of top. They use the sixteen colours that every terminal has and that its theme makes readable, never black or white, and mean nothing that the
// text does not say too: with NO_COLOR bold, faint and reverse are left.
var (
	styleBold     = lipgloss.NewStyle().Bold(true)
	styleFaint    = lipgloss.NewStyle().Faint(true)
	styleGood     = lipgloss.NewStyle().Foreground(lipgloss.Green)
	styleNote     = lipgloss.NewStyle().Foreground(lipgloss.Cyan)
	styleWarn     = lipgloss.NewStyle().Foreground(lipgloss.Yellow)
	styleBad      = lipgloss.NewStyle().Foreground(lipgloss.Red)
	styleTitle    = lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Blue)
	styleSelected = lipgloss.NewStyle().Reverse(true)
	stylePlain    = lipgloss.NewStyle()
)

// stateStyle is the style of a worker in a state.
func stateStyle(state string) lipgloss.Style {
	switch state {
	case "busy":
		return styleGood
	case "starting", "stopping", "spare":
		return styleNote
	case "backoff":
		return styleWarn
	case "broken":
		return styleBad
	}
	return styleFaint
}

// glyphs are the signs that are not letters.
type glyphs struct {
	spark                  string // from nothing to all
	work, wait, idle       string // of a bar
	line, heavy, more      string // heavy is where the viewer is
	cursor, up, down, live string
	bullet                 string
	plain                  bool // only ASCII is understood
}

var (
	unicodeGlyphs = glyphs{spark: "▁▂▃▄▅▆▇█", work: "█", wait: "▒", idle: "·", line: "─", heavy: "━", more: "…", cursor: "›", up: "▲", down: "▼", live: "●", bullet: "•"}
	asciiGlyphs   = glyphs{spark: "_.:-=+*#", work: "#", wait: "=", idle: ".", line: "-", heavy: "=", more: "~", cursor: ">", up: "^", down: "v", live: "*", bullet: "*", plain: true}
)

// chooseGlyphs takes plain ones only where the locale says that others are not understood.
func chooseGlyphs() glyphs {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := strings.ToUpper(os.Getenv(name)); value != "" {
			if strings.Contains(value, "UTF-8") || strings.Contains(value, "UTF8") {
				return unicodeGlyphs
			}
			return asciiGlyphs
		}
	}
	return unicodeGlyphs
}

// inASCII has signs in the place of those that are typed in texts, of the same width.
var inASCII = strings.NewReplacer("µ", "u", "↑", "^", "↓", "v")

// lines are lines as the locale understands them.
func (g glyphs) lines(lines []string) []string {
	if g.plain {
		for i := range lines {
			lines[i] = inASCII.Replace(lines[i])
		}
	}
	return lines
}

// clip is s in at most width columns, marked where it was cut.
func (g glyphs) clip(s string, width int) string {
	return ansi.Truncate(s, max(0, width), g.more)
}

// fit is s in exactly width columns.
func (g glyphs) fit(s string, width int, right bool) string {
	s = g.clip(s, width)
	pad := strings.Repeat(" ", max(0, width-ansi.StringWidth(s)))
	if right {
		return pad + s
	}
	return s + pad
}

// sparkline draws the last values, as many as there is room for.
func (g glyphs) sparkline(values []float64, width int) string {
	values = values[max(0, len(values)-width):]
	var most float64
	for _, v := range values {
		most = max(most, v)
	}
	levels := []rune(g.spark)
	var b strings.Builder
	for _, v := range values {
		level := 0
		if most > 0 && v > 0 {
			level = min(len(levels)-1, 1+int(v/most*float64(len(levels)-2)))
		}
		b.WriteRune(levels[level])
	}
	return b.String()
}

// part is a stretch of a bar.
type part struct {
	amount float64
	sign   string
	style  lipgloss.Style
}

// bar divides width between parts by their amounts. Each column goes to the part that its middle is in.
func bar(parts []part, width int) string {
	var sum float64
	for _, p := range parts {
		sum += max(0, p.amount)
	}
	if sum <= 0 {
		return strings.Repeat(" ", width)
	}
	var b strings.Builder
	from, end := 0, 0.0
	for _, p := range parts {
		end += max(0, p.amount)
		to := min(width, int(end/sum*float64(width)+0.5))
		b.WriteString(p.style.Render(strings.Repeat(p.sign, to-from)))
		from = to
	}
	return b.String()
}
