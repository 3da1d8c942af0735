package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
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

Ctrl-C starts nothing more and finishes what runs; a second one ends it at once. SIGTERM and
SIGHUP are a Ctrl-C with the second one five seconds later.

`

func newRun(s streams) *cobra.Command {
	flags := &runFlags{}
	cmd := &cobra.Command{
		Use:   "run FUNCTION [INPUTS...]",
		Short: "Run a function over files, values, lines or JSON Lines",
		Long:  runLong + journalHelp + exitHelp(),
	}
	flags.define(cmd)
	cmd.AddGroup(&cobra.Group{ID: "work", Title: "Functions:"}, &cobra.Group{ID: "trial", Title: "Functions for trying things out:"})
	for _, b := range builtins {
		cmd.AddCommand(newFunction(s, b, flags))
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("command") {
			return runForeign(s, cmd, flags, args)
		}
		return noSuchFunction(cmd, args)
	}
	cmd.SetFlagErrorFunc(func(failed *cobra.Command, err error) error {
		// A flag of a function that does not exist is not worth a word: that it does not exist is.
		if args := failed.Flags().Args(); failed == cmd && len(args) > 0 && !failed.Flags().Changed("command") {
			return noSuchFunction(failed, args)
		}
		return cmd.Root().FlagErrorFunc()(failed, err)
	})
	return cmd
}

// noSuchFunction answers when no function of that name exists: cobra passes it on as an
// argument.
func noSuchFunction(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New(`which function? "procpool functions" lists them`)
	}
	text := fmt.Sprintf("there is no function %s", quoted(clipped(args[0], 60)))
	if _, err := strconv.Atoi(args[0]); err == nil && cmd.Flags().Changed("json") {
		return fmt.Errorf("%s; -j is --json, and -w %s is the number of workers", text, args[0])
	}
	if _, err := exec.LookPath(args[0]); err == nil {
		text += ": run knows functions, and no commands"
	}
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return errors.New(text + "\n" + `"procpool functions" lists them.`)
}

// runForeign runs the function of another program that args begin with.
func runForeign(s streams, cmd *cobra.Command, flags *runFlags, args []string) error {
	if len(args) == 0 {
		return errors.New("which function of the program? Its name comes before the inputs")
	}
	if err := flags.check(cmd); err != nil {
		return err
	}
	b := flags.foreign.builtin(args[0])
	command := commandLine{function: b.name}
	for _, name := range []string{"command", "strings"} {
		if f := cmd.Flags().Lookup(name); f.Changed {
			command.add(f)
		}
	}
	return runItems(s, cmd, flags, b, command, b.open(nil), args[1:])
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
		command := newCommandLine(b.name, cmd.LocalNonPersistentFlags())
		if cmd.Flags().Changed("command") {
			if len(command.flags) > 0 {
				return fmt.Errorf("%s is a flag of the built-in %s; with --command the function is the program's", command.flags[0], b.name)
			}
			return runForeign(s, cmd, flags, append([]string{b.name}, args...))
		}
		if err := flags.check(cmd); err != nil {
			return err
		}
		return runItems(s, cmd, flags, b, command, task, args)
	}
	return cmd
}

// runItems runs a function over the inputs that args name.
func runItems(s streams, cmd *cobra.Command, flags *runFlags, b *builtin, command commandLine, t task, args []string) error {
	src, err := newSource(args, s.in, flags.input.format(flags.output.json), b)
	if err != nil {
		return err
	}
	command.addItemFlags(cmd.Flags())
	job := newJob(s, command, flags, src, t)
	if flags.input.dryRun {
		return exitWith(job.dryRun(cmd.Context()))
	}
	return exitWith(job.run(cmd.Context()))
}

func (b *builtin) help() string {
	text := strings.ToUpper(b.about[:1]) + b.about[1:] + ".\n\n" + b.arg + " is " + b.input + "."
	if b.details != "" {
		text += "\n\n" + b.details
	}
	return text
}
