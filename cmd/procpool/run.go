package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/monitor"
)

// runFlags are the flags that every function obeys.
type runFlags struct {
	workers   int
	inline    bool
	unordered bool
	failFast  bool
	chunk     int
	window    int
	json      bool
	stdin     string
	details   bool
	quiet     bool
	noSummary bool
	log       string
	monitor   bool
}

const runLong = `Run a built-in function over inputs, in worker processes.

INPUTS are files and directories, or values: "procpool functions" says what each function
takes. Directories are walked in order, without following symbolic links. A single dash, or
no input at all, stands for standard input, one input on a line (see --stdin). Neither
directories nor standard input are read ahead of the work.

Results go to standard output in the order of the inputs. A failed item is one line on
standard error, and the others go on. What the workers print goes to standard error too.
With --json standard input is JSON Lines, each line an argument, and so is the output: objects
with index, input and value, or with index, input, error and kind.

`

func newRun(s streams) *cobra.Command {
	flags := &runFlags{}
	cmd := &cobra.Command{
		Use:   "run FUNCTION [INPUTS...]",
		Short: "Run a built-in function over files, values, lines or JSON Lines",
		Long:  runLong + exitHelp(),
		RunE:  noSuchFunction,
	}
	// Flags of a function that does not exist are not worth a word: that it does not exist is.
	cmd.FParseErrWhitelist.UnknownFlags = true
	flags.define(cmd)
	cmd.AddGroup(&cobra.Group{ID: "work", Title: "Functions:"}, &cobra.Group{ID: "trial", Title: "Functions for trying things out:"})
	for _, b := range builtins {
		cmd.AddCommand(newFunction(s, b, flags))
	}
	return cmd
}

func (f *runFlags) define(cmd *cobra.Command) {
	fs := cmd.PersistentFlags()
	fs.SortFlags = false
	fs.IntVarP(&f.workers, "workers", "w", 0, "`N` worker processes (default: one for each CPU that this process may use)")
	fs.BoolVarP(&f.unordered, "unordered", "u", false, "print results as they come instead of in the order of the inputs")
	fs.BoolVar(&f.failFast, "fail-fast", false, "stop at the first item that fails")
	fs.BoolVarP(&f.json, "json", "j", false, "JSON Lines in and out")
	fs.StringVar(&f.stdin, "stdin", "", "`FORMAT` of standard input: lines, nul or json (default: json with --json, else lines)")
	fs.BoolVar(&f.details, "details", false, "with --json: add worker and times to each object")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "no progress bar and no summary")
	fs.BoolVar(&f.noSummary, "no-summary", false, "no summary")
	fs.IntVar(&f.chunk, "chunk", 0, "let `N` items travel together (default: as their running time suggests)")
	fs.IntVar(&f.window, "window", 0, "let at most `N` items be under way (default: as their running time suggests)")
	fs.BoolVar(&f.inline, "inline", false, "run in this process, for debugging; a crash then ends all")
	fs.StringVar(&f.log, "log", "off", "log the pool to standard error: `LEVEL` error, warn, info, debug or trace")
	fs.BoolVar(&f.monitor, "monitor", false, "let \"procpool top\" watch the run")
}

// check finds what the flags cannot mean.
func (f *runFlags) check(cmd *cobra.Command) error {
	for name, n := range map[string]int{"workers": f.workers, "chunk": f.chunk, "window": f.window} {
		if n < 1 && cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s %d: must be at least 1", name, n)
		}
	}
	if f.details && !f.json {
		return errors.New("--details is for --json")
	}
	if hclog.LevelFromString(f.log) == hclog.NoLevel {
		return fmt.Errorf("--log %s: must be off, error, warn, info, debug or trace", quoted(f.log))
	}
	return nil
}

// inputFormat is the format of standard input.
func (f *runFlags) inputFormat() string {
	switch {
	case f.stdin != "":
		return f.stdin
	case f.json:
		return formatJSON
	}
	return formatLines
}

// noSuchFunction answers when no function of that name exists: cobra passes it on as an
// argument.
func noSuchFunction(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New(`which function? "procpool functions" lists them`)
	}
	text := fmt.Sprintf("there is no function %s", quoted(clipped(args[0], 60)))
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return errors.New(text + "\n" + `"procpool functions" lists them.`)
}

// newFunction is the subcommand of run that runs b.
func newFunction(s streams, b *builtin, flags *runFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:     b.name + " [" + b.arg + "...]",
		Short:   b.about,
		Long:    b.help(),
		GroupID: "work",
	}
	if b.trial {
		cmd.GroupID = "trial"
	}
	task := b.open(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := flags.check(cmd); err != nil {
			return err
		}
		src, err := newSource(args, s.in, flags.inputFormat(), b)
		if err != nil {
			return err
		}
		job := newJob(s, b.name, flags, src, task)
		return exitWith(job.run(cmd.Context()))
	}
	return cmd
}

func (b *builtin) help() string {
	text := strings.ToUpper(b.about[:1]) + b.about[1:] + ".\n\n" + b.arg + " is " + b.input + "."
	if b.details != "" {
		text += "\n\n" + b.details
	}
	return text
}

// maxWaiting bounds the results that wait for an earlier one, where --window does not.
const maxWaiting = 8192

