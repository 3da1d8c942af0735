package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

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
		src, err := newSource(args, s.in, flags.input.format(flags.output.json), b)
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
