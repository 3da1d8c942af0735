// Package top is the live view of a pool on a terminal.
//
// It is a model in the sense of the library that it is built on: messages come in one at a time (keys, snapshots, answers) and change it, and the picture is
// drawn from it alone. What takes time is done by commands, on goroutines of the library, which send a message when they are done.
package top

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/procpool/procpool/pool/monitor"
)

// Pool is a pool to look at. All text that it returns must be safe to show on a terminal.
type Pool interface {
	Watch(ctx context.Context) (Stream, error)
	Goroutines(ctx context.Context, slot int) (string, error)
	Profile(ctx context.Context, slot int, d time.Duration) ([]byte, error)
	Kill(ctx context.Context, slot, pid int) error
	WhyGone(ctx context.Context) string // after its stream has ended: in words, or "" if it is still there
}

// ErrEnded is what a stream ends with when the pool has said that it ends.
var ErrEnded = errors.New("the pool has ended")

// Stream is what a pool tells of itself, about once a second.
type Stream interface {
	Next() (News, error)
	Close()
}

// News is a snapshot, the first one with what was before.
type News struct {
	Snapshot monitor.Snapshot
	Past     []float64 // tasks per second, a value for each second, oldest first
}

// Choice is a pool that can be looked at.
type Choice struct {
	Pool     Pool
	Name     string
	PID      int
	Snapshot monitor.Snapshot
	Err      error // why there is no snapshot
}

// Run shows one of the pools on a terminal until the viewer quits or ctx ends, whose error is returned then. Of several the viewer chooses one. The terminal is
// left as it was found, also after a panic.
func Run(ctx context.Context, in io.Reader, out io.Writer, pools []Choice) error {
	viewing, cancel := context.WithCancel(ctx)
	defer cancel() // what commands still wait for
	m := newModel(viewing, pools)
	// The caller has the signals.
	p := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler())
	_, err := p.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, tea.ErrProgramPanic) {
		return fmt.Errorf("procpool: top has a bug, which is told above: %w", err)
	}
	return err
}

// Plain is a snapshot as text for a file or a pipe: all that the picture shows, whatever its height, without colours.
func Plain(s monitor.Snapshot, width int) string {
	p := &picture{Snapshot: s, glyphs: chooseGlyphs(), order: "SLOT"}
	lines := append([]string{p.title(width, "")}, p.flow(p.fields(width), width, len(p.fields(width)))...)
	for _, panel := range p.panels(width) {
		if !panel.isShown(workersSection) {
			continue
		}
		lines = append(lines, "", panel.ruler(p.glyphs, width, false, ""))
		if panel.rows() > 0 {
			lines = append(lines, panel.draw(width, 0, panel.rows(), selection{row: -1})...)
		}
	}
	return plainLines(p.glyphs.lines(lines))
}

func plainLines(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(strings.TrimRight(ansi.Strip(line), " ") + "\n")
	}
	return b.String()
}
