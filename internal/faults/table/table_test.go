package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The committed table names the tests that there are. What they found is not looked at here.
func TestFAULTSIsUpToDate(t *testing.T) {
	root, err := findRoot(".")
	require.NoError(t, err)
	all, err := findTests(root)
	require.NoError(t, err)
	rows, errs := readRows(rowsText, untestedText, all)
	require.NoError(t, errors.Join(errs...), "mend internal/faults/table/rows.txt or untested.txt, then run `make faults`")
	committed, err := os.ReadFile(filepath.Join(root, "FAULTS.md"))
	require.NoError(t, err)
	var fresh bytes.Buffer
	render(&fresh, "", rows, settings, make([]run, len(settings)))
	want, got := listing(fresh.String()), listing(string(committed))
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("FAULTS.md lacks  %s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("FAULTS.md has, and the source has not,  %s", line)
		}
	}
	if t.Failed() {
		t.Log("FAULTS.md is out of date: run `make faults`")
	}
}

func TestTheListIsWhole(t *testing.T) {
	rows, _ := readRows(rowsText, untestedText, nil)
	numbered, attacks := 0, 0
	for _, r := range rows {
		if strings.HasPrefix(r.id, "S") {
			attacks++
		} else {
			numbered++
		}
	}
	assert.Equal(t, 117, numbered)
	assert.Equal(t, 20, attacks)
}

func TestATestIsNamedAfterItsRows(t *testing.T) {
	for name, want := range map[string]string{
		"TestRow007DeathInTheInitializer":      "7",
		"TestRow006And071HelloCut":             "6 71",
		"TestRow002To005And020And022To023Even": "2 3 4 5 20 22 23",
		"TestRow035AndRow108AParent":           "35 108",
		"TestRowS20WorkerThatScribbles":        "S20",
		"TestRow081AndS2AndS3AndTheRest":       "81 S2 S3",
		"FuzzRow115Reader":                     "115",
		"TestRow064ToTheEnd":                   "64",
		"TestRowsAreMany":                      "",
		"TestSomething":                        "",
	} {
		assert.Equal(t, want, strings.Join(provenBy(name), " "), name)
	}
}

func TestARowNeedsATestOrAReasonAndNotBoth(t *testing.T) {
	all := []test{{"a", "TestRow001X"}, {"a", "TestRow003X"}, {"a", "TestRow009X"}, {"b", "FuzzY"}}
	const faults = `
# a comment
1 | proven
2 | excused
3 | proven and excused
4 | nothing
5 | by reference | 1
6 | by name | b.FuzzY
7 | by what is not there | b.FuzzZ 8
6 | twice
`
	rows, errs := readRows(faults, "2 | needs wings\n3 | lazy\n10 | unknown\n", all)
	assert.Len(t, rows, 8)
	assert.Equal(t, "needs wings", rows[1].reason)
	assert.Equal(t, []test{{"b", "FuzzY"}}, rows[5].tests)
	text := errors.Join(errs...).Error()
	for _, want := range []string{
		"row 3 (proven and excused) has tests, and a reason for having none: lazy",
		"row 4 (nothing) has neither a test nor a reason",
		"row 6 is there twice",
		"row 7: there is no test b.FuzzZ",
		"row 7: there is no row 8 to prove it",
		"a.TestRow009X is named after row 9, which the list does not have",
		"a reason is given for row 10, which the list does not have",
	} {
		assert.Contains(t, text, want)
	}
	for _, fine := range []string{"row 1 ", "row 2 ", "row 5 "} {
		assert.NotContains(t, text, fine)
	}
}

