//go:build unix

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func writes(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

func contents(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func entryNames(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestAPageTakesThePlaceOfTheOldOneWhenItIsWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "page.html")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	p, err := openPage(t.Context(), path)
	require.NoError(t, err)
	require.Equal(t, "old", contents(t, path))
	require.NoError(t, p.write(t.Context(), writes("new")))
	require.Equal(t, "new", contents(t, path))
	require.Equal(t, []string{"page.html"}, entryNames(t, dir))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

func TestAPageThatFailsOrIsNotWrittenLeavesTheOldOne(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "page.html")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	p, err := openPage(t.Context(), path)
	require.NoError(t, err)
	p.discard()
	p, err = openPage(t.Context(), path)
	require.NoError(t, err)
	failed := errors.New("no room")
	require.ErrorIs(t, p.write(t.Context(), func(io.Writer) error { return failed }), failed)
	require.Equal(t, "old", contents(t, path))
	require.Equal(t, []string{"page.html"}, entryNames(t, dir))
}

func TestAPageThatIsANewFileIsGoneWhenNothingIsWritten(t *testing.T) {
	dir := t.TempDir()
	p, err := openPage(t.Context(), filepath.Join(dir, "page.html"))
	require.NoError(t, err)
	p.discard()
	require.Empty(t, entryNames(t, dir))
}

func TestAPageBehindALinkIsWrittenThere(t *testing.T) {
	for _, old := range []string{"old", ""} {
		dir := t.TempDir()
		path, link := filepath.Join(dir, "page.html"), filepath.Join(dir, "link.html")
		if old != "" {
			require.NoError(t, os.WriteFile(path, []byte(old), 0o600))
		}
		require.NoError(t, os.Symlink("page.html", link))
		p, err := openPage(t.Context(), link)
		require.NoError(t, err)
		p.discard()
		to, err := os.Readlink(link)
		require.NoError(t, err)
		require.Equal(t, "page.html", to)

		p, err = openPage(t.Context(), link)
		require.NoError(t, err)
		require.NoError(t, p.write(t.Context(), writes("new")))
		require.Equal(t, "new", contents(t, path))
		_, err = os.Readlink(link)
		require.NoError(t, err)
	}
}

func TestADeviceIsNeverReplaced(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "null")
	require.NoError(t, os.Symlink(os.DevNull, link))
	for _, name := range []string{os.DevNull, link} {
		p, err := openPage(t.Context(), name)
		require.NoError(t, err)
		require.Empty(t, p.temp)
		p.discard()
		p, err = openPage(t.Context(), name)
		require.NoError(t, err)
		require.NoError(t, p.write(t.Context(), writes("new")))
	}
	require.Equal(t, []string{"null"}, entryNames(t, dir))
}

func TestAPipeWithoutReaderEndsThePageInGoodOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	require.NoError(t, err)
	p, err := openPage(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	require.NoError(t, p.write(t.Context(), writes(strings.Repeat("x", 1<<20)))) // it is as with "| head"
	_, err = os.Lstat(path)
	require.NoError(t, err)
}

func TestAPipeThatNobodyReadsDoesNotOutlastTheInterrupt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := openPage(ctx, path)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // lets the one above go
	require.NoError(t, err)
	defer reader.Close()
	p, err := openPage(t.Context(), path)
	require.NoError(t, err)
	ctx, cancel = context.WithCancel(t.Context())
	began := make(chan struct{})
	go func() {
		<-began
		cancel()
	}()
	err = p.write(ctx, func(w io.Writer) error {
		close(began)
		return writes(strings.Repeat("x", 4<<20))(w)
	})
	require.ErrorIs(t, err, context.Canceled)
}
