package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSinkGathersLines(t *testing.T) {
	var writes []string
	s := newSink(writerFunc(func(p []byte) (int, error) {
		writes = append(writes, string(p))
		return len(p), nil
	}))
	require.NoError(t, s.line([]byte("one")))
	require.NoError(t, s.line([]byte("two")))
	require.NoError(t, s.flush())
	require.NoError(t, s.flush())
	assert.Equal(t, "one\ntwo\n", strings.Join(writes, ""))
	assert.LessOrEqual(t, len(writes), 2)
}

func TestSinkNeverSplitsALine(t *testing.T) {
	s := newSink(writerFunc(func(p []byte) (int, error) {
		assert.True(t, bytes.HasSuffix(p, []byte("\n")))
		return len(p), nil
	}))
	for range 100 {
		require.NoError(t, s.line(bytes.Repeat([]byte("x"), 1000)))
	}
	require.NoError(t, s.flush())
}

func TestSinkWritesWithoutBeingAsked(t *testing.T) {
	r, w := io.Pipe()
	s := newSink(w)
	require.NoError(t, s.line([]byte("now")))
	got := make(chan string, 1)
	go func() {
		buf := make([]byte, 16)
		n, _ := r.Read(buf)
		got <- string(buf[:n])
	}()
	select {
	case text := <-got:
		assert.Equal(t, "now\n", text)
	case <-time.After(10 * time.Second):
		t.Fatal("the line never came")
	}
}

func TestSinkRemembersItsFirstError(t *testing.T) {
	full := errors.New("disk full")
	s := newSink(writerFunc(func([]byte) (int, error) { return 0, full }))
	_ = s.line([]byte("x"))
	assert.ErrorIs(t, s.flush(), full)
	assert.ErrorIs(t, s.line([]byte("y")), full)
	assert.False(t, readerIsGone(full))
}

func TestSinkTellsThatItsReaderIsGone(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	s := newSink(w)
	_ = s.line([]byte("x"))
	assert.True(t, readerIsGone(s.flush()))
}

func TestSinkTellsWhatHasBeenWritten(t *testing.T) {
	var written []byte
	s := newSink(writerFunc(func(p []byte) (int, error) {
		written = append(written, p...)
		return len(p), nil
	}))
	var told []string
	for _, text := range []string{"one", "two"} {
		require.NoError(t, s.line([]byte(text)))
		s.then(func() { told = append(told, text+" behind "+string(written)) })
	}
	require.NoError(t, s.flush())
	s.then(func() { told = append(told, "at once") })
	require.Len(t, told, 3)
	assert.Contains(t, told[0], "one behind one\n") // and "two", unless the moment was over
	assert.Equal(t, []string{"two behind one\ntwo\n", "at once"}, told[1:])
}

func TestSinkDoesNotTellOfWhatWasNotWritten(t *testing.T) {
	s := newSink(writerFunc(func([]byte) (int, error) { return 0, errors.New("disk full") }))
	_ = s.line([]byte("one"))
	s.then(func() { t.Error("it was not written") })
	require.Error(t, s.flush())
	s.then(func() { t.Error("nothing is written any more") })
}
