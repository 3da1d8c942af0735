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
