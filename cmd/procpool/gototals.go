package main

import (
	"cmp"
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/procpool/procpool/cmd/procpool/numeral"
)

const (
	shownDirs  = 12
	shownFuncs = 10
)

// goTotals adds up the figures of many files, in bounded memory: by directory, and the
// few functions that lead the lists.
type goTotals struct {
	below   string // the tables leave it out of paths; may be empty
	all     goSum
	dirs    map[string]*goSum
	longest topFuncs
	complex topFuncs
}

// goSum are the figures of several files together.
type goSum struct {
	Dir        string `json:"dir,omitempty"`
	Files      int    `json:"files"`
	Functions  int    `json:"functions"`
	Lines      int    `json:"lines"`
	Code       int    `json:"code"`
	Comment    int    `json:"comment"`
	Blank      int    `json:"blank"`
	Complexity int    `json:"complexity"`
}

// placedFunc is a function and the file it is in.
type placedFunc struct {
	Path string `json:"path"`
	goFunc
}

// topFuncs are the functions with the largest weight, at most shownFuncs of them.
type topFuncs struct {
	weight func(goFunc) int
	list   []placedFunc
}

func newGoTotals() *goTotals {
	return &goTotals{
		dirs:    map[string]*goSum{},
		longest: topFuncs{weight: func(f goFunc) int { return f.Lines }},
		complex: topFuncs{weight: func(f goFunc) int { return f.Complexity }},
	}
}

func (t *goTotals) add(it item, s goStats) {
	dir := groupOf(it)
	sum := t.dirs[dir]
	if sum == nil {
		sum = &goSum{Dir: dir}
		t.dirs[dir] = sum
	}
	sum.add(s)
	t.all.add(s)
	t.longest.add(it, s.Longest)
	t.complex.add(it, s.MostComplex)
}

func (s *goSum) add(f goStats) {
	s.Files++
	s.Functions += f.Functions
	s.Lines += f.Lines
	s.Code += f.Code
	s.Comment += f.Comment
	s.Blank += f.Blank
	s.Complexity += f.Complexity
}

func (s *goSum) merge(o *goSum) {
	s.Files += o.Files
	s.Functions += o.Functions
	s.Lines += o.Lines
	s.Code += o.Code
	s.Comment += o.Comment
	s.Blank += o.Blank
	s.Complexity += o.Complexity
}

// groupOf is the directory that a file is counted for: the first one below the directory
// on the command line, else the file's own.
func groupOf(it item) string {
	rel, err := filepath.Rel(it.root, it.name)
	if it.root == "" || err != nil {
		return filepath.Dir(it.name)
	}
	first, _, below := strings.Cut(rel, string(filepath.Separator))
	if !below {
		return "."
	}
	return first
}

// add takes f if it is large enough. Equal ones stay in the order in which they come, and
// that is decided by their names, so that an unordered run gives the same list.
func (t *topFuncs) add(it item, f goFunc) {
	if f.Name == "" {
		return
	}
	placed := placedFunc{Path: it.name, goFunc: f}
	at, _ := slices.BinarySearchFunc(t.list, placed, t.compare)
	t.list = slices.Insert(t.list, at, placed)
	if len(t.list) > shownFuncs {
		t.list = t.list[:shownFuncs]
	}
}

func (t *topFuncs) compare(a, b placedFunc) int {
	return cmp.Or(
		cmp.Compare(t.weight(b.goFunc), t.weight(a.goFunc)),
		cmp.Compare(a.Path, b.Path),
		cmp.Compare(a.Line, b.Line),
	)
}

// largest are the directories by their lines, the largest first.
func (t *goTotals) largest() []*goSum {
	list := make([]*goSum, 0, len(t.dirs))
	for _, s := range t.dirs {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *goSum) int {
		return cmp.Or(cmp.Compare(b.Lines, a.Lines), cmp.Compare(a.Dir, b.Dir))
	})
	return list
}

// MarshalJSON gives all directories, where the table shows the largest.
func (t *goTotals) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Total       goSum        `json:"total"`
		Directories []*goSum     `json:"directories"`
		Longest     []placedFunc `json:"longest"`
		MostComplex []placedFunc `json:"most_complex"`
	}{t.all, t.largest(), t.longest.list, t.complex.list})
}

// text is the tables.
func (t *goTotals) text() string {
	return strings.Join([]string{
		t.dirTable(),
		t.funcTable("longest functions, one of a file", t.longest.list),
		t.funcTable("most complex functions, one of a file", t.complex.list),
	}, "\n\n")
}

func (t *goTotals) dirTable() string {
	w := newTable("directory", "files", "functions", "lines", "code", "comment", "blank", "complexity")
	others := goSum{}
	list := t.largest()
	for i, s := range list {
		if i >= shownDirs && len(list) > shownDirs+1 {
			others.merge(s)
			continue
		}
		w.AppendRow(s.row(printable(s.Dir)))
	}
	if others.Files > 0 {
		w.AppendRow(others.row(numeral.Thousands(int64(len(list)-shownDirs)) + " others"))
	}
	w.AppendFooter(t.all.row("total"))
	return w.Render()
}

func (s *goSum) row(name string) table.Row {
	row := table.Row{name}
	for _, n := range []int{s.Files, s.Functions, s.Lines, s.Code, s.Comment, s.Blank, s.Complexity} {
		row = append(row, numeral.Thousands(int64(n)))
	}
	return row
}

func (t *goTotals) funcTable(title string, funcs []placedFunc) string {
	w := newTable(title, "lines", "complexity", "where")
	for _, f := range funcs {
		where := printable(t.shown(f.Path)) + ":" + strconv.Itoa(f.Line)
		w.AppendRow(table.Row{printable(f.Name), numeral.Thousands(int64(f.Lines)), numeral.Thousands(int64(f.Complexity)), where})
	}
	return w.Render()
}

func (t *goTotals) shown(path string) string {
	if rel, err := filepath.Rel(t.below, path); t.below != "" && err == nil {
		return rel
	}
	return path
}
