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
an endless loop costs the one item that caused it. Results go to standard output,
everything else to standard error.`,
		SilenceErrors: true, // exitCode reports them
		SilenceUsage:  true,
	}
	root.SetIn(s.in)
	root.SetOut(&heeded{w: s.out}) // of help and completion; the commands have their streams
	root.SetErr(s.err)
	root.AddCommand(newRun(s), newFunctions(s), newVersion(s), newBench(s), newTop(s), newDoctor(s), newDemo(s), newMan())
	manners(root)
	return root
}
