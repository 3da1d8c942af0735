package main

import (
	"io"

	"github.com/spf13/cobra"
)

// streams are the standard streams of the process, or a test's.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer

	program string   // as it was called
	args    []string // what it was called with
}

func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "procpool",
		Short: "Run functions in a pool of operating-system processes",
		Long: `procpool runs built-in functions in worker processes, so that a crash, a leak or
an endless loop costs the one item that caused it.

  procpool run gostats .               statistics of the Go files below this directory
  find . -type f | procpool run sha256 -
  procpool run primes 1e6 1e7 1e8 --json
  procpool run crash segv --quiet      what a dying worker looks like
  procpool bench --quick               what a process boundary costs here`,
		SilenceErrors: true, // exitCode reports them
		SilenceUsage:  true,
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.AddCommand(newRun(s), newFunctions(s), newVersion(s), newBench(s), newDemo(s))
	return root
}
