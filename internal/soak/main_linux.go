package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/internal/proc"
	"github.com/procpool/procpool/worker"
)

// The exit statuses.
const (
	exitOK = iota
	exitViolation
	exitUsage
	exitHang
)

func main() {
	worker.Main()
	parent = true
	os.Exit(run(os.Args[1:], os.Stderr))
}

// run is main as a function of its arguments.
func run(args []string, out io.Writer) int {
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(out)
	length := flags.Duration("for", 20*time.Minute, "how long")
	seed := flags.Uint64("seed", 0, "draw the same again; 0 draws a seed")
	from := flags.Int("from", 0, "the epoch to begin with")
	each := flags.Duration("epoch", 15*time.Second, "how long an epoch takes, after which nothing may be left")
	kills := flags.Int("kills", 0, "instead: kill so many workers, one each in a batch of tiny tasks")
	verbose := flags.Bool("v", false, "say what is held after each epoch")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil || flags.NArg() > 0:
		return exitUsage
	}
	if *seed == 0 {
		*seed = uint64(rand.Uint32())
	}
	fmt.Fprintf(out, "soak: seed %d\n", *seed)
	s := newSoak(*seed, out)
	s.verbose = *verbose
	leaktest.Mark()
	proc.StartHook = s.scarcity.hook
	if *kills > 0 {
		s.runKills(context.Background(), *kills)
	} else {
		s.run(*length, *each, *from)
	}
	if s.hasFailed() {
		return exitViolation
	}
	return exitOK
}
