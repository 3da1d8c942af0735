//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/worker"
)

func TestMain(m *testing.M) {
	worker.Main()
	parent = true
	os.Exit(m.Run())
}

// complaints is what a book says, without the words.
type complaints []verdict

func (c *complaints) book() *book {
	return newBook(func(v verdict, _ string) { *c = append(*c, v) })
}

// ran is a history.
func ran(text string) history {
	h, err := parseLedger(text)
	if err != nil {
		panic(err)
	}
	return h
}

var once = terms{attempts: 1}

func TestABookWithoutMistakesIsSilent(t *testing.T) {
	var c complaints
	b := c.book()
	b.answer(b.open(kinds["nothing"], once), succeeded, 1, "")
	b.answer(b.open(kinds["exit 7"], terms{attempts: 2}), exitStatus+"7", 2, "")
	b.answer(b.open(kinds["argument not encodable"], once), encodeParent, 0, "")
	b.answer(b.open(kinds["endless loop"], terms{attempts: 1, limited: true}), timedOut, 1, "")
	b.answer(b.open(kinds["nothing"], terms{attempts: 1, withdraws: true}), cancelled, 0, "")
	b.accident(killed, 1)
	b.answer(b.open(kinds["nothing"], once), killed, 1, "")
	b.audit(ran("S 0\nE 0\nS 1\nS 1\nS 3\nS 5\n"))
	assert.Empty(t, c)
}

// A book that cannot complain proves nothing: each of these mistakes must be found, and be called what it is.
func TestABookFindsEachMistake(t *testing.T) {
	const wholly = "S 0\nE 0\n"
	for name, test := range map[string]struct {
		terms  terms
		kind   string
		answer func(*book)
		ran    string
		want   verdict
	}{
		"no answer":                    {once, "nothing", func(*book) {}, wholly, lost},
		"answered twice":               {once, "nothing", func(b *book) { b.answer(0, succeeded, 1, ""); b.answer(0, succeeded, 1, "") }, wholly, duplicated},
		"answered, then lost":          {once, "exit 7", func(b *book) { b.answer(0, exitStatus+"7", 1, ""); b.answer(0, succeeded, 1, "") }, "S 0\n", duplicated},
		"nobody's answer":              {once, "nothing", func(b *book) { b.answer(0, succeeded, 1, ""); b.answer(1, succeeded, 1, "") }, wholly, wrong},
		"succeeded without running":    {once, "nothing", func(b *book) { b.answer(0, succeeded, 1, "") }, "", lost},
		"succeeded without ending":     {once, "nothing", func(b *book) { b.answer(0, succeeded, 1, "") }, "S 0\n", lost},
		"run twice":                    {once, "nothing", func(b *book) { b.answer(0, succeeded, 1, "") }, wholly + wholly, duplicated},
		"run twice, one answer's":      {terms{attempts: 3}, "nothing", func(b *book) { b.answer(0, succeeded, 1, "") }, wholly + wholly, duplicated},
		"run too often":                {terms{attempts: 2}, "exit 7", func(b *book) { b.answer(0, exitStatus+"7", 2, "") }, "S 0\nS 0\nS 0\n", duplicated},
		"lost, and run twice":          {once, "exit 7", func(b *book) { b.answer(0, exitStatus+"7", 1, "") }, "S 0\nS 0\n", duplicated},
		"a death for success":          {once, "exit 0", func(b *book) { b.answer(0, succeeded, 1, "") }, wholly, wrong},
		"another death":                {once, "exit 7", func(b *book) { b.answer(0, exitStatus+"0", 1, "") }, "S 0\n", wrong},
		"a kill nobody did":            {once, "nothing", func(b *book) { b.answer(0, killed, 1, "") }, "S 0\n", wrong},
		"a limit nobody set":           {once, "nothing", func(b *book) { b.answer(0, timedOut, 1, "") }, "S 0\n", wrong},
		"cancelled by nobody":          {once, "nothing", func(b *book) { b.answer(0, cancelled, 0, "") }, "", wrong},
		"withdrawn by nobody":          {once, "nothing", func(b *book) { b.answer(0, withdrawn, 0, "") }, "", wrong},
		"closed, and it is open":       {once, "nothing", func(b *book) { b.answer(0, closed, 0, "") }, "", wrong},
		"broken, and it is not":        {once, "nothing", func(b *book) { b.answer(0, broken, 0, "") }, "", wrong},
		"full, and it may wait":        {once, "nothing", func(b *book) { b.answer(0, queueFull, 0, "") }, "", wrong},
		"an unknown error":             {once, "nothing", func(b *book) { b.answer(0, "unknown: *errors.errorString", 1, "") }, "S 0\n", wrong},
		"not encodable, and it ran":    {once, "argument not encodable", func(b *book) { b.answer(0, encodeParent, 0, "") }, "S 0\n", wrong},
		"full, and it ran":             {terms{attempts: 1, nonBlocking: true}, "nothing", func(b *book) { b.answer(0, queueFull, 0, "") }, wholly, wrong},
		"not tried again":              {terms{attempts: 2}, "exit 7", func(b *book) { b.answer(0, exitStatus+"7", 1, "") }, "S 0\n", wrong},
		"tried too often":              {once, "exit 7", func(b *book) { b.answer(0, exitStatus+"7", 2, "") }, "S 0\n", wrong},
		"a task that nobody submitted": {once, "nothing", func(b *book) { b.answer(0, succeeded, 1, "") }, wholly + "S 8\n", wrong},
	} {
		t.Run(name, func(t *testing.T) {
			var c complaints
			b := c.book()
			b.open(kinds[test.kind], test.terms)
			test.answer(b)
			b.audit(ran(test.ran))
			assert.Contains(t, c, test.want)
		})
	}
}

