package main

import (
	_ "embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var (
	//go:embed rows.txt
	rowsText string

	//go:embed untested.txt
	untestedText string
)

// A row is one fault: what goes wrong, what shows that it does no harm, or why nothing does.
type row struct {
	id     string // "7" or "S7"
	fault  string
	alike  []string // rows whose tests are this one's too
	tests  []test   // in the order of the source
	reason string   // why there are none
}

// A test is a function of a package, whose directory is relative to the repository.
type test struct{ dir, name string }

func (t test) String() string { return t.dir + "." + t.name }

// records reads lines of fields that bars separate.
func records(text string) (all [][]string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "|")
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		all = append(all, fields)
	}
	return all
}

// readRows reads the list of faults and the list of excuses, and finds the tests of each among all.
func readRows(faults, excuses string, all []test) ([]*row, []error) {
	l := &list{byID: map[string]*row{}}
	l.readFaults(faults, all)
	l.readNames(all)
	l.readExcuses(excuses)
	l.check()
	return l.rows, l.errs
}

// A list is what readRows has read so far, and all that is wrong with it.
type list struct {
	rows []*row
	byID map[string]*row
	errs []error
}

func (l *list) complain(format string, args ...any) {
	l.errs = append(l.errs, fmt.Errorf(format, args...))
}

func (l *list) readFaults(text string, all []test) {
	named := map[string]test{} // by what the list calls them
	for _, t := range all {
		named[t.String()] = t
	}
	for _, fields := range records(text) {
		fields = append(fields, "", "")
		r := &row{id: fields[0], fault: fields[1]}
		switch {
		case r.fault == "" || len(fields) > 5:
			l.complain("row %s: want a number, a fault and perhaps what else proves it", r.id)
		case l.byID[r.id] != nil:
			l.complain("row %s is there twice", r.id)
		}
		l.rows, l.byID[r.id] = append(l.rows, r), r
		for word := range strings.FieldsSeq(fields[2]) {
			if t, ok := named[word]; ok {
				r.tests = append(r.tests, t)
			} else if strings.Contains(word, ".") {
				l.complain("row %s: there is no test %s", r.id, word)
			} else {
				r.alike = append(r.alike, word)
			}
		}
	}
}

// readNames gives each row the tests that are named after it.
func (l *list) readNames(all []test) {
	for _, t := range all {
		for _, id := range provenBy(t.name) {
			if r := l.byID[id]; r != nil {
				r.tests = append(r.tests, t)
			} else {
				l.complain("%v is named after row %s, which the list does not have", t, id)
			}
		}
	}
}

func (l *list) readExcuses(text string) {
	for _, fields := range records(text) {
		r := l.byID[fields[0]]
		switch {
		case r == nil:
			l.complain("a reason is given for row %s, which the list does not have", fields[0])
		case len(fields) != 2 || fields[1] == "":
			l.complain("row %s: want a number and a reason", r.id)
		default:
			r.reason = fields[1]
		}
	}
}

// check verifies that each row has either a proof or a reason.
func (l *list) check() {
	for _, r := range l.rows {
		proven := len(r.tests) > 0
		for _, id := range r.alike {
			if other := l.byID[id]; other == nil {
				l.complain("row %s: there is no row %s to prove it", r.id, id)
			} else {
				proven = proven || len(other.tests) > 0
			}
		}
		switch {
		case !proven && r.reason == "":
			l.complain("row %s (%s) has neither a test nor a reason", r.id, r.fault)
		case proven && r.reason != "":
			l.complain("row %s (%s) has tests, and a reason for having none: %s", r.id, r.fault, r.reason)
		}
	}
}

var (
	rowName = regexp.MustCompile(`^(?:Test|Fuzz)Row((?:\d{3}|S\d+)(?:(?:And|To)(?:Row)?(?:\d{3}|S\d+))*)`)
	rowPart = regexp.MustCompile(`And|To|\d{3}|S\d+`)
)

// provenBy lists the rows that a test is named after: TestRow003And007To009AndS2Sentence is named after 3, 7, 8, 9 and S2.
func provenBy(name string) (ids []string) {
	match := rowName.FindStringSubmatch(name)
	if match == nil {
		return nil
	}
	last, to := 0, false
	for _, part := range rowPart.FindAllString(match[1], -1) {
		n, err := strconv.Atoi(part)
		switch {
		case part == "And" || part == "To":
			to = part == "To"
			continue
		case err != nil:
			ids = append(ids, part)
		case to:
			for i := last + 1; i <= n; i++ {
				ids = append(ids, strconv.Itoa(i))
			}
		default:
			ids = append(ids, strconv.Itoa(n))
		}
		last, to = n, false
	}
	return ids
}
