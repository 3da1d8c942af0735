package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/internal/proc"
)

func TestRunPrintsResultsInTheOrderOfTheInputs(t *testing.T) {
	for _, test := range []struct {
		name, stdin, args string
		want              string
	}{
		{"arguments", "", "echo c b a", "c\nb\na\n"},
		{"lines", "x\n\ny", "echo", "x\n\ny\n"},
		{"lines among arguments", "x\ny\n", "echo a - b", "a\nx\ny\nb\n"},
		{"NUL-separated", "x\ny\x00z", "echo --stdin nul", "x\ny\nz\n"},
		{"after the flags end", "", "echo -- -x --y", "-x\n--y\n"},
		{"no input", "", "echo", ""},
		{"numbers", "", "primes 100 1e3 1_000_000", "100: 25\n1e3: 168\n1_000_000: 78498\n"},
		{"a slow one first", "", "sleep 200ms 1ms 0s --workers 3", "200ms\n1ms\n0s\n"},
		{"a window of one", "", "echo a b c --window 1", "a\nb\nc\n"},
		{"chunks", "1\n2\n3\n4\n5\n", "echo --chunk 2 --workers 2", "1\n2\n3\n4\n5\n"},
		{"inline", "", "echo a b --inline", "a\nb\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"run"}, strings.Fields(test.args)...)
			r := runCommand(t, test.stdin, args...)
			assert.Equal(t, exitOK, r.code, r.stderr)
			assert.Equal(t, test.want, r.stdout)
			assert.Contains(t, r.stderr, "time in tasks")
		})
	}
}

func TestRunInputsMayBeMany(t *testing.T) {
	var stdin strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&stdin, "line %d\n", i)
	}
	r := runCommand(t, stdin.String(), "run", "echo", "-q")
	assert.Equal(t, exitOK, r.code, r.stderr)
	lines := r.lines()
	require.Len(t, lines, 50_000)
	for i, line := range lines {
		require.Equal(t, fmt.Sprintf("line %d", i), line)
	}
	assert.Empty(t, r.stderr)
}

func TestRunUnorderedPrintsAllTheSame(t *testing.T) {
	r := runCommand(t, "", "run", "sleep", "2s", "1ms", "--unordered", "--workers", "2", "--chunk", "1")
	assert.Equal(t, []string{"1ms", "2s"}, r.lines())
}

func TestRunTellsOfEachFailureAndGoesOn(t *testing.T) {
	for _, test := range []struct {
		name, args string
		stdout     string
		says       []string
	}{
		{"an error", "fail no", "", []string{"procpool: no: fail #0 (slot ", "): no\n"}},
		{"a panic", "panic boo", "", []string{"procpool: boo: panic #0 (slot ", "panic: boo"}},
		{"an exit", "exit 7", "", []string{"procpool: 7: exit #0 (slot ", "exit status 7"}},
		{"an exit with code 0", "exit 0", "", []string{"exit status 0"}},
		{"what is no argument", "primes 10 x 100", "10: 4\n100: 25\n", []string{"procpool: x: x is not a whole number\n"}},
		{"a missing file", "wordcount testdata/none", "", []string{"testdata/none: no such file or directory"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := runCommand(t, "", append([]string{"run", "--quiet"}, strings.Fields(test.args)...)...)
			assert.Equal(t, exitItems, r.code)
			assert.Equal(t, test.stdout, r.stdout)
			for _, text := range test.says {
				assert.Contains(t, r.stderr, text)
			}
		})
	}
}

func TestRunCrashIsARealOne(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only on Linux is the signal's default action set")
	}
	r := runCommand(t, "", "run", "crash", "segv", "kill", "--quiet")
	assert.Equal(t, exitItems, r.code)
	assert.Contains(t, r.stderr, "signal: segmentation fault")
	assert.Contains(t, r.stderr, "signal: killed")
}

func TestRunCrashOfTheRuntimeNamesItsReason(t *testing.T) {
	r := runCommand(t, "", "run", "crash", "stack", "--quiet", "--json")
	assert.Equal(t, exitItems, r.code)
	var o map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &o))
	assert.Equal(t, "exit", o["kind"])
	assert.Equal(t, "crash", o["reason"])
	assert.Contains(t, r.stderr, "stack overflow")
}

