package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/procpool/procpool/internal/floor"
	"github.com/procpool/procpool/worker"
)

// The exit statuses. A target that was missed is a finding, not a failure.
const (
	exitOK = iota
	exitFailed
	exitUsage
)

func main() {
	worker.Main()
	floor.Main()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

type options struct {
	quick, list, json, markdown bool
	rows                        *regexp.Regexp
}

// run is main as a function of its arguments.
func run(args []string, out, progress io.Writer) int {
	o, err := parse(args, progress)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	if o.list {
		for _, r := range rows {
			fmt.Fprintf(out, "%-14s %s\n", r.name, r.work)
		}
		return exitOK
	}
	b := newBench(o.quick, progress)
	defer b.close()
	report, err := b.measure(o.rows)
	if err != nil {
		fmt.Fprintf(progress, "peers: %v\n", err)
		return exitFailed
	}
	if err := report.write(out, o); err != nil || report.failed() {
		return exitFailed
	}
	return exitOK
}

func parse(args []string, out io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.BoolVar(&o.quick, "quick", false, "three rounds of less work")
	flags.BoolVar(&o.list, "list", false, "print the names of the rows")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	flags.BoolVar(&o.markdown, "markdown", false, "print the table as Markdown")
	names := flags.String("run", "", "measure the rows whose names match this `regexp`")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(out, "peers: what is %q?\n", flags.Arg(0))
		return o, errors.New("usage")
	}
	if o.rows, err = regexp.Compile(*names); err != nil {
		fmt.Fprintf(out, "peers: -run: %v\n", err)
	}
	return o, err
}

// measure measures the rows whose names match, one after another.
func (b *bench) measure(names *regexp.Regexp) (*report, error) {
	begin := time.Now()
	report := &report{Quick: b.quick, Machine: b.machine()}
	before := cpuTime()
	var err error
	if report.Noise, err = b.noise(); err != nil {
		return nil, err
	}
	for _, r := range rows {
		if !names.MatchString(r.name) {
			continue
		}
		fmt.Fprintf(b.progress, "%4.0fs  %s: %s\n", time.Since(begin).Seconds(), r.name, r.work)
		findings, err := r.run(b)
		if err != nil {
			findings = append(findings, finding{Against: alone, Note: "failed: " + err.Error(), failed: true})
		}
		for i := range findings {
			findings[i].Row, findings[i].Work = r.name, firstOf(findings[i].Work, r.work)
			fmt.Fprintf(b.progress, "       %s\n", &findings[i])
		}
		report.Findings = append(report.Findings, findings...)
	}
	report.Seconds = time.Since(begin).Seconds()
	report.Noise.Stolen, report.Noise.Others = cpuTime().since(before)
	return report, nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
