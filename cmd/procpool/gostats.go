package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"

	"github.com/spf13/pflag"

	"github.com/procpool/procpool/worker"
)

var gostatsBuiltin = builtin{
	name:  "gostats",
	about: "parse Go files: lines, functions, longest function, cyclomatic complexity",
	details: `Each file gives one line, or one object with --json. Complexity is McCabe's: one for each
function, and one for each if, for, case, && and || in it.`,
	arg:   "PATH",
	input: "a Go file, or a directory that is searched for them",
	paths: true,
	exts:  []string{".go"},
	open:  openGostats,
}

var gostats = worker.Register("gostats", goFileStats)

// errNotGo is found by errors.Is in the parent when a file does not parse.
var errNotGo = errors.New("does not parse")

func init() { worker.RegisterError("procpool/gostats.errNotGo", errNotGo) }

// goStats are the figures of one Go file.
type goStats struct {
	Bytes       int    `json:"bytes"`
	Lines       int    `json:"lines"`
	Code        int    `json:"code"`    // lines with code on them
	Comment     int    `json:"comment"` // lines with nothing but a comment
	Blank       int    `json:"blank"`
	Functions   int    `json:"functions"`
	Complexity  int    `json:"complexity"` // of all functions together
	Longest     goFunc `json:"longest"`
	MostComplex goFunc `json:"most_complex"`
}

// goFunc is one function or method with a body.
type goFunc struct {
	Name       string `json:"name"` // "F", "T.M" or "(*T).M"; empty where there is none
	Line       int    `json:"line"`
	Lines      int    `json:"lines"`
	Complexity int    `json:"complexity"`
}

func openGostats(fs *pflag.FlagSet) task {
	onlyTotals := fs.Bool("totals", false, "print totals and the longest functions instead of a line for each file")
	sums := newGoTotals()
	return &typed[string, goStats]{
		fn:    gostats,
		parse: asTyped,
		line:  gostatsLine,
		onAdd: func(it item, s goStats) bool {
			if *onlyTotals {
				sums.add(it, s)
			}
			return *onlyTotals
		},
		sum: func() (string, any) {
			if !*onlyTotals {
				return "", nil
			}
			return sums.text(), sums
		},
	}
}

func gostatsLine(it item, s goStats) string {
	line := fmt.Sprintf("%s: %d lines (%d code, %d comment, %d blank), %d functions", it.name, s.Lines, s.Code, s.Comment, s.Blank, s.Functions)
	if s.Functions == 0 {
		return line
	}
	return fmt.Sprintf("%s, longest %s with %d lines, complexity %d, most in %s with %d",
		line, s.Longest.Name, s.Longest.Lines, s.Complexity, s.MostComplex.Name, s.MostComplex.Complexity)
}

// goFileStats is the function gostats.
func goFileStats(_ context.Context, path string) (goStats, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return goStats{}, err
	}
	return goSourceStats(src)
}

func goSourceStats(src []byte) (goStats, error) {
	fset := token.NewFileSet()
	// The errors name the position alone: whoever prints them knows which file it is.
	file, err := parser.ParseFile(fset, "", src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return goStats{}, fmt.Errorf("%w: %w", errNotGo, err)
	}
	s := goStats{Bytes: len(src)}
	s.countLines(fset, file, src)
	for _, decl := range file.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
			s.addFunc(fset, fn)
		}
	}
	return s, nil
}

// countLines sorts lines into code, comment and blank. A line with both code and a
// comment is code. The comments are blanked in a copy: what is left on a line is code.
func (s *goStats) countLines(fset *token.FileSet, file *ast.File, src []byte) {
	code := bytes.Clone(src)
	for _, group := range file.Comments {
		for _, c := range group.List {
			blankOut(commentIn(code[fset.PositionFor(c.Pos(), false).Offset:]))
		}
	}
	for line := range bytes.Lines(src) {
		rest := code[:len(line)]
		code = code[len(line):]
		s.Lines++
		switch {
		case len(bytes.TrimSpace(line)) == 0:
			s.Blank++
		case len(bytes.TrimSpace(rest)) == 0:
			s.Comment++
		default:
			s.Code++
		}
	}
}

// commentIn is the comment that src begins with. Its text in the syntax tree lacks the
// carriage returns, so that its length is not to be had from there.
func commentIn(src []byte) []byte {
	end := []byte("\n")
	if bytes.HasPrefix(src, []byte("/*")) {
		end = []byte("*/")
	}
	if i := bytes.Index(src[2:], end); i >= 0 {
		return src[:2+i+len(end)]
	}
	return src
}

func blankOut(text []byte) {
	for i, b := range text {
		if b != '\n' {
			text[i] = ' '
		}
	}
}

func (s *goStats) addFunc(fset *token.FileSet, fn *ast.FuncDecl) {
	// Line comments ("//line x.y:1") may say anything; these are the lines of this file.
	first := fset.PositionFor(fn.Pos(), false).Line
	last := fset.PositionFor(fn.End(), false).Line
	f := goFunc{Name: funcName(fn), Line: first, Lines: last - first + 1, Complexity: complexity(fn)}
	s.Functions++
	s.Complexity += f.Complexity
	if f.Lines > s.Longest.Lines {
		s.Longest = f
	}
	if f.Complexity > s.MostComplex.Complexity {
		s.MostComplex = f
	}
}

// funcName is the function's name with its receiver, as the compiler writes it.
func funcName(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return fn.Name.Name
	}
	return receiverName(fn.Recv.List[0].Type) + "." + fn.Name.Name
}

func receiverName(expr ast.Expr) string {
	switch t := expr.(type) {
	case *ast.ParenExpr:
		return receiverName(t.X)
	case *ast.StarExpr:
		return "(*" + receiverName(t.X) + ")"
	case *ast.IndexExpr: // a type with parameters
		return receiverName(t.X)
	case *ast.IndexListExpr:
		return receiverName(t.X)
	case *ast.Ident:
		return t.Name
	}
	return "?"
}

// complexity is McCabe's number of fn: one, and one for each place where it may go on in
// two ways. Function literals count where they stand.
func complexity(fn *ast.FuncDecl) int {
	n := 1
	ast.Inspect(fn.Body, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			n++
		case *ast.CaseClause:
			if node.List != nil { // default is no decision
				n++
			}
		case *ast.CommClause:
			if node.Comm != nil {
				n++
			}
		case *ast.BinaryExpr:
			if node.Op == token.LAND || node.Op == token.LOR {
				n++
			}
		}
		return true
	})
	return n
}
