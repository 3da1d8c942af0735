package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strconv"
	"time"

	"github.com/kballard/go-shellquote"
	"github.com/spf13/pflag"

	"github.com/procpool/procpool/cmd/procpool/journal"
	"github.com/procpool/procpool/cmd/procpool/numeral"
	"github.com/procpool/procpool/pool"
)

// journalPart is about going on with a run that was cut short.
type journalPart struct {
	path        string
	resume      bool
	retryFailed bool
	sync        time.Duration
}

// journalSync is the default of --journal-sync. It is seldom enough not to be noticed.
const journalSync = 10 * time.Second

func (p *journalPart) define(fs *pflag.FlagSet) {
	fs.StringVar(&p.path, "journal", "", "remember in `FILE` which items are done, so that the run can be resumed")
	fs.BoolVar(&p.resume, "resume", false, "leave out what is done or has failed according to --journal")
	fs.BoolVar(&p.retryFailed, "retry-failed", false, "run what has failed according to --journal; with --resume, what has not run as well")
	fs.DurationVar(&p.sync, "journal-sync", journalSync, "write output and journal to the disk every `DURATION` and at the end, for a loss of power; 0 leaves that to the system")
}

// journalHelp documents the flags together, in the help of run.
const journalHelp = `Resuming:
  --journal FILE                          begin FILE, which must not exist, and run everything
  --journal FILE --resume                 run what is neither done nor failed; FILE may be new
  --journal FILE --resume --retry-failed  run what is not done
  --journal FILE --retry-failed           run what has failed, and nothing else

  An item is known by the function, its argument and, for a file, path, size and time of
  modification. Its place among the inputs does not matter: they may be sorted, added and
  removed. An input that occurs three times is run three times. Items that failed in an earlier
  run and are left out count for the exit code too.

  If the program is killed, the items that were under way run again, and those whose results
  came in the last 20 ms. (In the order of the inputs, a result that waits for an earlier one
  is kept when it has waited for a second.) Where standard output is a file that is appended to
  (>>), resuming looks at it, and every result is there exactly once. In a pipe or on a terminal
  what was being written at that moment may come twice. Nothing else should write to that file.

`

func (p *journalPart) check(_ *runFlags, changed func(string) bool) error {
	for _, flag := range []string{"resume", "retry-failed", "journal-sync"} {
		if changed(flag) && !changed("journal") {
			return fmt.Errorf("--%s is for --journal FILE", flag)
		}
	}
	if p.path == "" && changed("journal") {
		return errors.New("--journal: name a file")
	}
	if p.sync < 0 {
		return fmt.Errorf("--journal-sync %v: must be at least 0", p.sync)
	}
	return nil
}

func (p *journalPart) mode() journal.Mode {
	switch {
	case p.resume:
		return journal.Resume
	case p.retryFailed:
		return journal.Retry
	}
	return journal.Create
}

func (p *journalPart) join(j *job) error {
	if p.path == "" {
		return nil
	}
	k := &keeper{job: j, part: p, function: journalFunction(j), args: newEncoder(), values: newEncoder()}
	var err error
	k.journal, err = journal.Open(journal.Config{
		Path: p.path, Mode: p.mode(), Sync: p.sync, ReadOnly: j.dry,
		Function: k.function, Program: thisVersion().short(),
		Stdout: j.streams.out, Stderr: j.streams.err,
		Warn: func(text string) { j.console.say("procpool: " + text) },
	})
	if err != nil {
		return err
	}
	k.waiting = newWaiting(k.hold)
	if !j.dry {
		j.out.journal = k.journal
	}
	j.stages = append(j.stages, k.left)
	j.recorders = append(j.recorders, k)
	j.hints = append(j.hints, k.hint)
	j.epilogues = append(j.epilogues, k.tellFailed)
	if !j.flags.show.quiet {
		k.tellPast()
	}
	return nil
}

// keeper keeps the journal of a job.
type keeper struct {
	job      *job
	part     *journalPart
	function string
	journal  *journal.Journal
	args     *encoder // of the goroutine that reads the inputs
	values   *encoder // of the one that prints
	waiting  *waiting
}

// journalFunction is what the journal calls the function: that of another program is another one.
func journalFunction(j *job) string {
	if !j.flags.foreign.isGiven() {
		return j.name
	}
	return j.name + " of " + shellquote.Join(j.flags.foreign.argv...)
}

// left yields the items that are left to do, with what is known of them. It runs on the goroutine that reads the inputs.
func (k *keeper) left(_ context.Context, items iter.Seq[item]) iter.Seq[item] {
	return func(yield func(item) bool) {
		for it := range items {
			it.past = k.past(it)
			if !k.wants(it) {
				k.job.counts.skipped.Add(1)
				continue
			}
			if !yield(it) {
				return
			}
		}
	}
}

