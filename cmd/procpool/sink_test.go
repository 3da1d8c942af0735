package main

import (
	"bytes"
	"errors"
	"fmt"
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

// fakeJournal notes what is committed, and when.
type fakeJournal struct {
	records int
	commits []string
}

func (j *fakeJournal) Pending() bool { return j.records > 0 }

func (j *fakeJournal) Commit(text []byte, w io.Writer) error {
	j.commits = append(j.commits, fmt.Sprintf("%s%d records", text, j.records))
	j.records = 0
	_, err := w.Write(text)
	return err
}

func TestSinkWritesALineAndItsRecordTogether(t *testing.T) {
	journal := &fakeJournal{}
	s := newSink(io.Discard)
	s.journal = journal
	require.NoError(t, s.together(func() error {
		require.NoError(t, s.line([]byte("one")))
		require.NoError(t, s.flush()) // as the timer does
		assert.Empty(t, journal.commits)
		return s.record(func() { journal.records++ })
	}))
	assert.Equal(t, []string{"one\n1 records"}, journal.commits)
}

func TestSinkWritesRecordsWithoutALine(t *testing.T) {
	journal := &fakeJournal{}
	s := newSink(io.Discard)
	s.journal = journal
	require.NoError(t, s.record(func() { journal.records++ }))
	require.NoError(t, s.flush())
	require.NoError(t, s.flush())
	assert.Equal(t, []string{"1 records"}, journal.commits)
}
