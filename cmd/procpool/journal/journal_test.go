package journal

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keyOf is the key of a line.
func keyOf(text string) Key { return KeyOf("echo", []byte(text), "") }

// bench is a journal with the file that is standard output.
type bench struct {
	t      *testing.T
	path   string
	out    *os.File // appended to
	warned []string
}

func newBench(t *testing.T) *bench {
	dir := t.TempDir()
	out, err := os.OpenFile(filepath.Join(dir, "out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	require.NoError(t, err)
	t.Cleanup(func() { _ = out.Close() })
	return &bench{t: t, path: filepath.Join(dir, "journal"), out: out}
}

func (b *bench) config(mode Mode) Config {
	return Config{
		Path: b.path, Mode: mode, Function: "echo", Program: "procpool test", Stdout: b.out,
		Warn: func(text string) { b.warned = append(b.warned, text) },
	}
}

func (b *bench) open(mode Mode) *Journal {
	b.t.Helper()
	j, err := Open(b.config(mode))
	require.NoError(b.t, err)
	return j
}

// refuses opens the journal, which must fail.
func (b *bench) refuses(c Config, text string) {
	b.t.Helper()
	j, err := Open(c)
	if err == nil {
		_ = j.Close()
	}
	require.ErrorContains(b.t, err, text)
}

// commit writes lines, which are done, to w in one batch.
func commit(t *testing.T, j *Journal, w io.Writer, lines ...string) {
	t.Helper()
	text := ""
	for _, line := range lines {
		j.Add(&Record{Key: keyOf(line), State: Done, Input: line})
		text += line + "\n"
	}
	require.NoError(t, j.Commit([]byte(text), w))
}

func (b *bench) read() string {
	text, err := os.ReadFile(b.out.Name())
	require.NoError(b.t, err)
	return string(text)
}

func (b *bench) journal() string {
	text, err := os.ReadFile(b.path)
	require.NoError(b.t, err)
	return string(text)
}

func (b *bench) write(journal string) {
	require.NoError(b.t, os.WriteFile(b.path, []byte(journal), 0o666))
}

// states are what the journal knows of the lines, in turn.
func states(j *Journal, lines ...string) []State {
	var all []State
	for _, line := range lines {
		s, _ := j.Take(keyOf(line))
		all = append(all, s)
	}
	return all
}

func TestALineThatOccursThreeTimesIsThreeTasks(t *testing.T) {
	b := newBench(t)
	j := b.open(Create)
	commit(t, j, b.out, "x", "y", "x")
	require.NoError(t, j.Close())

	j = b.open(Resume)
	defer j.Close()
	assert.Equal(t, 3, j.Done())
	assert.Equal(t, []State{Done, Done, Unknown, Done, Unknown, Unknown}, states(j, "x", "x", "x", "y", "y", "z"))
	assert.Empty(t, b.warned)
}

func TestARetryTakesThePlaceOfTheFailure(t *testing.T) {
	b := newBench(t)
	j := b.open(Create)
	for range 2 {
		j.Add(&Record{Key: keyOf("x"), State: Failed, Kind: "exit", Error: "signal: killed", Input: "x"})
	}
	commit(t, j, b.out, "x")
	j.Add(&Record{Key: keyOf("x"), State: Done, Was: Failed, Input: "x"})
	require.NoError(t, j.Commit([]byte("x\n"), b.out))
	require.NoError(t, j.Close())

	j = b.open(Retry)
	defer j.Close()
	assert.Equal(t, []int{2, 1}, []int{j.Done(), j.Failed()})
	assert.Equal(t, []State{Done, Done, Failed, Unknown}, states(j, "x", "x", "x", "x"), "a fourth has never run")
}

func TestAHeldResultComesBackWithItsValueUntilItIsPrinted(t *testing.T) {
	b := newBench(t)
	j := b.open(Create)
	for _, value := range []string{"one", "two"} {
		j.Add(&Record{Key: keyOf("x"), State: Held, Value: []byte(value), Input: "x"})
	}
	require.NoError(t, j.Commit(nil, b.out))
	j.Add(&Record{Key: keyOf("x"), State: Done, Was: Held, Value: []byte("sum"), Input: "x"})
	require.NoError(t, j.Commit([]byte("one\n"), b.out))
	require.NoError(t, j.Close())

	j = b.open(Resume)
	defer j.Close()
	for _, want := range []struct {
		state State
		value string
	}{{Done, "sum"}, {Held, "two"}, {Unknown, ""}} {
		state, value := j.Take(keyOf("x"))
		assert.Equal(t, want.state, state)
		assert.Equal(t, want.value, string(value))
	}
}

func TestKeysTellFunctionsArgumentsAndVersionsApart(t *testing.T) {
	keys := map[Key]string{}
	for _, k := range [][3]string{{"f", "a", ""}, {"g", "a", ""}, {"f", "b", ""}, {"f", "a", "1"}, {"fa", "", ""}, {"", "fa", ""}, {"f", "", "a"}, {"f", "1a", ""}} {
		name := fmt.Sprint(k)
		key := KeyOf(k[0], []byte(k[1]), k[2])
		assert.NotContains(t, keys, key, name+" is "+keys[key])
		keys[key] = name
	}
}

// step is one write of a run: to the journal, or to standard output.
type step struct {
	toOutput bool
	text     string
}

// steps are all writes of a run over batches of lines.
func steps(t *testing.T, batches [][]string) []step {
	b := newBench(t)
	j := b.open(Create)
	var all []step
	seen := 0
	appended := func() {
		text := b.journal()
		all = append(all, step{false, text[seen:]})
		seen = len(text)
	}
	appended()
	w := writerFunc(func(p []byte) (int, error) {
		appended()
		all = append(all, step{true, string(p)})
		return b.out.Write(p)
	})
	for _, lines := range batches {
		commit(t, j, w, lines...)
		appended()
	}
	require.NoError(t, j.Close())
	return all
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

var someBatches = [][]string{{"a", "b", "a"}, {"a \"quoted\" é"}}

// killed has every state that a kill can leave: after each byte of each write. The journal speaks of another
// file, so that its file is made to be that of standard output.
func killed(t *testing.T, all []step, visit func(b *bench, name string)) {
	theirs := ""
	cut := func(n int) (journal, output string) {
		for _, s := range all {
			part := s.text[:min(n, len(s.text))]
			n -= len(part)
			if s.toOutput {
				output += part
			} else {
				journal += part
			}
		}
		return journal, output
	}
	length := 0
	for _, s := range all {
		length += len(s.text)
	}
	for n := 0; n <= length; n++ {
		b := newBench(t)
		info, err := b.out.Stat()
		require.NoError(t, err)
		ours := fileID(info)
		journal, output := cut(n)
		if theirs == "" {
			whole, _ := cut(length)
			theirs = between(whole, `"file":"`, `"`)
		}
		b.write(refiled(journal, theirs, ours))
		_, err = b.out.WriteString(output)
		require.NoError(t, err)
		visit(b, fmt.Sprintf("after %d bytes", n))
		_ = b.out.Close()
	}
}

func between(text, before, after string) string {
	_, text, _ = strings.Cut(text, before)
	text, _, _ = strings.Cut(text, after)
	return text
}

// refiled is a journal with another file of standard output, and sums that are right again.
func refiled(journal, from, to string) string {
	var b []byte
	for line := range strings.Lines(journal) {
		object, ok := unseal([]byte(strings.TrimSuffix(line, "\n")))
		if !ok || !strings.HasSuffix(line, "\n") {
			b = append(b, line...)
			continue
		}
		start := len(b)
		b = append(b, strings.Replace(string(object), from, to, 1)...)
		b = seal(b, start)
	}
	return string(b)
}

// rest runs what is left of the batches' lines, and returns how many those were.
func rest(t *testing.T, j *Journal, w io.Writer, batches [][]string) int {
	n := 0
	for _, line := range slices.Concat(batches...) {
		if s, _ := j.Take(keyOf(line)); s == Unknown {
			n++
			commit(t, j, w, line)
		}
	}
	return n
}

func TestAKillAtAnyByteOfAnyWriteNeitherLosesNorDoublesALineOfAFile(t *testing.T) {
	want := slices.Sorted(slices.Values(slices.Concat(someBatches...)))
	killed(t, steps(t, someBatches), func(b *bench, name string) {
		j := b.open(Resume)
		rest(t, j, b.out, someBatches)
		require.NoError(t, j.Close(), name)
		got := slices.Sorted(slices.Values(strings.Split(strings.TrimSuffix(b.read(), "\n"), "\n")))
		require.Equal(t, want, got, name)

		j = b.open(Resume)
		require.Zero(t, rest(t, j, b.out, someBatches), name+": it is done")
		require.NoError(t, j.Close(), name)
	})
}

func TestAKillWithAPipeDoublesNoMoreThanOneBatch(t *testing.T) {
	all := steps(t, someBatches)
	killed(t, all, func(b *bench, name string) {
		before := b.read()
		c := b.config(Resume)
		var after bytes.Buffer
		c.Stdout = &after // nobody can look what came out of it
		j, err := Open(c)
		require.NoError(t, err, name)
		rest(t, j, &after, someBatches)
		require.NoError(t, j.Close(), name)

		before = before[:strings.LastIndexByte(before, '\n')+1] // who reads a pipe gets a part of a line
		extra := map[string]int{}
		for line := range strings.Lines(before + after.String()) {
			extra[strings.TrimSuffix(line, "\n")]++
		}
		for _, line := range slices.Concat(someBatches...) {
			extra[line]--
		}
		sum := 0
		for line, n := range extra {
			require.GreaterOrEqual(t, n, 0, "%s: %q is lost", name, line)
			sum += n
		}
		require.LessOrEqual(t, sum, len(slices.MaxFunc(someBatches, func(a, b []string) int { return len(a) - len(b) })), name)
	})
}

func TestADamagedEndIsCutOffWithAWord(t *testing.T) {
	for _, end := range []string{`{"done":"00`, "\x00\x00\x00", "garbage\n", `{"kept":true,"sum":"00000000"}` + "\nmore\n"} {
		b := newBench(t)
		j := b.open(Create)
		commit(t, j, b.out, "a")
		require.NoError(t, j.Close())
		good := b.journal()
		b.write(good + end)

		j = b.open(Resume)
		assert.Equal(t, []State{Done}, states(j, "a"))
		require.NoError(t, j.Close())
		require.Len(t, b.warned, 1)
		assert.Contains(t, b.warned[0], fmt.Sprintf("%d bytes were cut off", len(end)))
		assert.True(t, strings.HasPrefix(b.journal(), good+`{"run"`))
	}
}

func TestDamageElsewhereIsReportedByLineAndDoesNotCount(t *testing.T) {
	b := newBench(t)
	j := b.open(Create)
	commit(t, j, b.out, "a", "b", "c")
	commit(t, j, b.out, "d")
	require.NoError(t, j.Close())
	lines := strings.SplitAfter(b.journal(), "\n")
	require.Contains(t, lines[4], `"in":"b"`)
	lines[4] = strings.Replace(lines[4], `"in":"b"`, `"in":"B"`, 1)
	b.write(strings.Join(lines, ""))

	j = b.open(Resume)
	defer j.Close()
	assert.Equal(t, []State{Done, Unknown, Done, Done}, states(j, "a", "b", "c", "d"))
	require.Len(t, b.warned, 1)
	assert.Contains(t, b.warned[0], "line 5 is damaged and does not count")
	assert.Equal(t, strings.Join(lines, ""), b.journal()[:len(strings.Join(lines, ""))], "it stays as it is")
}

func TestAnyDamagedLineCostsItsBatchAtMost(t *testing.T) {
	b := newBench(t)
	j := b.open(Create)
	commit(t, j, b.out, "a", "b")
	commit(t, j, b.out, "c", "d")
	commit(t, j, b.out, "e")
	require.NoError(t, j.Close())
	lines := strings.SplitAfter(b.journal(), "\n")
	for i := 1; i < len(lines)-2; i++ { // the last line is cut off; the one after it is empty
		damaged := slices.Clone(lines)
		damaged[i] = "?" + damaged[i][1:]
		b.write(strings.Join(damaged, ""))
		j := b.open(Resume)
		known := 0
		for _, s := range states(j, "a", "b", "c", "d", "e") {
			if s == Done {
				known++
			}
		}
		assert.GreaterOrEqual(t, known, 3, "line %d", i+1)
		assert.Contains(t, b.warned[len(b.warned)-1], fmt.Sprintf("line %d is damaged", i+1))
		require.NoError(t, j.Close())
	}
}

func TestWhatIsNoJournalIsRefusedAndLeftAlone(t *testing.T) {
	for name, content := range map[string]string{
		"a text":                  "some notes\nof mine\n",
		"a line without an end":   "some notes",
		"other JSON":              `{"name":"x"}` + "\n",
		"a newer journal":         `{"journal":2,"what":"ever"}` + "\n",
		"a damaged first line":    `{"journal":1,"function":"echo","program":"p","created":"c","sum":"00000000"}` + "\n",
		"zeros":                   strings.Repeat("\x00", 5000),
		"a line that is too long": strings.Repeat("x", maxLine+10),
	} {
		for _, mode := range []Mode{Create, Resume, Retry} {
			b := newBench(t)
			b.write(content)
			_, err := Open(b.config(mode))
			require.Error(t, err, name)
			assert.Equal(t, content, b.journal(), name)
		}
	}
	b := newBench(t)
	b.write(`{"journal":2,"what":"ever"}` + "\n")
	b.refuses(b.config(Resume), "has the version 2, and this procpool reads version 1")
	b.write("notes\n")
	b.refuses(b.config(Resume), "is not a journal; it was left as it is")
}

func TestAJournalOfAnotherFunctionIsRefused(t *testing.T) {
	b := newBench(t)
	j := b.open(Create)
	commit(t, j, b.out, "a")
	require.NoError(t, j.Close())
	c := b.config(Resume)
	c.Function = "sha256"
	b.refuses(c, "it is of the function echo, and this run is of sha256")
}

func TestAJournalThatExistsIsNotBegunAgain(t *testing.T) {
	b := newBench(t)
	j := b.open(Create)
	commit(t, j, b.out, "a")
	require.NoError(t, j.Close())
	before := b.journal()
	b.refuses(b.config(Create), "it exists: add --resume")
	assert.Equal(t, before, b.journal())
}

func TestAJournalWithoutARecordIsBegunAgain(t *testing.T) {
	b := newBench(t)
	for range 3 {
		require.NoError(t, b.open(Create).Close())
	}
	assert.Equal(t, 2, strings.Count(b.journal(), "\n"))
}

func TestAnEmptyFileOrNoneIsANewJournal(t *testing.T) {
	for _, mode := range []Mode{Create, Resume} {
		b := newBench(t)
		b.write("")
		require.NoError(t, b.open(mode).Close())
		require.NoError(t, os.Remove(b.path))
		require.NoError(t, b.open(mode).Close())
	}
	b := newBench(t)
	b.refuses(b.config(Retry), "there is none")
	assert.NoFileExists(t, b.path)
}

func TestATornFirstLineIsBegunAgain(t *testing.T) {
	b := newBench(t)
	b.write(`{"journal":1,"func`)
	b.refuses(b.config(Create), "it exists")
	require.NoError(t, b.open(Resume).Close())
	assert.Contains(t, b.warned[0], "18 bytes were cut off")
	require.NoError(t, b.open(Resume).Close())
}

func TestWhatIsNoRegularFileIsRefused(t *testing.T) {
	b := newBench(t)
	c := b.config(Resume)
	c.Path = t.TempDir()
	b.refuses(c, "not a regular file")
	c.Path = os.DevNull
	b.refuses(c, "not a regular file")
	c.Path = b.out.Name()
	b.refuses(c, "standard output too")
	c.Path = filepath.Join(t.TempDir(), "no", "such", "directory")
	b.refuses(c, "no such file or directory")
}

func TestASecondRunIsRefusedWithTheProcessOfTheFirst(t *testing.T) {
	b := newBench(t)
	j := b.open(Create)
	b.refuses(b.config(Resume), fmt.Sprintf("in use by another run (process %d)", os.Getpid()))
	commit(t, j, b.out, "a")
	b.refuses(b.config(Create), "in use by another run")
	require.NoError(t, j.Close())
	require.NoError(t, b.open(Resume).Close(), "the lock has gone with the run")
}

func TestAnEmptiedFileOfStandardOutputIsAnError(t *testing.T) {
	b := newBench(t)
	j := b.open(Create)
	commit(t, j, b.out, "a", "b")
	require.NoError(t, j.Close())
	require.NoError(t, b.out.Truncate(0))
	before := b.journal()
	b.refuses(b.config(Resume), "had the results of 2 items that are done, and is empty now")
	assert.Equal(t, before, b.journal())
	c := b.config(Resume)
	c.Stdout = &bytes.Buffer{}
	j, err := Open(c)
	require.NoError(t, err, "another output will do")
	defer j.Close()
	assert.Equal(t, []State{Done}, states(j, "a"))
}

func TestWhatAShorterFileOfStandardOutputLacksRunsAgain(t *testing.T) {
	b := newBench(t)
	j := b.open(Create)
	commit(t, j, b.out, "a", "b")
	commit(t, j, b.out, "c", "d")
	require.NoError(t, j.Close())
	require.NoError(t, b.out.Truncate(int64(len("a\nb\nc"))))
	j = b.open(Resume)
	defer j.Close()
	assert.Equal(t, []State{Done, Done, Unknown, Unknown}, states(j, "a", "b", "c", "d"))
	assert.Contains(t, b.warned[0], "shorter than it was; the 2 items")
}

// inDoubt leaves a batch of one line open, with the output that write leaves.
func inDoubt(t *testing.T, b *bench, write func(text []byte)) {
	t.Helper()
	j := b.open(Create)
	commit(t, j, b.out, "first")
	j.Add(&Record{Key: keyOf("second line"), State: Done})
	err := j.Commit([]byte("second line\n"), writerFunc(func(p []byte) (int, error) {
		write(p)
		return 0, io.ErrShortWrite
	}))
	require.ErrorIs(t, err, io.ErrShortWrite)
	require.NoError(t, j.Close())
}

func TestABatchInDoubtIsJudgedByTheFile(t *testing.T) {
	for _, test := range []struct {
		name, left, after string
		state             State
	}{
		{"nothing was written", "", "first\n", Unknown},
		{"a part was written", "second", "first\n", Unknown},
		{"all was written", "second line\n", "first\nsecond line\n", Done},
		{"all, and others wrote on", "second line\nKilled\n", "first\nsecond line\nKilled\n", Done},
		{"others wrote instead", "somebody wrote this\n", "first\nsomebody wrote this\n", Unknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			inDoubt(t, b, func([]byte) { _, _ = b.out.WriteString(test.left) })
			j := b.open(Resume)
			assert.Equal(t, []State{Done, test.state}, states(j, "first", "second line"))
			assert.Equal(t, test.after, b.read())
			require.NoError(t, j.Close())

			j = b.open(Resume)
			defer j.Close()
			assert.Equal(t, []State{Done, test.state}, states(j, "first", "second line"), "the verdict is kept")
		})
	}
}

func TestABatchWhoseVerdictIsDamagedDoesNotCount(t *testing.T) {
	b := newBench(t)
	inDoubt(t, b, func([]byte) {})
	j := b.open(Resume)
	commit(t, j, b.out, "third")
	require.NoError(t, j.Close())
	require.Contains(t, b.journal(), `{"kept":false`)
	b.write(strings.Replace(b.journal(), `{"kept":false`, `{"kept":maybe`, 1))
	j = b.open(Resume)
	defer j.Close()
	assert.Equal(t, []State{Done, Unknown, Done}, states(j, "first", "second line", "third"))
}

func TestOutputThatSharesItsFileWithStandardErrorHasNoPositions(t *testing.T) {
	b := newBench(t)
	c := b.config(Create)
	c.Stderr = b.out
	j, err := Open(c)
	require.NoError(t, err)
	commit(t, j, b.out, "a")
	require.NoError(t, j.Close())
	assert.NotContains(t, b.journal(), `"file"`)
}

func TestAFullDiskEndsTheRunAndIsMended(t *testing.T) {
	b := newBench(t)
	j := b.open(Create)
	commit(t, j, b.out, "a")
	require.NoError(t, j.file.Close())
	j.Add(&Record{Key: keyOf("b"), State: Done})
	err := j.Commit([]byte("b\n"), b.out)
	require.ErrorContains(t, err, "journal ")
	assert.Equal(t, "a\n", b.read(), "no output without its record")
	_ = j.Close()
}

func TestSyncEndsWithTheJournal(t *testing.T) {
	b := newBench(t)
	c := b.config(Create)
	c.Sync = time.Millisecond
	j, err := Open(c)
	require.NoError(t, err)
	for range 20 {
		commit(t, j, b.out, "a")
	}
	require.NoError(t, j.Close())
}

func TestRecordsAreReadableAndClipped(t *testing.T) {
	b := newBench(t)
	j := b.open(Create)
	j.Add(&Record{Key: keyOf("x"), State: Failed, Kind: "returned", Error: strings.Repeat("e", 5000), Input: "\"\x00\xff" + strings.Repeat("é", 500)})
	require.NoError(t, j.Commit(nil, nil))
	require.NoError(t, j.Close())
	assert.Contains(t, b.journal(), `"kind":"returned","error":"eeee`)
	assert.Less(t, len(b.journal()), 3000)
	j = b.open(Resume)
	defer j.Close()
	assert.Equal(t, []State{Failed}, states(j, "x"))
	assert.Empty(t, b.warned)
}

func TestCountsCountLikeAMap(t *testing.T) {
	var c counts
	want := map[Key]int{}
	for i := range 20000 {
		k := keyOf(fmt.Sprint(i % 7000))
		if i%3 == 0 && i > 9000 {
			k = keyOf(fmt.Sprint(i % 100))
			if assert.Equal(t, want[k] > 0, c.take(k)) && want[k] > 0 {
				want[k]--
			}
			continue
		}
		c.add(k)
		want[k]++
	}
	for k := range maps.Keys(want) {
		for ; want[k] > 0; want[k]-- {
			assert.True(t, c.take(k))
		}
		assert.False(t, c.take(k))
	}
	assert.False(t, c.take(keyOf("never")))
}

func TestCountsGoRoundTheEndOfTheTable(t *testing.T) {
	var c counts
	c.reserve(20)
	for i := range 15 {
		k := Key{0: 0xff, 1: 0xff, 15: byte(i)}
		c.add(k)
		assert.True(t, c.take(k))
		assert.False(t, c.take(k))
	}
}
