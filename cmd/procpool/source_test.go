package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	valueFunction = &builtin{name: "value", input: "a value"}
	pathFunction  = &builtin{name: "path", input: "a file or directory", paths: true}
	goFunction    = &builtin{name: "go", input: "a file or directory", paths: true, exts: []string{".go"}}
)

// names are the names of the items that a source yields.
func names(t *testing.T, b *builtin, format, stdin string, args ...string) []string {
	t.Helper()
	src, err := newSource(args, strings.NewReader(stdin), format, b)
	require.NoError(t, err)
	out := []string{}
	for it := range src.items(t.Context()) {
		require.Equal(t, len(out), it.index)
		out = append(out, it.name)
	}
	require.NoError(t, src.Err())
	return out
}

func TestSourceTakesItemsFromArgumentsAndStandardInput(t *testing.T) {
	for _, test := range []struct {
		name   string
		b      *builtin
		format string
		stdin  string
		args   []string
		want   []string
	}{
		{"arguments are values", valueFunction, formatLines, "unread\n", []string{"b", "a", ""}, []string{"b", "a", ""}},
		{"no arguments means standard input", valueFunction, formatLines, "x\ny\n", nil, []string{"x", "y"}},
		{"lines stand where the dash stands", valueFunction, formatLines, "x\ny\n", []string{"a", "-", "b"}, []string{"a", "x", "y", "b"}},
		{"the last line needs no line end", valueFunction, formatLines, "x\ny", nil, []string{"x", "y"}},
		{"an empty line is an empty value", valueFunction, formatLines, "x\n\ny\n", nil, []string{"x", "", "y"}},
		{"a carriage return is part of a value", valueFunction, formatLines, "x\r\n", nil, []string{"x\r"}},
		{"an empty line is no path", pathFunction, formatLines, "x\n\ny\n", nil, []string{"x", "y"}},
		{"NUL ends a path with a line end in it", pathFunction, formatNUL, "a\nb\x00c\x00", nil, []string{"a\nb", "c"}},
		{"JSON Lines skip blank lines", valueFunction, formatJSON, "{\"a\": 1}\n\n  2 \n", nil, []string{`{"a": 1}`, "2"}},
		{"empty input has no items", valueFunction, formatLines, "", nil, []string{}},
		{"a missing file is an item that will fail", pathFunction, formatLines, "", []string{"no/such/file"}, []string{"no/such/file"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, names(t, test.b, test.format, test.stdin, test.args...))
		})
	}
}

func TestSourceKeepsJSONAsItCame(t *testing.T) {
	src, err := newSource(nil, strings.NewReader(" [1, 2] \n"), formatJSON, valueFunction)
	require.NoError(t, err)
	for it := range src.items(t.Context()) {
		assert.Equal(t, "[1, 2]", string(it.raw))
	}
}

func TestSourceRefusesWhatCannotBeMeant(t *testing.T) {
	_, err := newSource([]string{"-", "-"}, nil, formatLines, valueFunction)
	assert.ErrorContains(t, err, "only once")
	_, err = newSource(nil, nil, "xml", valueFunction)
	assert.ErrorContains(t, err, "--stdin xml")
}

func TestSourceTellsWhatEndedTheInput(t *testing.T) {
	boom := errors.New("disk on fire")
	stdin := io.MultiReader(strings.NewReader("one\ntwo\nthr"), iotest.ErrReader(boom))
	src, err := newSource(nil, stdin, formatLines, valueFunction)
	require.NoError(t, err)
	var got []string
	for it := range src.items(t.Context()) {
		got = append(got, it.name)
	}
	assert.Equal(t, []string{"one", "two", "thr"}, got)
	assert.ErrorIs(t, src.Err(), boom)
}

// endless is an input that never ends.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, "y\n")
	e.read += n
	return n, nil
}

func TestSourceReadsNoFurtherThanItIsAsked(t *testing.T) {
	stdin := &endless{}
	src, err := newSource(nil, stdin, formatLines, valueFunction)
	require.NoError(t, err)
	n := 0
	for range src.items(t.Context()) {
		if n++; n == 10 {
			break
		}
	}
	assert.LessOrEqual(t, stdin.read, 64)
}

func TestSourceEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	src, err := newSource(nil, &endless{}, formatLines, valueFunction)
	require.NoError(t, err)
	n := 0
	for range src.items(ctx) {
		if n++; n == 3 {
			cancel()
		}
	}
	assert.Equal(t, 3, n)
}

// tree makes files, and directories for names that end in a slash.
func tree(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		path := filepath.Join(dir, f)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(f), 0o644))
	}
	return dir
}

// below are the items of a walk, relative to dir.
func below(t *testing.T, dir string, b *builtin, args ...string) []string {
	t.Helper()
	out := []string{}
	for _, name := range names(t, b, formatLines, "", args...) {
		rel, err := filepath.Rel(dir, name)
		require.NoError(t, err)
		out = append(out, filepath.ToSlash(rel))
	}
	return out
}

func TestWalkIsSortedAndKnowsExtensions(t *testing.T) {
	dir := tree(t, "b/z.go", "b/a.txt", "a.go", "c/d/e.GO", "c/README")
	assert.Equal(t, []string{"a.go", "b/a.txt", "b/z.go", "c/README", "c/d/e.GO"}, below(t, dir, pathFunction, dir))
	assert.Equal(t, []string{"a.go", "b/z.go", "c/d/e.GO"}, below(t, dir, goFunction, dir))
	assert.Equal(t, []string{"b/a.txt"}, below(t, dir, goFunction, filepath.Join(dir, "b/a.txt")), "what is named is meant")
}

func TestWalkRemembersWhereItBegan(t *testing.T) {
	dir := tree(t, "a/b.go")
	src, err := newSource([]string{dir, filepath.Join(dir, "a/b.go")}, nil, formatLines, goFunction)
	require.NoError(t, err)
	var roots []string
	for it := range src.items(t.Context()) {
		roots = append(roots, it.root)
	}
	assert.Equal(t, []string{dir, ""}, roots)
}

func TestWalkFollowsNoLinkButTheOneThatIsNamed(t *testing.T) {
	dir := tree(t, "real/a", "other/b")
	require.NoError(t, os.Symlink("../other", filepath.Join(dir, "real/dirlink")))
	require.NoError(t, os.Symlink("a", filepath.Join(dir, "real/filelink")))
	require.NoError(t, os.Symlink("real", filepath.Join(dir, "link")))
	assert.Equal(t, []string{"real/a"}, below(t, dir, pathFunction, filepath.Join(dir, "real")))
	assert.Equal(t, []string{"link/a"}, below(t, dir, pathFunction, filepath.Join(dir, "link")))
}

func TestWalkYieldsADirectoryThatCannotBeRead(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root can read every directory")
	}
	dir := tree(t, "a", "b/c", "d")
	require.NoError(t, os.Chmod(filepath.Join(dir, "b"), 0))
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, "b"), 0o755) })
	assert.Equal(t, []string{"a", "b", "d"}, below(t, dir, pathFunction, dir))
}

func TestCountKnowsAllButStandardInput(t *testing.T) {
	dir := tree(t, "a", "b/c", "d")
	src, err := newSource([]string{dir, "e"}, nil, formatLines, pathFunction)
	require.NoError(t, err)
	n, known := src.count(t.Context())
	assert.True(t, known)
	assert.Equal(t, 4, n)

	src, err = newSource([]string{"-"}, nil, formatLines, pathFunction)
	require.NoError(t, err)
	_, known = src.count(t.Context())
	assert.False(t, known)
}