// job is one run of a function.
type job struct {
	name    string
	flags   *runFlags
	source  *source
	task    task
	console *console
	out     *sink
	render  renderer

	tally tally
	end   error // why the run did not come to its end
}

func newJob(s streams, name string, flags *runFlags, src *source, t task) *job {
	j := &job{name: name, flags: flags, source: src, task: t, console: newConsole(s.err)}
	j.out = newSink(j.console.beside(s.out))
	if flags.json {
		j.render = &jsonRenderer{task: t, out: j.out, details: flags.details}
	} else {
		j.render = &textRenderer{task: t, out: j.out}
	}
	return j
}

// run does everything, and returns the exit code.
func (j *job) run(ctx context.Context) int {
	j.task.begin(j.source)
	watch := startWatch()
	p, err := pool.New(ctx, j.poolOptions()...)
	if err != nil {
		return j.verdict(ctx, err)
	}
	defer func() { _ = p.Close() }()

	workers := p.Stats().Workers
	j.work(ctx, p)
	j.tally.wall = watch()
	j.leave(ctx, p)
	if j.end == nil {
		j.end = j.render.totals()
	}
	if err := j.out.flush(); j.end == nil {
		j.end = err
	}
	if !j.flags.quiet && !j.flags.noSummary && !j.out.isDone() {
		j.console.show(j.tally.table(p.Stats(), workers))
	}
	return j.verdict(ctx, j.end)
}

func (j *job) poolOptions() []pool.Option {
	opts := []pool.Option{
		pool.WithName(j.name),
		pool.WithLogger(j.logger()),
		// Standard output is for results alone: what functions print is no result.
		pool.WithStdout(j.console),
		pool.WithStderr(j.console),
	}
	if j.flags.workers > 0 {
		opts = append(opts, pool.WithWorkers(j.flags.workers))
	}
	if j.flags.inline {
		opts = append(opts, pool.WithInline())
	}
	if j.flags.monitor {
		opts = append(opts, monitor.Socket(), pool.WithInsights())
	}
	return opts
}

// logger is off by default: each death is told with the item that it cost.
func (j *job) logger() hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Name: "procpool", Level: hclog.LevelFromString(j.flags.log), Output: io.Writer(j.console)})
}

func (j *job) callOptions() []pool.CallOption {
	var opts []pool.CallOption
	if j.flags.chunk > 0 {
		opts = append(opts, pool.Chunk(j.flags.chunk))
	}
	if j.flags.window > 0 {
		opts = append(opts, pool.Window(j.flags.window))
	}
	return opts
}

// work feeds the function and prints what comes of it, until the inputs or the run end.
func (j *job) work(ctx context.Context, p *pool.Pool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	bar := j.startBar(ctx)
	defer bar.stop()
	for o := range j.outcomes(ctx, p, bar) {
		if o.item.index < 0 {
			j.end = o.err
			return
		}
		j.tally.add(o)
		if o.err != nil {
			j.console.say(o.complaint())
		}
		if j.end = j.render.item(o); j.end != nil {
			return
		}
	}
	j.end = j.source.Err()
}

// startBar shows how far the run is. How far it has to go is found out meanwhile.
func (j *job) startBar(ctx context.Context) *progress {
	if j.flags.quiet {
		return nil
	}
	bar := startProgress(j.console, j.name)
	if bar != nil && !j.source.readsStdin() {
		go func() {
			if n, known := j.source.count(ctx); known {
				bar.setTotal(n)
			}
		}()
	}
	return bar
}

// outcomes are what comes of the items, in the order that the user wants.
func (j *job) outcomes(ctx context.Context, p *pool.Pool, bar *progress) iter.Seq[outcome] {
	items := j.source.items(ctx)
	if j.flags.unordered {
		return j.fed(ctx, p, bar, items)
	}
	places := make(places, cmp.Or(j.flags.window, maxWaiting))
	return inOrder(j.fed(ctx, p, bar, places.limit(ctx, items)), places)
}

// fed are the outcomes as they come. The bar counts them here: in order it would stand
// still while an early item takes its time.
func (j *job) fed(ctx context.Context, p *pool.Pool, bar *progress, items iter.Seq[item]) iter.Seq[outcome] {
	outcomes := bar.count(j.task.feed(ctx, p, items, j.callOptions()))
	if j.flags.failFast {
		return untilFailure(outcomes)
	}
	return outcomes
}

// leave ends the pool: in good order when the work is done, and at once when what is left
// of it is not wanted any more.
func (j *job) leave(ctx context.Context, p *pool.Pool) {
	if j.end != nil || j.flags.failFast && j.tally.failed > 0 {
		_ = p.Close()
		return
	}
	_ = p.Shutdown(ctx)
}

// verdict says why the run ended early, if it did, and returns the exit code.
func (j *job) verdict(ctx context.Context, err error) int {
	switch {
	case j.out.isDone(): // whoever reads has seen enough
	case err != nil && ctx.Err() != nil:
		j.console.say("procpool: interrupted")
		return exitInterrupted
	case err != nil:
		complain(j.console.w, err)
		return exitBroken
	}
	if j.tally.failed > 0 {
		return exitItems
	}
	return exitOK
}
