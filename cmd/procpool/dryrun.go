package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"

	"github.com/procpool/procpool/cmd/procpool/numeral"
)

// dryRun prints the command of each item that would be run, counts them, and starts nothing. It returns the exit code.
func (j *job) dryRun(ctx context.Context) int {
	j.dry = true
	if j.end = j.join(); j.end == nil {
		j.list(ctx)
	}
	if err := j.out.flush(); j.end == nil {
		j.end = err
	}
	j.closeRecorders()
	code := j.verdict(ctx)
	if code == exitOK || code == exitItems {
		j.console.say("procpool: " + j.wouldRun())
	}
	return code
}

func (j *job) list(ctx context.Context) {
	for it := range j.items(ctx) {
		j.tally.items++
		if err := j.task.check(it); err != nil {
			j.tally.failed++
			j.console.say(rejected(it, err).complaint())
			continue
		}
		if j.end = j.out.line([]byte(j.command.text(it))); j.end != nil {
			return
		}
	}
	if j.end = j.source.Err(); j.end == nil {
		j.end = ctx.Err()
	}
}

func (j *job) wouldRun() string {
	workers := cmp.Or(int(j.flags.workers.workers), runtime.GOMAXPROCS(0))
	text := fmt.Sprintf("dry run: %s would be run by %s", numeral.Of(j.tally.items-j.tally.failed, "item"), numeral.Of(workers, "worker"))
	if j.tally.failed > 0 {
		text += fmt.Sprintf(", %s could not", numeral.Thousands(int64(j.tally.failed)))
	}
	if skipped := j.counts.skipped.Load(); skipped > 0 {
		text += fmt.Sprintf(", %s skipped", numeral.Thousands(skipped))
	}
	return text + "; nothing was started"
}