func TestRunCostsOneItemForOneCrash(t *testing.T) {
	dir := tree(t, "a.go", "b.go", "c.go")
	for name, text := range map[string]string{"a.go": "package a", "b.go": "package b\nfunc {", "c.go": "package c"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	r := runCommand(t, "", "run", "gostats", dir)
	assert.Equal(t, exitItems, r.code)
	assert.Len(t, r.lines(), 2)
	assert.Contains(t, r.stderr, filepath.Join(dir, "b.go")+": gostats #1 ")
	assert.Contains(t, r.stderr, "does not parse")
}

func TestRunFailFastStopsEvenIfAnEarlierItemHangs(t *testing.T) {
	started := time.Now()
	r := runCommand(t, "", "run", "sleep", "5m", "x", "1h", "--fail-fast", "--workers", "1")
	assert.Equal(t, exitItems, r.code)
	assert.Empty(t, r.stdout)
	assert.Contains(t, r.stderr, `procpool: x: invalid duration x; want one such as`)
	assert.Less(t, time.Since(started), time.Minute)
}

// objects are the objects of JSON Lines.
func objects(t *testing.T, r ran) []map[string]any {
	t.Helper()
	var out []map[string]any
	dec := json.NewDecoder(strings.NewReader(r.stdout))
	for {
		var o map[string]any
		err := dec.Decode(&o)
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err, r.stdout)
		out = append(out, o)
	}
}

func TestRunSpeaksJSONLines(t *testing.T) {
	stdin := `{"a": [1, 2.5, null], "b": "<&>"}
9007199254740993

"text"
nonsense
`
	r := runCommand(t, stdin, "run", "echo", "--json", "--quiet")
	assert.Equal(t, exitItems, r.code)
	lines := r.lines()
	require.Len(t, lines, 4)
	assert.Equal(t, []string{
		`{"index":0,"input":{"a":[1,2.5,null],"b":"<&>"},"value":{"a":[1,2.5,null],"b":"<&>"}}`,
		`{"index":1,"input":9007199254740993,"value":9007199254740993}`,
		`{"index":2,"input":"text","value":"text"}`,
	}, lines[:3])
	assert.Contains(t, lines[3], `"kind":"input"`)
	assert.Contains(t, r.stderr, "procpool: nonsense: not JSON")
}

func TestRunTakesJSONArgumentsOfEachKind(t *testing.T) {
	for _, test := range []struct {
		function, stdin string
		want            any
	}{
		{"primes", "100", 25.0},
		{"primes", `"1e3"`, 168.0},
		{"sleep", "1000000", "1ms"},
		{"sleep", `"2ms"`, "2ms"},
		{"echo", "null", nil},
		{"echo", "[]", []any{}},
		{"wordcount", `"testdata/go/broken.go.txt"`, map[string]any{"lines": 3.0, "words": 5.0, "bytes": 25.0}},
	} {
		r := runCommand(t, test.stdin, "run", test.function, "--json", "-q")
		require.Equal(t, exitOK, r.code, r.stderr)
		all := objects(t, r)
		require.Len(t, all, 1)
		assert.Equal(t, test.want, all[0]["value"])
		assert.Contains(t, all[0], "value")
	}
	r := runCommand(t, `{"path": "x.png", "sise": 3}`+"\n-1\n", "run", "thumbnail", "--json", "-q")
	assert.Equal(t, exitItems, r.code)
	for _, o := range objects(t, r) {
		assert.Equal(t, "input", o["kind"])
	}
}

func TestRunJSONTellsHowAWorkerDied(t *testing.T) {
	r := runCommand(t, "", "run", "exit", "3", "--json", "--details", "-q")
	assert.Equal(t, exitItems, r.code)
	o := objects(t, r)[0]
	assert.Equal(t, "exit", o["kind"])
	assert.Equal(t, "exit", o["reason"])
	assert.EqualValues(t, 3, o["code"])
	assert.Equal(t, "3", o["input"])
	assert.NotZero(t, o["pid"])
	assert.NotContains(t, o, "signal")
}

func TestRunLinesMayBePathsWhileTheOutputIsJSON(t *testing.T) {
	r := runCommand(t, "testdata/go/sample.go\n", "run", "gostats", "--json", "--stdin", "lines", "-q")
	assert.Equal(t, exitOK, r.code, r.stderr)
	o := objects(t, r)[0]
	assert.Equal(t, "testdata/go/sample.go", o["input"])
	assert.EqualValues(t, 3, o["value"].(map[string]any)["functions"])
}

func TestRunGostatsTotals(t *testing.T) {
	r := runCommand(t, "", "run", "gostats", "--totals", "testdata")
	assert.Equal(t, exitOK, r.code, r.stderr)
	assert.Contains(t, r.stdout, "longest functions")
	assert.Contains(t, r.stdout, "(*T).branches")
	assert.NotContains(t, r.stdout, "52 lines (")

	r = runCommand(t, "", "run", "gostats", "--totals", "testdata", "--json", "-q")
	all := objects(t, r)
	require.Len(t, all, 1)
	assert.EqualValues(t, 1, all[0]["total"].(map[string]any)["files"])
}

