// Table runs the tests of the fault rows in several settings and writes FAULTS.md: which fault is proven harmless by which
// test, with what result, and which one is not and why.
//
//	go run ./internal/faults/table
//
// It fails if a test does, if a row has neither a test nor a reason for having none, and if it has both.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

var settings = []setting{
	{"race, 1 CPU", []string{"GOMAXPROCS=1"}},
	{"race, 2 CPUs", []string{"GOMAXPROCS=2"}},
	{"4 KiB pipes", []string{"GOMAXPROCS=2", "PROCPOOL_TEST_PIPE=4096"}},
}

func main() {
	var c config
	flag.StringVar(&c.out, "o", "FAULTS.md", "the `file` to write, relative to the repository")
	flag.StringVar(&c.packages, "packages", "", "the `packages` to test; those that have tests of rows if empty")
	flag.StringVar(&c.from, "from", "", "do not run anything but read what go test -json wrote: `files` with commas between them,\none for each setting in order; - is stdin")
	flag.StringVar(&c.timeout, "timeout", "30m", "go test's timeout")
	flag.BoolVar(&c.short, "short", true, "go test's -short")
	flag.Parse()
	if err := c.run(os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type config struct {
	out, packages, from, timeout string
	short                        bool
}

func (c config) run(tell io.Writer) error {
	root, err := findRoot(".")
	if err != nil {
		return err
	}
	all, err := findTests(root)
	if err != nil {
		return err
	}
	rows, errs := readRows(rowsText, untestedText, all)
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	proofs := proofsOf(rows)
	var runs []run
	if c.from == "" {
		runs, err = c.test(root, proofs, tell)
	} else {
		runs, err = c.read(tell)
	}
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(root, c.out))
	if err != nil {
		return err
	}
	render(file, system(), rows, settings, runs)
	return errors.Join(file.Close(), judge(runs, proofs))
}

func system() string {
	return fmt.Sprintf("%s/%s with %s", runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// proofsOf lists the tests of all rows, each once.
func proofsOf(rows []*row) (proofs []test) {
	for _, r := range rows {
		for _, t := range r.tests {
			if !slices.Contains(proofs, t) {
				proofs = append(proofs, t)
			}
		}
	}
	return proofs
}

// test runs go test once for each setting.
func (c config) test(root string, proofs []test, tell io.Writer) (runs []run, err error) {
	for _, s := range settings {
		fmt.Fprintf(tell, "== %s\n", s.title)
		cmd := exec.Command("go", c.arguments(proofs)...)
		cmd.Dir, cmd.Stderr = root, tell
		cmd.Env = append(append(os.Environ(), "CGO_ENABLED=1"), s.env...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		r, err := readRun(out, tell)
		if err != nil {
			return nil, errors.Join(err, cmd.Wait())
		}
		// It fails when a test does, and that is in what it wrote; what is missing there did not run.
		if err := cmd.Wait(); err != nil {
			fmt.Fprintf(tell, "go test: %v\n", err)
		}
		runs = append(runs, r)
	}
	return runs, nil
}

// arguments are those of the go command. Packages are tested one after the other, since many tests have time limits.
func (c config) arguments(proofs []test) []string {
	var packages, names []string
	for _, t := range proofs {
		packages, names = append(packages, "./"+t.dir), append(names, t.name)
	}
	if c.packages != "" {
		packages = strings.Fields(c.packages)
	}
	slices.Sort(packages)
	args := []string{"test", "-json", "-race", "-count=1", "-p=1", "-timeout=" + c.timeout, "-run=^(" + strings.Join(names, "|") + ")$"}
	if c.short {
		args = append(args, "-short")
	}
	return append(args, slices.Compact(packages)...)
}

// read reads what was written elsewhere.
func (c config) read(tell io.Writer) (runs []run, err error) {
	names := strings.Split(c.from, ",")
	if len(names) != len(settings) {
		return nil, fmt.Errorf("%d files for %d settings", len(names), len(settings))
	}
	for _, name := range names {
		in := os.Stdin
		if name != "-" {
			if in, err = os.Open(name); err != nil {
				return nil, err
			}
			defer in.Close()
		}
		r, err := readRun(in, tell)
		if err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	return runs, nil
}

// judge names the tests that failed or did not run.
func judge(runs []run, proofs []test) error {
	var errs []error
	for i, r := range runs {
		title := settings[i].title
		for _, name := range r.broken {
			errs = append(errs, fmt.Errorf("%s: package %s failed", title, name))
		}
		for _, t := range proofs {
			if result, ok := r.results[t]; !ok {
				errs = append(errs, fmt.Errorf("%s: %v did not run", title, t))
			} else if result.verdict == fail {
				errs = append(errs, fmt.Errorf("%s: %v failed", title, t))
			}
		}
	}
	return errors.Join(errs...)
}
