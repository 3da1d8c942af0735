package pool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

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
				s := newSink("WithStdout", w, silent)
				kept := newCapture()
				pump(wrap(strings.NewReader(c.in)), s, kept, nil)
				s.close(true)
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
	s := newSink("WithStdout", w, silent)
	line := []byte(strings.Repeat("y", 1023) + "\n")
	const lines = 4 * maxQueued / 1024
	for range lines {
		s.write(bytes.Clone(line), nil)
	}
	dropped := s.lost()
	require.Positive(t, dropped)
	close(w.hold)
	s.close(true)
	require.EqualValues(t, lines, int(dropped)+len(w.writes))
}

func silent(string, ...any) {}

// slow takes a moment for each write.
type slow struct{ lines int }

func (s *slow) Write(b []byte) (int, error) {
	time.Sleep(2 * time.Millisecond)
	s.lines += bytes.Count(b, []byte{'\n'})
	return len(b), nil
}

func TestAWriterThatIsSlowButMovesCostsNothing(t *testing.T) {
	w := &slow{}
	s := newSink("WithStdout", w, silent)
	chunk := []byte(strings.Repeat(strings.Repeat("z", 1023)+"\n", 32))
	const chunks = 3 * maxQueued / (32 << 10)
	for range chunks {
		s.write(bytes.Clone(chunk), nil)
	}
	s.close(false)
	require.Zero(t, s.lost())
	require.Equal(t, chunks*32, w.lines)
}

func TestTheTextOfAProcessThatHasEndedWaitsForNoWriter(t *testing.T) {
	w := &writer{hold: make(chan struct{})}
	s := newSink("WithStdout", w, silent)
	ended := make(chan struct{})
	close(ended)
	chunk := []byte(strings.Repeat("z", 64<<10-1) + "\n")
	for range maxQueued/len(chunk) + 2 {
		s.write(bytes.Clone(chunk), ended)
	}
	require.Zero(t, s.lost(), "what a pipe held is kept")
	close(w.hold)
	s.close(false)
}

// failing is a writer with a full disk.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestAWriterThatFailsCostsItsLinesAndIsToldOnce(t *testing.T) {
	var told []string
	s := newSink("WithStderr", failing{}, func(msg string, args ...any) { told = append(told, fmt.Sprint(msg, args)) })
	s.write([]byte("a\nb\n"), nil)
	s.close(false)
	s.write([]byte("c\n"), nil)
	s.close(false)
	require.EqualValues(t, 3, s.lost())
	require.Len(t, told, 1)
	require.Contains(t, told[0], "no space left")
	require.Contains(t, told[0], "WithStderr")
}

func TestAWriterThatPanicsCostsItsLines(t *testing.T) {
	s := newSink("WithStdout", panics{}, silent)
	s.write([]byte("a\nb\n"), nil)
	s.close(true)
	require.EqualValues(t, 2, s.lost())
}

type panics struct{}

func (panics) Write([]byte) (int, error) { panic("no") }

func TestOneWriterForBothStreamsIsCalledByOneGoroutine(t *testing.T) {
	w := &writer{}
	same := newOutput(w, w, silent)
	require.Same(t, same.stdout, same.stderr)
	other := newOutput(w, &writer{}, silent)
	require.NotSame(t, other.stdout, other.stderr)
	type incomparable struct {
		io.Writer
		_ []int
	}
	odd := newOutput(incomparable{Writer: w}, incomparable{Writer: w}, silent) // must not panic
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

func TestTheBeginningOfACrashReportIsKeptHoweverLongItIs(t *testing.T) {
	long := strings.Repeat("goroutine 7 [running]:\nmain.f()\n", 8000) // more than is kept of the end
	for name, before := range map[string]string{"at once": "", "after words": "some words\n", "after a flood": strings.Repeat("words\n", 40_000)} {
		for _, size := range []int{1, 7, 1000, 32 << 10} {
			t.Run(fmt.Sprintf("%s, by %d", name, size), func(t *testing.T) {
				c := newCapture()
				text := []byte(before + "panic: out of here\n\n" + long)
				mark := int64(0)
				for len(text) > 0 {
					n := min(size, len(text))
					c.add(text[:n])
					text = text[n:]
				}
				got := c.since(mark)
				require.True(t, bytes.HasPrefix(got, []byte("panic: out of here\n\ngoroutine 7")), "%.60q", got)
				require.LessOrEqual(t, len(got), excerptSize)
				require.NotContains(t, string(c.since(c.position())), "panic", "what came before does not count")
			})
		}
	}
	c := newCapture()
	c.add([]byte("it said panic: but in the middle of a line\n"))
	require.Empty(t, c.report)
}