func TestRunThumbnailsADirectory(t *testing.T) {
	path, out := imageFile(t, "a.png", picture(300, 200)), t.TempDir()
	r := runCommand(t, "", "run", "thumbnail", "--out", out, "--size", "30", filepath.Dir(path))
	assert.Equal(t, exitOK, r.code, r.stderr)
	assert.Contains(t, r.stdout, "png 300x200 -> ")
	assert.Equal(t, 30, decodeJPEG(t, thumbnailPath(out, path)).Bounds().Dx())
}

func TestRunPrintsWhatWcAndSha256sumPrint(t *testing.T) {
	files := distributionFiles(t, "src/strings/*.go")
	r := runCommand(t, "", append([]string{"run", "wordcount", "-q"}, files...)...)
	assert.Equal(t, wcOutput(t, "", files...), r.stdout)

	sha256sum, err := exec.LookPath("sha256sum")
	if err != nil {
		t.Skip("there is no sha256sum to compare with")
	}
	want, err := exec.Command(sha256sum, files...).Output()
	require.NoError(t, err)
	r = runCommand(t, "", append([]string{"run", "sha256", "-q"}, files...)...)
	assert.Equal(t, string(want), r.stdout)
}

func TestRunKeepsWhatWorkersPrintApart(t *testing.T) {
	r := runCommand(t, "", "run", "print", "a\x1b[2Jb", "-q")
	assert.Equal(t, exitOK, r.code)
	assert.Equal(t, "a\x1b[2Jb\n", r.stdout, "results are data, as they are")
	assert.Contains(t, r.stderr, `stdout: a\x1b[2Jb`+"\n")
	assert.Contains(t, r.stderr, `stderr: a\x1b[2Jb`+"\n")
	assert.NotContains(t, r.stderr, "\x1b")
}

func TestRunFailuresCannotDriveTheTerminal(t *testing.T) {
	r := runCommand(t, "", "run", "fail", "a\x1b[2J\nprocpool: forged line", "-q")
	assert.Equal(t, exitItems, r.code)
	assert.NotContains(t, r.stderr, "\x1b")
	assert.Equal(t, 1, strings.Count(r.stderr, "\n"))
}

func TestRunReadsAnEndlessInputOnlyAsFarAsItMust(t *testing.T) {
	leaktest.Check(t)
	stdin := &endless{}
	var stderr bytes.Buffer
	reader, writer := io.Pipe()
	code := make(chan int, 1)
	go func() {
		defer reader.Close() // on error too, or the run would never end
		buf := make([]byte, 64<<10)
		_, _ = io.ReadFull(reader, buf)
	}()
	go func() { code <- run(t.Context(), []string{"run", "echo"}, stdin, writer, &stderr) }()
	select {
	case c := <-code:
		assert.Equal(t, exitOK, c)
	case <-time.After(time.Minute):
		t.Fatal("it goes on although nobody reads")
	}
	assert.Empty(t, stderr.String(), "a reader who has enough is no reason to speak")
}

func TestRunYieldsAResultWhileTheInputIsOpen(t *testing.T) {
	leaktest.Check(t)
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- run(t.Context(), []string{"run", "echo", "-q"}, inR, outW, io.Discard)
		outW.Close()
	}()
	for _, line := range []string{"one\n", "two\n"} {
		_, err := io.WriteString(inW, line)
		require.NoError(t, err)
		got := make([]byte, len(line))
		_, err = io.ReadFull(outR, got)
		require.NoError(t, err)
		assert.Equal(t, line, string(got))
	}
	require.NoError(t, inW.Close())
	assert.Equal(t, exitOK, <-done)
}

// signalled is a buffer that tells when it has seen some text.
type signalled struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	text string
	seen chan struct{}
	once sync.Once
}

func (s *signalled) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf.Write(p)
	if strings.Contains(s.buf.String(), s.text) {
		s.once.Do(func() { close(s.seen) })
	}
	return len(p), nil
}

func (s *signalled) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

func TestRunInterruptedPrintsWhatItHas(t *testing.T) {
	leaktest.Check(t)
	for _, function := range []string{"sleep", "hang"} {
		t.Run(function, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			inR, inW := io.Pipe()
			defer inW.Close()
			stdout := &signalled{text: "0s\n", seen: make(chan struct{})}
			var stderr bytes.Buffer
			args := []string{"run", "sleep", "0s", "-"}
			if function == "hang" {
				args = []string{"run", "hang", "x", "-"}
				close(stdout.seen)
			}
			time.AfterFunc(time.Minute, cancel)
			go func() {
				<-stdout.seen
				cancel()
			}()
			started := time.Now()
			code := run(ctx, args, inR, stdout, &stderr)
			assert.Equal(t, exitInterrupted, code)
			assert.Contains(t, stderr.String(), "procpool: interrupted")
			assert.Less(t, time.Since(started), 20*time.Second)
			if function == "sleep" {
				assert.Equal(t, "0s\n", stdout.String())
			}
		})
	}
}

