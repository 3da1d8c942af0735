package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/procpool/procpool/cmd/procpool/numeral"
	"github.com/procpool/procpool/internal/stack"
	"github.com/procpool/procpool/pool"
)

// job is one run of a function. Its goroutine is the one that calls run; the pool's feeder reads the
// inputs, and asks the filters and stages.
type job struct {
	name    string
	streams streams
	flags   *runFlags
	source  *source
	task    task
	command commandLine // as it was given, for an item to be run again
	dry     bool        // nothing is started, and no file written
	console *console
	out     *sink
	render  renderer
	bar     *progress // nil where none is shown

	hooks

	allowance *allowance // nil where failures do not end the run

	counts   counts
	tally    tally
	lost     atomic.Int64 // items that failed in an earlier run, and were left out
	end      error        // why the run could not go on
	complete bool         // every input was run, or skipped

	stopped   atomic.Int32 // a stopReason
	exhausted atomic.Bool  // the inputs have come to their own end
}

// stopReason is why a run was asked to come to an end before that of its inputs.
type stopReason int32

const (
	notStopped stopReason = iota
	byUser
	byFailures
)

func newJob(s streams, command commandLine, flags *runFlags, src *source, t task) *job {
	j := &job{name: command.function, streams: s, command: command, flags: flags, source: src, task: t, console: newConsole(s.err)}
	j.out = newSink(j.console.beside(s.out))
	j.options = []pool.Option{
		pool.WithName(j.name),
		// Standard output is for results alone: what functions print is no result.
		pool.WithStdout(j.console),
		pool.WithStderr(j.console),
	}
	return j
}

// run does everything, and returns the exit code.
func (j *job) run(ctx context.Context) int {
	if j.end = j.join(); j.end != nil {
		j.closeRecorders()
		return j.verdict(ctx)
	}
	j.task.begin(j.source)
	watch := startWatch()
	p, err := j.start(ctx)
	if err != nil {
		j.end = j.flags.workers.plainly(err)
		j.closeRecorders()
		return j.verdict(ctx)
	}
	defer func() { _ = p.Close() }()

	workers := p.Stats().Workers
	if j.flags.halt.maxFailures.isGiven() {
		j.allowance = newAllowance(j, workers)
	}
	j.work(ctx, p)
	j.tally.wall = watch()
	j.leave(ctx, p)
	if j.end == nil {
		j.end = j.render.totals()
	}
	if err := j.out.flush(); j.end == nil {
		j.end = err
	}
	j.closeRecorders()
	j.tell(p, workers)
	return j.verdict(ctx)
}

// slowStart is when one who waits for the workers is told so. They have half a minute.
const slowStart = 3 * time.Second

// start starts the workers.
func (j *job) start(ctx context.Context) (*pool.Pool, error) {
	if !j.flags.show.quiet {
		missing := "the workers are not ready yet"
		if f := &j.flags.foreign; f.isGiven() {
			missing = fmt.Sprintf("--command %s has not said hello yet, as a worker does", quoted(f.command))
		}
		notice := time.AfterFunc(slowStart, func() { j.console.say("procpool: " + missing + "; waiting") })
		defer notice.Stop()
	}
	return pool.New(ctx, j.options...)
}

// join lets every part hang in what it has.
func (j *job) join() error {
	for _, p := range j.flags.parts() {
		if err := p.join(j); err != nil {
			return err
		}
	}
	return nil
}

// work feeds the function and prints what comes of it, until the inputs or the run end.
func (j *job) work(ctx context.Context, p *pool.Pool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer j.watchInterrupts(ctx, p)()
	stop, err := j.startWatches(ctx, p)
	defer stop()
	if err != nil {
		j.end = err
		return
	}
	j.startProgress(ctx, p)
	defer j.bar.stop()
	for o := range j.outcomes(ctx, p) {
		if o.item.index < 0 {
			j.cut(o.err)
			return
		}
		if j.end = j.print(o); j.end != nil {
			return
		}
	}
	if j.end == nil {
		j.end = j.source.Err()
	}
	j.complete = j.end == nil && j.exhausted.Load() && !(j.flags.halt.failFast && j.tally.failed > 0)
}

// cut takes why the items ended before their time. That the pool was closed is no news where the run
// was asked to come to an end.
func (j *job) cut(err error) {
	if j.end == nil && !(j.whyStopped() != notStopped && errors.Is(err, pool.ErrClosed)) {
		j.end = err
	}
}

// print counts an outcome and prints it, unless an earlier run has.
func (j *job) print(o outcome) error {
	if o.item.past.isPrinted() {
		_ = j.task.add(o) // it has its part in the totals
		return nil
	}
	j.tally.add(o)
	if o.err != nil {
		j.complain(o)
	}
	return j.out.together(func() error {
		if err := j.render.item(o); err != nil {
			return err
		}
		return j.recordPrinted(o)
	})
}