// What go test -json wrote of a package with one test of each kind, of one that leaked and of one that did not build.
const recorded = `
{"Action":"start","Package":"github.com/procpool/procpool/x"}
{"Action":"run","Package":"github.com/procpool/procpool/x","Test":"TestA"}
{"Action":"output","Package":"github.com/procpool/procpool/x","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"run","Package":"github.com/procpool/procpool/x","Test":"TestA/as_root"}
{"Action":"output","Package":"github.com/procpool/procpool/x","Test":"TestA/as_root","Output":"    a_test.go:7: needs root\n"}
{"Action":"output","Package":"github.com/procpool/procpool/x","Test":"TestA/as_root","Output":"    --- SKIP: TestA/as_root (0.00s)\n"}
{"Action":"skip","Package":"github.com/procpool/procpool/x","Test":"TestA/as_root","Elapsed":0}
{"Action":"pass","Package":"github.com/procpool/procpool/x","Test":"TestA","Elapsed":0.1}
{"Action":"output","Package":"github.com/procpool/procpool/x","Test":"TestB","Output":"    a_test.go:9: six is not nine\n"}
{"Action":"fail","Package":"github.com/procpool/procpool/x","Test":"TestB","Elapsed":0}
{"Action":"output","Package":"github.com/procpool/procpool/x","Test":"TestC","Output":"    a_test.go:11: a note\n"}
{"Action":"output","Package":"github.com/procpool/procpool/x","Test":"TestC","Output":"    a_test.go:12: not under the race detector\n"}
{"Action":"skip","Package":"github.com/procpool/procpool/x","Test":"TestC","Elapsed":0}
{"Action":"fail","Package":"github.com/procpool/procpool/x","Elapsed":0.2}
{"Action":"pass","Package":"github.com/procpool/procpool/leaky","Test":"TestD","Elapsed":0}
{"Action":"output","Package":"github.com/procpool/procpool/leaky","Output":"leaktest: left behind\n"}
{"Action":"fail","Package":"github.com/procpool/procpool/leaky","Elapsed":0}
{"ImportPath":"github.com/procpool/procpool/odd","Action":"build-output","Output":"odd.go:1:1: no such thing\n"}
{"ImportPath":"github.com/procpool/procpool/odd","Action":"build-fail"}
{"Action":"fail","Package":"github.com/procpool/procpool/odd","Elapsed":0,"FailedBuild":"github.com/procpool/procpool/odd"}
no JSON at all
`

func TestResultsAreReadFromWhatGoTestWrites(t *testing.T) {
	var told bytes.Buffer
	r, err := readRun(strings.NewReader(strings.TrimSpace(recorded)), &told)
	require.NoError(t, err)
	assert.Equal(t, map[test]result{
		{"x", "TestA"}:     {pass, []string{"as_root: needs root"}},
		{"x", "TestB"}:     {fail, nil},
		{"x", "TestC"}:     {skip, []string{"not under the race detector"}},
		{"leaky", "TestD"}: {pass, nil},
	}, r.results)
	assert.Equal(t, []string{"leaky", "odd"}, r.broken)
	for _, want := range []string{"six is not nine", "left behind", "no such thing", "no JSON at all"} {
		assert.Contains(t, told.String(), want)
	}
	assert.NotContains(t, told.String(), "needs root")
}

func TestTheTableShowsWhatHappened(t *testing.T) {
	rows := []*row{
		{id: "1", fault: "fire", tests: []test{{"internal/faults", "TestA"}, {"wire", "TestB"}}},
		{id: "2", fault: "flood", reason: "needs water"},
		{id: "S1", fault: "arson", alike: []string{"1"}},
	}
	settings := []setting{{title: "calm"}, {title: "storm"}}
	runs := []run{
		{results: map[test]result{{"internal/faults", "TestA"}: {pass, nil}, {"wire", "TestB"}: {skip, []string{"too wet"}}}},
		{results: map[test]result{{"internal/faults", "TestA"}: {fail, nil}}},
	}
	var text bytes.Buffer
	render(&text, "a machine", rows, settings, runs)
	for _, want := range []string{
		"| row | fault | test | calm | storm |\n|--:|---|---|---|---|\n",
		"\n| 1 | fire | TestA | pass | **fail** |\n| 1 |  | wire.TestB | skip [1] | **not run** |\n| S1 | arson | those of 1 |  |  |\n",
		"\n1. too wet\n",
		"\n| 2 | flood | needs water |\n",
	} {
		assert.Contains(t, text.String(), want)
	}
	assert.Equal(t, []string{"1: TestA", "1: wire.TestB", "S1: those of 1", "2: needs water"}, listing(text.String()))
	err := errors.Join(judge(runs, []test{{"internal/faults", "TestA"}, {"wire", "TestB"}}))
	assert.ErrorContains(t, err, "internal/faults.TestA failed")
	assert.ErrorContains(t, err, "wire.TestB did not run")
}