// past looks the item up, which is counted: each time that an input occurs it is another item.
func (k *keeper) past(it item) *past {
	p := &past{key: k.key(it)}
	var value []byte
	p.state, value = k.journal.Take(p.key)
	if value == nil {
		return p
	}
	var err error
	if p.value, err = k.job.task.decode(value); err != nil {
		// The program has changed since. What was printed stays so; what was not is run again.
		if p.value = nil; p.state == journal.Held {
			p.state = journal.Unknown
		}
	}
	return p
}

// wants reports whether the item goes on: to be run, or with the result that it has.
func (k *keeper) wants(it item) bool {
	switch it.past.state {
	case journal.Done:
		return it.past.value != nil && k.job.task.sums() && !k.job.dry
	case journal.Held:
		return !k.job.dry
	case journal.Failed:
		if !k.part.retryFailed {
			k.job.lost.Add(1)
		}
		return k.part.retryFailed
	case journal.Unknown:
		return k.part.resume || !k.part.retryFailed
	}
	return true
}

// key is the item's key. An input that is no argument has one too: it is a failure that is not tried again either.
func (k *keeper) key(it item) journal.Key {
	arg, path, err := k.job.task.encode(k.args, it)
	if err != nil {
		return journal.KeyOf(k.function, []byte(it.name), "no argument")
	}
	if !k.job.source.paths {
		path = ""
	}
	return journal.KeyOf(k.function, arg, fileVersion(path))
}

// fileVersion is what changes when a file is written to.
func fileVersion(path string) string {
	if path == "" {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil {
		return "no file"
	}
	b := strconv.AppendInt(make([]byte, 0, 40), info.Size(), 10)
	return string(strconv.AppendInt(append(b, ' '), info.ModTime().UnixNano(), 10))
}

// record is told of results as they come. In the order of the inputs they may wait to be printed.
func (k *keeper) record(o outcome) error {
	if !k.job.flags.output.unordered && o.err == nil {
		k.waiting.add(o)
	}
	return nil
}

// printed records what came of an item.
func (k *keeper) printed(o outcome) error {
	if o.item.past.isPrinted() {
		return nil
	}
	r := journal.Record{Key: o.item.past.key, State: journal.Done, Was: k.replaced(o.item), Input: o.item.name}
	switch {
	case o.err != nil:
		r.State, r.Kind, r.Error = journal.Failed, o.kind(), o.cause()
	case k.job.task.sums():
		var err error
		if r.Value, err = k.values.encode(o.value); err != nil {
			return fmt.Errorf("journal: %s: %w", o.item.label(), err)
		}
	}
	return k.job.out.record(func() { k.journal.Add(&r) })
}

// replaced is the state that the item's record takes the place of.
func (k *keeper) replaced(it item) journal.State {
	if k.waiting.remove(it) {
		return journal.Held
	}
	if it.past.state == journal.Failed || it.past.state == journal.Held {
		return it.past.state
	}
	return journal.Unknown
}

// hold records results that have waited for long.
func (k *keeper) hold(o outcome) bool {
	value, err := newEncoder().encode(o.value)
	if err != nil || len(value) > maxHeld {
		return false // after a kill it is run again
	}
	r := journal.Record{Key: o.item.past.key, State: journal.Held, Value: value, Input: o.item.name}
	if o.item.past.state == journal.Failed {
		r.Was = journal.Failed
	}
	return k.job.out.record(func() { k.journal.Add(&r) }) == nil
}

func (k *keeper) close(bool) error {
	k.waiting.close()
	flushed := k.job.out.flush() // it may have added a record after the last line
	if lost := k.job.lost.Load(); lost > 0 && !k.job.dry {
		k.job.console.say(fmt.Sprintf("procpool: %s failed in an earlier run and %s left out; to try again: %s", numeral.Of(int(lost), "item"), wasWere(lost), k.again("--retry-failed")))
	}
	return errors.Join(flushed, k.journal.Close())
}

func wasWere(n int64) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

// tellPast says what the journal has already.
func (k *keeper) tellPast() {
	if done, failed := k.journal.Done(), k.journal.Failed(); done+failed > 0 {
		k.job.console.say(fmt.Sprintf("procpool: journal %q: %s done, %s failed", k.part.path, numeral.Thousands(int64(done)), numeral.Thousands(int64(failed))))
	}
}

// hint is how to go on with a run that was cut short.
func (k *keeper) hint() string {
	if k.part.retryFailed {
		return "to go on: " + k.again()
	}
	return "to go on: " + k.again("--resume")
}

// again is the command line of a run that goes on with the journal.
func (k *keeper) again(flags ...string) string {
	s := k.job.streams
	if !k.job.source.readsStdin() {
		s.in = nil
	}
	text := againLine(s, flags...)
	if s.in != nil && fileOf(s.in) == "" {
		text += " (with the same standard input)"
	}
	return text
}

// tellFailed says how to try again what failed in this run.
func (k *keeper) tellFailed(*pool.Pool) string {
	if k.job.tally.failed == 0 || !k.job.complete || k.job.lost.Load() > 0 {
		return ""
	}
	return fmt.Sprintf("procpool: to try again what failed: %s\n", k.again("--retry-failed"))
}
