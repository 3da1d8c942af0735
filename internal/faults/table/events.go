package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// module is what import paths begin with.
const module = "github.com/procpool/procpool/"

// An event is what go test -json writes a line of; see go doc test2json.
type event struct {
	Action, Package, ImportPath, Test, Output string
}

type verdict string

const (
	pass verdict = "pass"
	fail verdict = "fail"
	skip verdict = "skip"
)

// A result is how one test went in one setting.
type result struct {
	verdict verdict
	skips   []string // why it was skipped, or which of its subtests were and why
}

// A run is what go test did in one setting.
type run struct {
	results map[test]result
	broken  []string // packages that failed whatever their tests say: they did not build, leaked or crashed
}

// readRun reads what go test -json writes, and tells of failures as they come.
func readRun(in io.Reader, tell io.Writer) (run, error) {
	r := run{results: map[test]result{}}
	said := map[string]*strings.Builder{} // what is kept until its test has ended, by package and test
	skips := map[test][]string{}
	failed := map[string]bool{} // packages with a test that failed
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if line[0] != '{' || json.Unmarshal(line, &e) != nil {
				fmt.Fprintf(tell, "%s", line) // a complaint of the go command itself
			} else {
				r.take(e, said, skips, failed, tell)
			}
		}
		if err == io.EOF {
			return r, nil
		}
		if err != nil {
			return r, err
		}
	}
}

func (r *run) take(e event, said map[string]*strings.Builder, skips map[test][]string, failed map[string]bool, tell io.Writer) {
	key := e.Package + " " + e.Test
	name, sub, isSub := strings.Cut(e.Test, "/")
	t := test{strings.TrimPrefix(e.Package, module), name}
	switch e.Action {
	case "build-output":
		fmt.Fprint(tell, e.Output)
	case "output":
		if said[key] == nil {
			said[key] = new(strings.Builder)
		}
		said[key].WriteString(e.Output)
	case string(pass), string(fail), string(skip):
		text := ""
		if said[key] != nil {
			text = said[key].String()
			delete(said, key)
		}
		if e.Action == string(fail) {
			fmt.Fprint(tell, text)
		}
		switch {
		case e.Test == "":
			if e.Action == string(fail) && !failed[e.Package] {
				r.broken = append(r.broken, t.dir)
			}
		case e.Action == string(skip) && isSub:
			skips[t] = append(skips[t], sub+": "+reasonIn(text))
		case e.Action == string(skip):
			r.results[t] = result{skip, []string{reasonIn(text)}}
		case !isSub:
			failed[e.Package] = failed[e.Package] || e.Action == string(fail)
			r.results[t] = result{verdict(e.Action), skips[t]}
		}
	}
}

var logLine = regexp.MustCompile(`(?m)^\s*\S+\.go:\d+: (.*)$`)

// reasonIn finds why a test was skipped in what it said: the last line that it logged.
func reasonIn(text string) string {
	logged := logLine.FindAllStringSubmatch(text, -1)
	if len(logged) == 0 {
		return "no reason given"
	}
	return strings.TrimSpace(logged[len(logged)-1][1])
}