func (j *job) recordPrinted(o outcome) error {
	for _, r := range j.recorders {
		if r, ok := r.(printRecorder); ok {
			if err := r.printed(o); err != nil {
				return err
			}
		}
	}
	return nil
}

func (j *job) complain(o outcome) {
	j.console.say(o.complaint())
	if text, _ := stack.Goroutine(o.stack()); j.flags.show.stacks && text != "" {
		_, _ = j.console.Write([]byte(strings.TrimRight(text, "\n") + "\n"))
	}
}

// watchInterrupts lets the first Ctrl-C stop the run instead of ending it. It returns a function that
// ends the watching.
func (j *job) watchInterrupts(ctx context.Context, p *pool.Pool) (stop func()) {
	first := patience(ctx)
	over := make(chan struct{})
	var told sync.WaitGroup
	told.Go(func() {
		select {
		case <-first:
			j.console.home()
			j.console.say("procpool: interrupted: finishing what runs; Ctrl-C again ends it at once")
			j.stopSoon(p, byUser)
		case <-over:
			return
		}
		select {
		case <-ctx.Done():
			j.console.home()
		case <-over:
		}
	})
	return func() {
		close(over)
		told.Wait()
	}
}

// stopSoon asks the run to come to an end: nothing more is started, what runs is finished.
func (j *job) stopSoon(p *pool.Pool, why stopReason) {
	if !j.stopped.CompareAndSwap(int32(notStopped), int32(why)) {
		return
	}
	now, cancel := context.WithCancel(context.Background())
	cancel() // nobody waits here: what runs comes as outcomes
	_ = p.Shutdown(now, pool.DropQueued())
	j.allowance.wake()
}

func (j *job) whyStopped() stopReason { return stopReason(j.stopped.Load()) }

// startWatches starts what wants to see the pool, and returns a function that stops it.
func (j *job) startWatches(ctx context.Context, p *pool.Pool) (stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, s := range stops {
			s()
		}
	}
	for _, start := range j.watches {
		s, err := start(ctx, p)
		if s != nil {
			stops = append(stops, s)
		}
		if err != nil {
			return stop, err
		}
	}
	return stop, nil
}

// startProgress shows how far the run is. How far it has to go is found out meanwhile.
func (j *job) startProgress(ctx context.Context, p *pool.Pool) {
	if !j.source.readsStdin() {
		go func() { // ends with the count, or with ctx
			if n, known := j.source.count(ctx); known {
				j.counts.total.Store(int64(n))
			}
		}()
	}
	show := &j.flags.show
	if !show.quiet && show.progress != progressNone {
		j.bar = startProgress(j.console, j.name, &j.counts, p.Workers, show.progress == progressPlain || !j.console.terminal)
	}
}

// items are the inputs that are to be run, in the order in which they are to be run. They end when the run
// is asked to.
func (j *job) items(ctx context.Context) iter.Seq[item] {
	items := j.filtered(j.unstopped(j.source.items(ctx)))
	for _, stage := range j.stages {
		items = stage(ctx, items)
	}
	return j.toTheEnd(placed(items))
}

// toTheEnd notes that items have come to their own end. A run that is stopped may read them no further, and
// still get the result of each that was read.
func (j *job) toTheEnd(items iter.Seq[item]) iter.Seq[item] {
	return func(yield func(item) bool) {
		for it := range items {
			if !yield(it) {
				return
			}
		}
		j.exhausted.Store(j.whyStopped() == notStopped)
	}
}

func (j *job) unstopped(items iter.Seq[item]) iter.Seq[item] {
	return func(yield func(item) bool) {
		for it := range items {
			if j.whyStopped() != notStopped || !yield(it) {
				return
			}
		}
	}
}

// filtered yields the items that pass the filters.
func (j *job) filtered(items iter.Seq[item]) iter.Seq[item] {
	if len(j.filters) == 0 {
		return items
	}
	return func(yield func(item) bool) {
		for it := range items {
			if !j.passes(it) {
				j.counts.skipped.Add(1)
				continue
			}
			if !yield(it) {
				return
			}
		}
	}
}

func (j *job) passes(it item) bool {
	for _, f := range j.filters {
		if !f(it) {
			return false
		}
	}
	return true
}

// outcomes are what comes of the items, in the order that the user wants.
func (j *job) outcomes(ctx context.Context, p *pool.Pool) iter.Seq[outcome] {
	items := j.items(ctx)
	if j.allowance != nil {
		items = j.allowance.limit(ctx, items)
	}
	if j.flags.output.unordered {
		return j.fed(ctx, p, items)
	}
	places := newPlaces(cmp.Or(j.flags.input.window, maxWaiting))
	return inOrder(j.fed(ctx, p, places.limit(ctx, items)), places)
}

