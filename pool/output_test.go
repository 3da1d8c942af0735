package pool

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// writer keeps each write apart.
type writer struct {
	mu     sync.Mutex
	writes []string
	hold   chan struct{} // nil, or what each write waits for
}

func (w *writer) Write(b []byte) (int, error) {
	if w.hold != nil {
		<-w.hold
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes = append(w.writes, string(b))
	return len(b), nil
}

func TestLinesArriveWhole(t *testing.T) {
	long := strings.Repeat("x", maxLine+10)
	for name, c := range map[string]struct{ in, out string }{
		"lines":                     {"one\ntwo\n", "one\ntwo\n"},
		"no newline at the end":     {"one\ntwo", "one\ntwo\n"},
		"empty lines":               {"\n\n", "\n\n"},
		"nothing":                   {"", ""},
		"a line that is too long":   {long + "\nnext\n", long[:maxLine-1] + "\n" + long[maxLine-1:] + "\nnext\n"},
		"a long one with no end":    {long, long[:maxLine-1] + "\n" + long[maxLine-1:] + "\n"},
		"NULs and escape sequences": {"a\x00b\x1b[2J\n", "a\x00b\x1b[2J\n"},
	} {
		for reader, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "halves": iotest.HalfReader,
		} {
			t.Run(name+" "+reader, func(t *testing.T) {
				w := &writer{}
				s := newSink(w)
				kept := newCapture()
				pump(wrap(strings.NewReader(c.in)), s, kept)
				s.close()
				require.Equal(t, c.out, strings.Join(w.writes, ""))
				for _, write := range w.writes {
					require.True(t, strings.HasSuffix(write, "\n"))
				}
				require.EqualValues(t, len(c.in), kept.position())
			})
		}
	}
}

func TestAWriterThatIsTooSlowCostsWholeLinesThatAreCounted(t *testing.T) {
	w := &writer{hold: make(chan struct{})}
	s := newSink(w)
	line := []byte(strings.Repeat("y", 1023) + "\n")
	const lines = 4 * maxQueued / 1024
	for range lines {
		s.write(bytes.Clone(line))
	}
	dropped := s.lost()
	require.Positive(t, dropped)
	close(w.hold)
	s.close()
	require.EqualValues(t, lines, int(dropped)+len(w.writes))
}

func TestAWriterThatPanicsCostsItsLines(t *testing.T) {
	s := newSink(panics{})
	s.write([]byte("a\nb\n"))
	s.close()
	require.EqualValues(t, 2, s.lost())
}

type panics struct{}

func (panics) Write([]byte) (int, error) { panic("no") }

func TestOneWriterForBothStreamsIsCalledByOneGoroutine(t *testing.T) {
	w := &writer{}
	same := newOutput(w, w)
	require.Same(t, same.stdout, same.stderr)
	other := newOutput(w, &writer{})
	require.NotSame(t, other.stdout, other.stderr)
	type incomparable struct {
		io.Writer
		_ []int
	}
	odd := newOutput(incomparable{Writer: w}, incomparable{Writer: w}) // must not panic
	require.NotSame(t, odd.stdout, odd.stderr)
}

func TestAnExcerptBeginsWithTheCrashOrEndsWithTheEnd(t *testing.T) {
	c := newCapture()
	c.add([]byte("before the task\n"))
	mark := c.position()
	c.add([]byte("in the task\n"))
	require.Equal(t, "in the task\n", string(c.since(mark)))
	require.Equal(t, "before the task\nin the task\n", string(c.tail()))

	c.add(bytes.Repeat([]byte("noise\n"), 5_000))
	c.add([]byte("panic: boom\n\ngoroutine 1 [running]:\n"))
	c.add(bytes.Repeat([]byte("frame\n"), 3_000))
	got := c.since(mark)
	require.Len(t, got, excerptSize)
	require.True(t, bytes.HasPrefix(got, []byte("panic: boom\n")))
	require.Equal(t, "panic: boom", headline(got))

	quietly := newCapture()
	quietly.add(bytes.Repeat([]byte("noise\n"), 50_000))
	quietly.add([]byte("the last words\n"))
	got = quietly.since(0)
	require.Len(t, got, excerptSize)
	require.True(t, bytes.HasSuffix(got, []byte("the last words\n")))
	require.Equal(t, "the last words", headline(got))
	require.Len(t, quietly.tail(), tailSize)
}
