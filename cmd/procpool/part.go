package main

import (
	"context"
	"iter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/procpool/procpool/pool"
)

// part is one topic of run: its flags, and what they do to a job. A topic that is added is a file
// with its part, and a line in runFlags.parts.
type part interface {
	// define adds the flags.
	define(fs *pflag.FlagSet)
	// check finds what the flags cannot mean, by themselves or together with those of other parts,
	// before anything is opened or started. changed tells whether a flag was given.
	check(all *runFlags, changed func(flag string) bool) error
	// join opens what the flags ask for and hangs it into the job. Its error is that of a file or
	// the like: the command line has been checked.
	join(j *job) error
}

// runFlags are the flags that every function obeys, by topic.
type runFlags struct {
	workers  workersPart
	foreign  foreignPart
	limits   limitsPart
	halt     haltPart
	gate     gatePart
	input    inputPart
	output   outputPart
	results  resultsPart
	joblog   joblogPart
	journal  journalPart
	show     showPart
	insights insightsPart
	http     httpPart
	monitor  monitorPart
}

// parts are all topics, in the order of the help.
func (f *runFlags) parts() []part {
	return []part{&f.workers, &f.foreign, &f.limits, &f.halt, &f.gate, &f.input, &f.output, &f.results, &f.joblog, &f.journal, &f.show, &f.insights, &f.http, &f.monitor}
}

func (f *runFlags) define(cmd *cobra.Command) {
	fs := cmd.PersistentFlags()
	fs.SortFlags = false
	for _, p := range f.parts() {
		p.define(fs)
	}
}

// check finds what the flags cannot mean.
func (f *runFlags) check(cmd *cobra.Command) error {
	for _, p := range f.parts() {
		if err := p.check(f, cmd.Flags().Changed); err != nil {
			return err
		}
	}
	return nil
}

// hooks is where parts hang things into a job.
type hooks struct {
	options []pool.Option     // of the pool
	calls   []pool.CallOption // of the call that runs the items

	// filters are asked about each item before it is run, in turn, on the goroutine that reads the
	// inputs. The first that says no has it left out: it is counted as skipped, and keeps its index.
	filters []func(item) bool
	// stages change the sequence of the items that passed the filters: their order or their pace.
	// The context ends with the run.
	stages []func(context.Context, iter.Seq[item]) iter.Seq[item]

	recorders []recorder

	// watches are called in turn when the pool runs, before the first item. A stop that is not nil
	// is called when the last item is done and the pool still lives.
	watches []func(context.Context, *pool.Pool) (stop func(), err error)
	// epilogues return text for standard error after a run, before the summary's place; "" is none.
	// They are not asked for with --quiet.
	epilogues []func(*pool.Pool) string
	// appendices return text for standard error too, behind the summary, also with --quiet: it was
	// asked for.
	appendices []func(*pool.Pool) string
	// rows return what is to stand in the summary too.
	rows []func() (name, value string)
	// hints return a line that says how to go on with a run that has ended before its inputs; ""
	// is none.
	hints []func() string
}

// recorder keeps what came of the items, beside standard output: a job log, a journal. One goroutine
// uses it. The first error of any of its methods ends the run.
type recorder interface {
	// record is told of each outcome as it comes, in whatever order, before it is printed. An item
	// that was not run to its end, since the run was stopped, has no outcome.
	record(o outcome) error
	// close is called once, when standard output has been flushed. complete tells that every
	// input has been run.
	close(complete bool) error
}

// printRecorder is a recorder whose records belong to what is printed: neither is to be there without the
// other, however the run ends.
type printRecorder interface {
	recorder
	// printed is told of each outcome when its line, if it has one, has been given to standard output
	// and not yet been written. It is called in the order of the lines, on record's goroutine.
	printed(o outcome) error
}
