package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSHA256KnowsTheStandardsVectors(t *testing.T) {
	for text, want := range map[string]string{
		"":    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	} {
		path := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		sum, err := sha256File(t.Context(), path)
		require.NoError(t, err)
		assert.Equal(t, want, sum)
	}
}

func TestSHA256EscapesNamesThatWouldBreakTheLine(t *testing.T) {
	for name, want := range map[string]string{
		"plain name":     "SUM  plain name",
		"two\nlines":     `\SUM  two\nlines`,
		`back\slash`:     `\SUM  back\\slash`,
		"return\rcursor": `\SUM  return\rcursor`,
	} {
		assert.Equal(t, want, sha256Line(item{name: name}, "SUM"))
	}
}

func TestSHA256sumAcceptsWhatWePrint(t *testing.T) {
	sha256sum, err := exec.LookPath("sha256sum")
	if err != nil {
		t.Skip("there is no sha256sum to compare with")
	}
	dir := tree(t, "plain", "with space", "two\nlines", `back\slash`, "-dash", "*star", "ünï\xffcode")
	var lines strings.Builder
	for path := range walk(dir, nil) {
		sum, err := sha256File(t.Context(), path)
		require.NoError(t, err)
		lines.WriteString(sha256Line(item{name: path}, sum) + "\n")
	}
	cmd := exec.Command(sha256sum, "--check", "--strict")
	cmd.Stdin = strings.NewReader(lines.String())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, 7, strings.Count(string(out), ": OK\n"))
}

func TestSHA256EndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := io.Copy(io.Discard, &endingReader{ctx, strings.NewReader("x")})
	assert.ErrorIs(t, err, context.Canceled)
}
