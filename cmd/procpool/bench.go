package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/procpool/procpool/cmd/procpool/bench"
)

const (
	quickTime = 27 * time.Second // and what comes before and after
	fullTime  = 150 * time.Second
)

// benchFlags are what the command line says.
type benchFlags struct {
	workers      int
	quick        bool
	time         time.Duration
	only         []string
	python       string
	json, csv    bool
	html         string
	quietly      bool
	timeIsChosen bool
}

func newBench(s streams) *cobra.Command {
	f := &benchFlags{}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure what a process boundary costs on this machine",
		Long: `bench measures what it costs on this machine to have work done by another process:
a round trip, tiny tasks by batch size, payloads, records, one long task among short
ones, processors kept busy, start, memory. Beside it, in alternating rounds, the same work
is done by goroutines, over a bare pipe, by the encoding alone, and by Python's pools where
python3 is found. procpool's own time is split into where it goes, as measured by the pool.

Figures are medians, with the spread between the rounds. What else the machine was doing
is told; on a noisy machine, read the ratios and not the figures.

Sections: ` + strings.Join(bench.Names(), ", ") + `.`,
		Example: `  procpool bench --quick                 half a minute, a table
  procpool bench --html report.html      a page with charts, which needs no network
  procpool bench --only roundtrip,pays   some of it
  procpool bench --json > report.json`,
		Args: noArguments,
	}
	flags := cmd.Flags()
	flags.IntVarP(&f.workers, "workers", "w", runtime.GOMAXPROCS(0), "`N` worker processes")
	flags.BoolVarP(&f.quick, "quick", "q", false, "take about half a minute instead of two and a half")
	flags.DurationVar(&f.time, "time", 0, "take about that `DURATION` in all")
	flags.StringSliceVar(&f.only, "only", nil, "measure only these `SECTIONS`, separated by commas")
	flags.StringVar(&f.python, "python", "python3", "the Python `INTERPRETER` to compare with; \"none\" for no Python")
	flags.BoolVarP(&f.json, "json", "j", false, "print the report as a JSON object")
	flags.BoolVar(&f.csv, "csv", false, "print the figures as CSV")
	flags.StringVar(&f.html, "html", "", "write a page with charts to `FILE`, whole or not at all")
	flags.BoolVar(&f.quietly, "quiet", false, "no progress on standard error")
	cmd.MarkFlagsMutuallyExclusive("json", "csv")
	cmd.MarkFlagsMutuallyExclusive("quick", "time")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		f.timeIsChosen = flags.Changed("time")
		opts, err := f.options(flags.Changed("python"))
		if err != nil {
			return err
		}
		return f.run(cmd.Context(), s, opts)
	}
	return cmd
}

func (f *benchFlags) options(pythonIsChosen bool) (bench.Options, error) {
	opts := bench.Options{Workers: f.workers, Budget: fullTime, Quick: f.quick, Only: f.only, Version: thisVersion().short(), Bare: bareVersion}
	switch {
	case f.workers < 1:
		return opts, fmt.Errorf("--workers %d: must be at least 1", f.workers)
	case f.timeIsChosen && f.time <= 0:
		return opts, fmt.Errorf("--time %v: must be more than 0", f.time)
	case f.timeIsChosen:
		opts.Budget = f.time
	case f.quick:
		opts.Budget = quickTime
	}
	if err := opts.Check(); err != nil {
		return opts, fmt.Errorf("--only: %w", err)
	}
	if f.python == "none" {
		return opts, nil
	}
	path, err := exec.LookPath(f.python)
	if err != nil && pythonIsChosen {
		return opts, fmt.Errorf("--python %s: %w", f.python, err)
	}
	if err == nil {
		opts.Python = path
	}
	return opts, nil
}

// bareVersion is this program, printing its version.
func bareVersion(ctx context.Context) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	cmd := exec.CommandContext(ctx, self, "version") //nolint:gosec // it is this program
	cmd.Args[0] = os.Args[0]                         // a program may have several names
	return cmd
}

func (f *benchFlags) run(ctx context.Context, s streams, opts bench.Options) error {
	var page *page
	if f.html != "" {
		var err error
		page, err = openPage(ctx, f.html)
		switch {
		case ctx.Err() != nil:
			if page != nil {
				page.discard()
			}
			return errInterrupted()
		case err != nil:
			return broken(err)
		}
	}
	console := newConsole(s.err)
	if !f.quietly {
		at, of := 0, len(opts.Only)
		if of == 0 {
			of = len(bench.Names())
		}
		console.say(fmt.Sprintf("measuring for about %.0f s; the quieter the machine, the better the figures", opts.Budget.Seconds()))
		opts.Begin = func(title string) {
			at++
			console.say(fmt.Sprintf("  %d/%d %s", at, of, title))
		}
	}
	report, err := bench.Run(ctx, opts)
	if ctx.Err() != nil {
		err = errInterrupted()
	} else if err != nil {
		err = broken(err)
	}
	if err == nil {
		err = f.print(s.out, report)
	}
	if page != nil {
		err = errors.Join(err, f.writePage(ctx, page, report))
	}
	if err == nil && page != nil && !f.quietly {
		console.say("the page is in " + f.html)
	}
	return err
}

// writePage writes the page, unless there is nothing to write.
func (f *benchFlags) writePage(ctx context.Context, p *page, report *bench.Report) error {
	if report == nil {
		p.discard()
		return nil
	}
	err := p.write(ctx, report.WriteHTML)
	switch {
	case err != nil && ctx.Err() != nil:
		return errInterrupted()
	case err != nil:
		return broken(err)
	}
	return nil
}

func errInterrupted() error { return &coded{code: exitInterrupted, err: errors.New("interrupted")} }

func (f *benchFlags) print(w io.Writer, report *bench.Report) error {
	var err error
	switch {
	case f.json:
		err = report.WriteJSON(w)
	case f.csv:
		err = report.WriteCSV(w)
	default:
		_, err = io.WriteString(w, benchText(report))
	}
	if err != nil && !readerIsGone(err) {
		return broken(err)
	}
	return nil
}
