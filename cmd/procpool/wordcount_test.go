package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWordcountCountsWordsBetweenSpaces(t *testing.T) {
	for text, want := range map[string]wordCounts{
		"":                        {},
		"\n":                      {1, 0, 1},
		"one":                     {0, 1, 3},
		"one two\nthree\n":        {2, 3, 14},
		"a\tb\vc\fd\re f\n":       {1, 6, 12},
		"  \n\n  x":               {2, 1, 7},
		"日本 語\n":                  {1, 2, 11},
		"no-break\u00a0end":       {0, 2, 13},
		"em\u2003space\u3000ideo": {0, 3, 17},
		"\u0085 is no space":      {0, 4, 14},
		"\xff \xe6\x97 \xe6":      {0, 3, 6},
		"a\x00b\x01":              {0, 1, 4},
	} {
		c, err := countWords(t.Context(), strings.NewReader(text))
		require.NoError(t, err)
		assert.Equal(t, want, c, "%q", text)
		c, err = countWords(t.Context(), iotest.OneByteReader(strings.NewReader(text)))
		require.NoError(t, err)
		assert.Equal(t, want, c, "%q in single bytes", text)
	}
}

func TestWordcountReportsReadErrors(t *testing.T) {
	boom := errors.New("boom")
	_, err := countWords(t.Context(), iotest.ErrReader(boom))
	assert.ErrorIs(t, err, boom)
	_, err = countFile(t.Context(), t.TempDir())
	assert.ErrorContains(t, err, "is a directory")
}

// wcOutput is what wc prints in a UTF-8 locale.
func wcOutput(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	wc, err := exec.LookPath("wc")
	if err != nil {
		t.Skip("there is no wc to compare with")
	}
	if text, _ := exec.Command(wc, "--version").Output(); !strings.Contains(string(text), "GNU") {
		t.Skip("this wc is not GNU's, whose columns these are")
	}
	cmd := exec.Command(wc, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	cmd.Stdin = strings.NewReader(stdin)
	out, _ := cmd.Output() // it fails for files that do not exist, as it should
	return string(out)
}

// wcOurs is what we print for the same files, without a pool.
func wcOurs(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	src, err := newSource(args, strings.NewReader(stdin), formatNUL, &wordcountBuiltin)
	require.NoError(t, err)
	task := wordcountBuiltin.open(nil)
	task.begin(src)
	var b strings.Builder
	for it := range src.items(t.Context()) {
		c, err := countFile(t.Context(), it.name)
		if err != nil {
			continue
		}
		o := outcome{item: it, value: c}
		task.add(o)
		b.WriteString(task.text(o) + "\n")
	}
	if text, _ := task.totals(); text != "" {
		b.WriteString(text + "\n")
	}
	return b.String()
}

func TestWordcountPrintsWhatWcPrints(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	require.NoError(t, err)
	std := goFiles(t, "strings")
	for name, args := range map[string][]string{
		"a file":                      {"wordcount.go"},
		"some files":                  {"wordcount.go", "testdata/go/sample.go"},
		"files of this package":       sources,
		"files of the distribution":   std,
		"the same file twice":         {"wordcount.go", "wordcount.go"},
		"with one that is missing":    {"wordcount.go", "no-such-file"},
		"with one that is no file":    {"wordcount.go", os.DevNull},
		"only ones that do not exist": {"no-such-file", "nor-this"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, wcOutput(t, "", args...), wcOurs(t, "", args...))
		})
	}
}

func TestWordcountPrintsWhatWcPrintsForNamesFromStandardInput(t *testing.T) {
	for _, files := range []string{"wordcount.go\x00testdata/go/sample.go\x00", "wordcount.go\x00", ""} {
		assert.Equal(t, wcOutput(t, files, "--files0-from=-"), wcOurs(t, files, "-"))
	}
}