// fed are the outcomes as they come. They are counted and recorded here: in order the bar would stand
// still, and the journal lack what is done, while an early item takes its time.
func (j *job) fed(ctx context.Context, p *pool.Pool, items iter.Seq[item]) iter.Seq[outcome] {
	outcomes := j.recorded(p, j.task.feed(ctx, p, items, j.calls))
	if j.flags.halt.failFast {
		return untilFailure(outcomes)
	}
	return outcomes
}

// recorded counts each outcome and tells the recorders, until one fails.
func (j *job) recorded(p *pool.Pool, outcomes iter.Seq[outcome]) iter.Seq[outcome] {
	return func(yield func(outcome) bool) {
		for o := range outcomes {
			if o.item.past.isDone() {
				j.counts.skipped.Add(1) // it was run by an earlier run
			} else if o.item.index >= 0 {
				j.counts.add(o.err != nil)
				if j.end = j.record(o); j.end != nil {
					return
				}
				if j.flags.halt.isReached(j.counts.done.Load(), j.counts.failed.Load()) {
					j.stopSoon(p, byFailures)
				}
				j.allowance.wake()
			}
			if !yield(o) {
				return
			}
		}
	}
}

func (j *job) record(o outcome) error {
	for _, r := range j.recorders {
		if err := r.record(o); err != nil {
			return err
		}
	}
	return nil
}

// closeRecorders closes them all. The first error ends the run as any other.
func (j *job) closeRecorders() {
	for _, r := range j.recorders {
		if err := r.close(j.complete); j.end == nil {
			j.end = err
		}
	}
}

// leave ends the pool: in good order when the work is done, and at once when what is left
// of it is not wanted any more.
func (j *job) leave(ctx context.Context, p *pool.Pool) {
	if j.end != nil || j.flags.halt.failFast && j.tally.failed > 0 {
		_ = p.Close()
		return
	}
	_ = p.Shutdown(ctx)
}

// tell says on standard error what the run came to.
func (j *job) tell(p *pool.Pool, workers int) {
	if j.out.isDone() {
		return
	}
	if !j.flags.show.quiet {
		j.show(p, j.epilogues)
		if !j.flags.show.noSummary {
			j.console.show(j.tally.table(p.Stats(), workers, j.rows))
		}
	}
	j.show(p, j.appendices)
}

func (j *job) show(p *pool.Pool, texts []func(*pool.Pool) string) {
	for _, text := range texts {
		if text := text(p); text != "" {
			j.console.show(text)
		}
	}
}

// verdict says why the run ended early, if it did, and returns the exit code.
func (j *job) verdict(ctx context.Context) int {
	stopped := j.whyStopped()
	cutShort := j.end == nil && !j.complete
	switch {
	case j.out.isDone(): // whoever reads has seen enough
	case j.end != nil && ctx.Err() != nil, cutShort && stopped == byUser:
		return j.early("interrupted", exitInterrupted)
	case j.end != nil:
		return j.broken()
	case stopped == byFailures:
		return j.early(j.flags.halt.text(), exitHalted)
	}
	if j.tally.failed > 0 || j.lost.Load() > 0 {
		if !j.complete {
			j.hint()
		}
		return exitItems
	}
	return exitOK
}

// broken tells of a run that could not go on.
func (j *job) broken() int {
	complain(j.console.w, j.end)
	j.hint()
	if c, ok := errors.AsType[*coded](j.end); ok {
		return c.code
	}
	return exitBroken
}

// early tells of a run that was asked to end: why, what was done, and what is left.
func (j *job) early(why string, code int) int {
	j.console.say("procpool: " + why + ": " + j.left())
	if !j.complete {
		j.hint()
	}
	return code
}

// left says what was done of a run that ended early, and what was not.
func (j *job) left() string {
	done, failed, skipped := j.counts.done.Load(), j.counts.failed.Load(), j.counts.skipped.Load()
	text := numeral.Of(int(done), "item") + " done"
	if failed > 0 {
		text += fmt.Sprintf(", %s of them failed", numeral.Thousands(failed))
	}
	if skipped > 0 {
		text += fmt.Sprintf(", %s skipped", numeral.Thousands(skipped))
	}
	if j.source.readsStdin() && !j.complete {
		return text + "; the rest of standard input was not run"
	}
	if left := j.counts.total.Load() - done - skipped; left > 0 {
		text += fmt.Sprintf(", %s left", numeral.Thousands(left))
	}
	return text
}

// hint says how to go on with what is left.
func (j *job) hint() {
	for _, h := range j.hints {
		if text := h(); text != "" {
			j.console.say("procpool: " + text)
		}
	}
}