func TestRunReportsAnInputThatCannotBeRead(t *testing.T) {
	leaktest.Check(t)
	var stdout, stderr bytes.Buffer
	stdin := io.MultiReader(strings.NewReader("one\n"), errReader{errors.New("disk on fire")})
	code := run(t.Context(), []string{"run", "echo"}, stdin, &stdout, &stderr)
	assert.Equal(t, exitBroken, code)
	assert.Equal(t, "one\n", stdout.String())
	assert.Contains(t, stderr.String(), "procpool: standard input, after line 1: disk on fire")
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

func TestRunReportsAnOutputThatCannotBeWritten(t *testing.T) {
	leaktest.Check(t)
	var stderr bytes.Buffer
	full := writerFunc(func([]byte) (int, error) { return 0, errors.New("no space left") })
	code := run(t.Context(), []string{"run", "echo", "a"}, strings.NewReader(""), full, &stderr)
	assert.Equal(t, exitBroken, code)
	assert.Contains(t, stderr.String(), "procpool: no space left")
}

func TestRunReportsAPoolThatDoesNotStart(t *testing.T) {
	proc.StartHook = func(proc.Spec) error { return syscall.EMFILE }
	t.Cleanup(func() { proc.StartHook = nil })
	r := runCommand(t, "", "run", "echo", "a")
	assert.Equal(t, exitBroken, r.code)
	assert.Empty(t, r.stdout)
	assert.Contains(t, r.stderr, "procpool: start of a worker failed (spawn)")
	assert.Contains(t, r.stderr, "too many open files")
	assert.NotContains(t, r.stderr, "summary")
}

func TestFunctionsListsThemAll(t *testing.T) {
	r := runCommand(t, "", "functions")
	assert.Equal(t, exitOK, r.code)
	for _, b := range builtins {
		assert.Contains(t, r.stdout, b.name)
	}
	r = runCommand(t, "", "functions", "--json")
	all := objects(t, r)
	require.Len(t, all, len(builtins))
	assert.Equal(t, "gostats", all[0]["name"])
	assert.Equal(t, "path", all[0]["takes"])
}

func TestVersionNamesGo(t *testing.T) {
	r := runCommand(t, "", "version")
	assert.Contains(t, r.stdout, runtime.Version())
	r = runCommand(t, "", "version", "--json")
	assert.Equal(t, runtime.GOOS+"/"+runtime.GOARCH, objects(t, r)[0]["platform"])
}

func TestDemoShowsACrashAndNamesItsCost(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only on Linux does the signal show")
	}
	r := runCommand(t, "", "demo", "--dir", ".", "--workers", "2")
	assert.Equal(t, exitOK, r.code, r.stderr)
	assert.Contains(t, r.stdout, "signal: segmentation fault")
	assert.Contains(t, r.stdout, "speed-up")
}

// counted is standard input with so many lines. It looks at the heap when mark of them have been read, and at the end.
type counted struct {
	next, mark, end int
	heap            [2]uint64
	rest            []byte
}

func (c *counted) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		switch c.next {
		case c.mark:
			c.heap[0] = heapInUse()
		case c.end:
			c.heap[1] = heapInUse()
			return 0, io.EOF
		}
		c.next++
		c.rest = fmt.Appendf(nil, "%d\n", c.next)
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestRunTakesNoMoreMemoryForMoreInputs(t *testing.T) {
	for _, args := range []string{"run echo -q --shuf", "run echo -q --unordered --joblog " + filepath.Join(t.TempDir(), "log")} {
		leaktest.Check(t)
		stdin := &counted{mark: 80_000, end: 300_000}
		lines := &lineCounter{}
		assert.Equal(t, exitOK, run(t.Context(), strings.Fields(args), stdin, lines, io.Discard))
		assert.Equal(t, 300_000, lines.n)
		assert.Less(t, int64(stdin.heap[1])-int64(stdin.heap[0]), int64(16<<20), args) // to keep them would take 50 MiB
	}
}

type lineCounter struct{ n int }

func (l *lineCounter) Write(p []byte) (int, error) {
	l.n += bytes.Count(p, []byte("\n"))
	return len(p), nil
}
