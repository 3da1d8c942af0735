package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGostatsCountsWhatAPersonCounts(t *testing.T) {
	s, err := goFileStats(t.Context(), "testdata/go/sample.go")
	require.NoError(t, err)
	want := goStats{
		Bytes: s.Bytes, Lines: 52, Code: 38, Comment: 5, Blank: 9, Functions: 3,
		Complexity:  1 + 10 + 1,
		Longest:     goFunc{Name: "(*T).branches", Line: 20, Lines: 29, Complexity: 10},
		MostComplex: goFunc{Name: "(*T).branches", Line: 20, Lines: 29, Complexity: 10},
	}
	assert.Equal(t, want, s)
}

func TestGostatsDoesNotMindCarriageReturns(t *testing.T) {
	src, err := os.ReadFile("testdata/go/sample.go")
	require.NoError(t, err)
	unix, err := goSourceStats(src)
	require.NoError(t, err)
	dos, err := goSourceStats(bytes.ReplaceAll(src, []byte("\n"), []byte("\r\n")))
	require.NoError(t, err)
	dos.Bytes = unix.Bytes
	assert.Equal(t, unix, dos)
}

func TestGostatsNamesReceiversAsTheCompilerDoes(t *testing.T) {
	for decl, want := range map[string]string{
		"func F() {}":              "F",
		"func F[T any]() {}":       "F",
		"func (t T) F() {}":        "T.F",
		"func (t *T) F() {}":       "(*T).F",
		"func (*T[A]) F() {}":      "(*T).F",
		"func (t T[A, B]) F() {}":  "T.F",
		"func (t (T)) F() {}":      "T.F",
		"func (t *(T)) F() {}":     "(*T).F",
		"func (t (*T[A])) F() { }": "(*T).F",
	} {
		s, err := goSourceStats([]byte("package p\n" + decl + "\n"))
		require.NoError(t, err, decl)
		assert.Equal(t, want, s.Longest.Name, decl)
	}
}

func TestGostatsSaysThatAFileDoesNotParse(t *testing.T) {
	_, err := goFileStats(t.Context(), "testdata/go/broken.go.txt")
	assert.ErrorIs(t, err, errNotGo)
	assert.ErrorContains(t, err, "does not parse: 3:8: ")
	_, err = goFileStats(t.Context(), "testdata/go/none.go")
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestGostatsDoesNotBelieveLineComments(t *testing.T) {
	s, err := goSourceStats([]byte("package p\n\n//line other.y:1000\nfunc F() {\n//line other.y:5000\n}\n"))
	require.NoError(t, err)
	assert.Equal(t, goFunc{Name: "F", Line: 4, Lines: 3, Complexity: 1}, s.Longest)
}

// goFiles are real Go files: some of the distribution's.
func goFiles(t *testing.T, dir string) []string {
	t.Helper()
	return distributionFiles(t, "src", dir, "*.go")
}

// distributionFiles are files of the Go distribution that the tests are run with.
func distributionFiles(t *testing.T, pattern ...string) []string {
	t.Helper()
	root, err := goRoot(t.Context())
	if err != nil {
		t.Skip(err)
	}
	files, err := filepath.Glob(filepath.Join(append([]string{root}, pattern...)...))
	require.NoError(t, err)
	if len(files) == 0 {
		t.Skipf("this Go distribution has no %s", filepath.Join(pattern...))
	}
	return files
}

func TestGostatsAddsUpOnTheStandardLibrary(t *testing.T) {
	for _, dir := range []string{"fmt", "go/parser", "net/http", "text/template"} {
		for _, path := range goFiles(t, dir) {
			s, err := goFileStats(t.Context(), path)
			require.NoError(t, err)
			src, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, strings.Count(string(src), "\n"), s.Lines, path)
			assert.Equal(t, s.Lines, s.Code+s.Comment+s.Blank, path)
			assert.GreaterOrEqual(t, s.Complexity, s.Functions, path)
			assert.LessOrEqual(t, s.Longest.Lines, s.Lines, path)
		}
	}
}

func TestGostatsReadsAsOneLine(t *testing.T) {
	s, err := goFileStats(t.Context(), "testdata/go/sample.go")
	require.NoError(t, err)
	assert.Equal(t, "x.go: 52 lines (38 code, 5 comment, 9 blank), 3 functions, longest (*T).branches with 29 lines, complexity 12, most in (*T).branches with 10",
		gostatsLine(item{name: "x.go"}, s))
	assert.Equal(t, "y.go: 1 lines (1 code, 0 comment, 0 blank), 0 functions", gostatsLine(item{name: "y.go"}, goStats{Lines: 1, Code: 1}))
}

func TestGoTotalsGroupByTheFirstDirectory(t *testing.T) {
	for _, test := range []struct{ root, name, want string }{
		{"src", "src/fmt/print.go", "fmt"},
		{"src", "src/net/http/server.go", "net"},
		{"src/", "src/doc.go", "."},
		{"", "src/fmt/print.go", "src/fmt"},
		{".", "a/b/c.go", "a"},
	} {
		assert.Equal(t, test.want, groupOf(item{root: test.root, name: test.name}))
	}
}

func TestGoTotalsKeepTheLargestOnly(t *testing.T) {
	sums := newGoTotals()
	for i := range 100 {
		name := string(rune('a'+i%26)) + "/x.go"
		f := goFunc{Name: "F", Line: i, Lines: i % 50, Complexity: 100 - i}
		sums.add(item{name: name}, goStats{Lines: 10, Functions: 1, Longest: f, MostComplex: f})
	}
	assert.Equal(t, 100, sums.all.Files)
	assert.Equal(t, 1000, sums.all.Lines)
	assert.Len(t, sums.longest.list, shownFuncs)
	assert.Equal(t, 49, sums.longest.list[0].Lines)
	assert.Equal(t, 100, sums.complex.list[0].Complexity)
	text := sums.text()
	assert.Contains(t, text, "14 others")
	assert.Contains(t, text, "1,000")
}
