// Command procpool runs built-in functions in worker processes: over files,
// directories, values, lines or JSON Lines.
//
//	procpool run FUNCTION [INPUTS...]   run a built-in function over inputs
//	procpool functions                  list the built-in functions
//	procpool bench                      measure what a process boundary costs here
//	procpool top [PID|NAME|SOCKET]      watch a running pool
//	procpool doctor [CHECK...]            find out what the system allows
//	procpool demo                       a real job, in one process and in many
//	procpool version                    print the version
//
// Results go to standard output, everything else to standard error, and the exit
// code says what happened; "procpool run --help" has the table.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/procpool/procpool/worker"
)

func main() {
	worker.Main()
	os.Exit(mainIn(context.Background()))
}

// mainIn runs the command on the streams of the process.
func mainIn(ctx context.Context) int {
	// Whoever asks for SIGPIPE gets EPIPE from the write instead of being killed by
	// it, so that "| head" ends the run in good order. The channel is never read.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	ctx, stop := withInterrupts(ctx)
	defer stop()
	return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

// run is the command as a function of its streams. It returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	streams := streams{in: stdin, out: stdout, err: stderr, program: os.Args[0], args: args}
	root := newRoot(streams)
	root.SetArgs(append([]string{}, args...)) // never nil: cobra takes nil for os.Args
	cmd, err := root.ExecuteContextC(ctx)
	return exitCode(root.OutOrStdout().(*heeded).verdict(err), cmd.CommandPath(), stderr)
}
