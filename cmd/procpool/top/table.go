package top

import (
	"cmp"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// column is a column of a table of rows T. Columns whose rank is high give way first where there is no room; those of rank 0 never do.
type column[T any] struct {
	name  string
	title string // the name in colours; "" is faint
	rank  int
	width int                 // at the least, so that the table does not shake as figures change
	most  int                 // at the most; 0 is as wide as its cells
	flex  bool                // takes what is left over
	right bool                // figures
	cell  func(T) string      //
	paint func(T, int) string // a cell of that width that styles itself, in the place of cell
	style func(T) lipgloss.Style
	less  func(a, b T) int // the order of rows that makes sense first; nil where there is none
}

// placed is a column with the width that it got.
type placed[T any] struct {
	column[T]
	got int
}

// table is rows in columns, one of which is the order, and one row of which may be selected.
type table[T any] struct {
	glyphs   glyphs
	columns  []column[T]
	rows     []T
	order    string // the name of the column that the rows are sorted by
	reverse  bool
	selected selection
}

// selection is the row that the viewer is at.
type selection struct {
	row     int // -1 for none
	focused bool
}

// sortRows sorts by the column of that name.
func sortRows[T any](columns []column[T], rows []T, order string, reverse bool) {
	for _, c := range columns {
		if c.name == order && c.less != nil {
			slices.SortStableFunc(rows, func(a, b T) int {
				if reverse {
					return c.less(b, a)
				}
				return c.less(a, b)
			})
		}
	}
}

// place gives columns their widths and leaves out those that there is no room for.
func (t *table[T]) place(width int) (all []placed[T], gap int) {
	gap = 1
	if width >= 100 {
		gap = 2
	}
	for _, c := range t.columns {
		all = append(all, placed[T]{c, t.natural(c)})
	}
	for {
		need := 1 + gap*(len(all)-1) // the cursor's column
		last := -1
		for i, c := range all {
			if c.flex {
				need += c.width
			} else {
				need += c.got
			}
			if c.rank > 0 && (last < 0 || c.rank >= all[last].rank) {
				last = i
			}
		}
		if need <= width || last < 0 {
			return spread(all, width-need), gap
		}
		all = slices.Delete(all, last, last+1)
	}
}

// natural is the width that a column wants.
func (t *table[T]) natural(c column[T]) int {
	width := max(c.width, ansi.StringWidth(c.name)+1) // the mark of the order
	if c.cell == nil || c.flex {
		return width
	}
	for _, row := range t.rows {
		width = max(width, ansi.StringWidth(c.cell(row)))
	}
	if c.most > 0 {
		width = min(width, max(c.most, ansi.StringWidth(c.name)+1))
	}
	return width
}

// spread gives the flexible column what is left over, as far as it is of use. Where too much is missing even for those that stay, the lines are cut at their end.
func spread[T any](all []placed[T], rest int) []placed[T] {
	for i, c := range all {
		if c.flex {
			all[i].got = c.width + max(0, rest)
			if c.most > 0 {
				all[i].got = min(all[i].got, c.most)
			}
			rest = 0
		}
	}
	return all
}

// lines are the header and the rows from..to, each of exactly width columns.
func (t *table[T]) lines(width, from, to int) []string {
	columns, gap := t.place(width)
	space := strings.Repeat(" ", gap)
	var head []string
	for _, c := range columns {
		head = append(head, t.glyphs.fit(t.heading(c), c.got, c.right))
	}
	lines := []string{t.glyphs.fit(" "+strings.Join(head, space), width, false)}
	for i := from; i < min(to, len(t.rows)); i++ {
		lines = append(lines, t.row(columns, space, width, i))
	}
	return lines
}

// heading is the name of a column, with a mark if the rows are sorted by it.
func (t *table[T]) heading(c placed[T]) string {
	title := cmp.Or(c.title, styleFaint.Render(c.name))
	switch {
	case c.name != t.order:
		return title
	case t.reverse:
		return title + styleFaint.Render(t.glyphs.down)
	}
	return title + styleFaint.Render(t.glyphs.up)
}

func (t *table[T]) row(columns []placed[T], space string, width, i int) string {
	row := t.rows[i]
	selected := i == t.selected.row && t.selected.focused
	var cells []string
	for _, c := range columns {
		switch {
		case c.paint != nil:
			cells = append(cells, c.paint(row, c.got))
		case c.style != nil && !selected:
			cells = append(cells, c.style(row).Render(t.glyphs.fit(c.cell(row), c.got, c.right)))
		default:
			cells = append(cells, t.glyphs.fit(c.cell(row), c.got, c.right))
		}
	}
	if !selected {
		mark := " "
		if i == t.selected.row {
			mark = t.glyphs.cursor
		}
		return t.glyphs.fit(mark+strings.Join(cells, space), width, false)
	}
	// A colour inside would end the reverse.
	return styleSelected.Render(t.glyphs.fit(t.glyphs.cursor+ansi.Strip(strings.Join(cells, space)), width, false))
}

// ascending and descending are orders by one figure.
func ascending[T any, V cmp.Ordered](value func(T) V) func(a, b T) int {
	return func(a, b T) int { return cmp.Compare(value(a), value(b)) }
}

func descending[T any, V cmp.Ordered](value func(T) V) func(a, b T) int {
	return func(a, b T) int { return cmp.Compare(value(b), value(a)) }
}