// One kill explains one loss, in the answers and in the ledger.
func TestABookCountsAccidents(t *testing.T) {
	var c complaints
	b := c.book()
	b.accident(killed, 1)
	for range 2 {
		b.answer(b.open(kinds["nothing"], once), killed, 1, "")
	}
	assert.Equal(t, complaints{wrong}, c)
	b.audit(ran("S 0\nS 1\n"))
	assert.Equal(t, complaints{wrong, lost}, c)
}

// A retry hides a death from the caller, but not from the ledger.
func TestABookFindsADeathThatARetryHides(t *testing.T) {
	var c complaints
	b := c.book()
	b.answer(b.open(kinds["nothing"], terms{attempts: 2}), succeeded, 2, "")
	b.audit(ran("S 0\nS 0\nE 0\n"))
	assert.Equal(t, complaints{lost}, c)
}

func TestAStrayFailureNeedsAnAccident(t *testing.T) {
	var c complaints
	b := c.book()
	b.stray(killed, "")
	assert.Equal(t, complaints{wrong}, c)
}

func TestALedgerIsReadAsWritten(t *testing.T) {
	l := ledger(filepath.Join(t.TempDir(), "ledger"))
	require.NoError(t, l.enter(start, 3))
	require.NoError(t, l.enter(start, 3))
	require.NoError(t, l.enter(end, 3))
	h, err := l.read()
	require.NoError(t, err)
	assert.Equal(t, map[int]int{3: 2}, h.started)
	assert.Equal(t, map[int]int{3: 1}, h.ended)
	for _, text := range []string{"S\n", "X 1\n", "SS 1\n", "\n"} {
		_, err := parseLedger(text)
		assert.Error(t, err, "%q", text)
	}
}

// batchOf is a batch of n tasks that left marks.
func batchOf(t *testing.T, c *soak, n int, page string) *batch {
	file := filepath.Join(t.TempDir(), "marks")
	require.NoError(t, os.WriteFile(file, []byte(page), 0o600))
	return &batch{killing: &killing{soak: c, log: &tail{}, kills: 1, batches: map[string]int{}}, name: "marks", file: file, tasks: make([]tiny, n), answered: make([]int, n)}
}

func TestABatchFindsEachMistake(t *testing.T) {
	for name, test := range map[string]struct {
		answered []int
		dead     []int
		page     string
		want     verdict // "" for none
	}{
		"no mistake":                    {[]int{1, 1}, nil, "\x01\x01\x01\x01", ""},
		"the running one lost":          {[]int{1, 1}, []int{1}, "\x01\x01\x01\x00", ""},
		"lost after its end":            {[]int{1, 1}, []int{1}, "\x01\x01\x01\x01", ""},
		"claimed and not begun":         {[]int{1, 1}, []int{1}, "\x01\x01\x00\x00", ""},
		"two lost by one kill":          {[]int{1, 1}, []int{0, 1}, "\x01\x00\x01\x00", lost},
		"silent":                        {[]int{1, 0}, nil, "\x01\x01\x01\x01", lost},
		"answered twice":                {[]int{1, 2}, nil, "\x01\x01\x01\x01", duplicated},
		"run twice":                     {[]int{1, 1}, nil, "\x01\x01\x02\x02", duplicated},
		"killed, and answered all same": {[]int{1, 1}, nil, "\x01\x01\x01\x00", lost},
		"answered and never run":        {[]int{1, 1}, nil, "\x01\x01\x00\x00", lost},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSoak(1, new(bytes.Buffer))
			b := batchOf(t, s, 2, test.page)
			b.answered, b.dead = test.answered, test.dead
			b.check()
			if test.want == "" {
				assert.Empty(t, s.complaints)
			} else {
				assert.Positive(t, s.complaints[test.want], "%v", s.complaints)
			}
		})
	}
}

func TestMemoryThatGrowsIsFound(t *testing.T) {
	base := resources{heap: 5 * mebibyte, resident: 30 * mebibyte, threads: 10}
	for name, change := range map[string]func(*resources){
		"heap":     func(r *resources) { r.heap += 20 * mebibyte },
		"resident": func(r *resources) { r.resident += 100 * mebibyte },
		"threads":  func(r *resources) { r.threads += 100 },
	} {
		s := newSoak(1, new(bytes.Buffer))
		now := base
		s.flat(&base, &now)
		assert.False(t, s.hasFailed(), name)
		change(&now)
		s.flat(&base, &now)
		assert.True(t, s.hasFailed(), name)
	}
}

func TestASoakOfSomeSeconds(t *testing.T) {
	var out bytes.Buffer
	assert.Equal(t, exitOK, run([]string{"-for", "3s", "-epoch", "1s", "-seed", "11"}, &out), "%s", &out)
	assert.Contains(t, out.String(), "seed 11")
	assert.Equal(t, exitOK, run([]string{"-kills", "10", "-seed", "11"}, &out), "%s", &out)
	assert.Equal(t, exitUsage, run([]string{"-no-such-flag"}, &out))
	assert.Contains(t, out.String(), "kills")
}
