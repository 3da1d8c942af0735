package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// manners gives all commands what they have in common: help with examples and environment, topics, completion, and errors that say what to do. It comes
// last, when all commands are there, and finds what they are by looking at them, so that a new one has manners by itself.
func manners(root *cobra.Command) {
	root.Version = thisVersion().String()
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(explainFlag)
	root.AddCommand(newTopic("exit-codes", "What the exit codes mean", exitHelp()), newTopic("environment", "The environment variables that matter", environmentHelp("")))
	root.SetHelpCommand(newHelp())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd("completion") // as if it were asked for: else it comes after us
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.Args, completion.RunE = cobra.ArbitraryArgs, noSuchShell
	}
	walkCommands(root, func(cmd *cobra.Command) {
		if cmd.Example == "" {
			cmd.Example = examples[cmd.CommandPath()]
		}
		cmd.Flags().SortFlags = false
		cmd.SetUsageTemplate(usageTemplate(cmd))
		completeArgs(cmd)
		completeFlags(cmd)
	})
}

// walkCommands visits a command and all below it.
func walkCommands(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, c := range cmd.Commands() {
		walkCommands(c, visit)
	}
}

// newTopic is a page of the help that is no command: cobra lists it apart.
func newTopic(name, short, text string) *cobra.Command {
	return &cobra.Command{Use: name, Short: short, Long: short + ".\n\n" + strings.TrimRight(text, "\n")}
}

// newHelp is cobra's help command, but for a name that does not exist being an error.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND|TOPIC]",
		Short: "Tell about a command or a topic",
		Long:  `help tells about a command, as its --help does, or about a topic.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return noSuchTopic(cmd.Root(), args)
			}
			about.InitDefaultHelpFlag()
			about.InitDefaultVersionFlag()
			return about.Help()
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return subcommands(about), cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// subcommands are the names below a command, topics included, with what they are.
func subcommands(cmd *cobra.Command) (names []string) {
	for _, c := range cmd.Commands() {
		if !c.Hidden && c.Name() != "help" {
			names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
		}
	}
	return names
}

func noSuchTopic(root *cobra.Command, args []string) error {
	text := "there is no command or topic " + quoted(clipped(strings.Join(args, " "), 60))
	best := 3 // more than two letters apart is another word
	near := ""
	for _, c := range root.Commands() {
		if d := distance(args[0], c.Name()); d < best && !c.Hidden && len(args) == 1 {
			best, near = d, "; did you mean "+c.Name()+"?"
		}
	}
	return errors.New(text + near + "\n\"procpool help\" lists them.")
}

func noSuchShell(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("which shell? bash, zsh, fish or powershell")
	}
	return fmt.Errorf("there is no completion for %s; there is for bash, zsh, fish and powershell", quoted(clipped(args[0], 60)))
}

// noArguments is the Args of commands that take none.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s takes no arguments, and there is %s", cmd.Name(), quoted(clipped(args[0], 60)))
}

// usageTemplate is cobra's with what ours has more: the environment, and where the exit codes are.
func usageTemplate(cmd *cobra.Command) string {
	text := (&cobra.Command{}).UsageTemplate() // the default one: cmd's own may be its parent's, with the parent's environment
	text = strings.NewReplacer("[command]", "COMMAND", "Available Commands:", "Commands:", "Additional Commands:", "Commands:",
		"Global Flags:", "Flags of all functions:", "Additional help topics:", "Topics:", "{{rpad .CommandPath .CommandPathPadding}}", "{{rpad .Name .NamePadding}} ").Replace(text)
	if env := environmentHelp(cmd.Name()); env != "" && cmd.Runnable() && cmd.HasParent() && cmd.Parent() == cmd.Root() {
		text += "\nEnvironment:\n" + env
	}
	if (cmd.Runnable() || !cmd.HasParent()) && !strings.Contains(cmd.Long, exitHelp()) {
		text += "\nExit codes: \"procpool help exit-codes\".\n"
	}
	return text
}

// A variable is one of the environment.
type variable struct {
	name     string
	meaning  string
	commands []string // for which it matters
}

// environmentTable documents the variables, in the help, the topic and the manual pages.
var environmentTable = []variable{
	{"GOMAXPROCS", "how many processors this program uses, and how many workers it starts where --workers is not given", []string{"run", "bench", "doctor", "demo"}},
	{"GOGC, GOMEMLIMIT", "when Go collects garbage, in this program and in each worker", []string{"run", "bench", "demo"}},
	{"GOTRACEBACK", "how much a worker that crashes prints: none, single, all, system or crash", []string{"run"}},
	{"TMPDIR", "where temporary files go (default: /tmp)", []string{"bench", "demo", "doctor"}},
	{"PROCPOOL_MONITOR", "1 lets \"procpool top\" watch the pool; a directory is where its socket goes", []string{"run", "top"}},
	{"XDG_RUNTIME_DIR", "where sockets are looked for: in its directory procpool", []string{"top"}},
	{"NO_COLOR", "if it is not empty: no colours (no-color.org)", []string{"doctor", "top"}},
	{"CLICOLOR_FORCE", "if neither empty nor 0: colours even where the output is no terminal; FORCE_COLOR is the same", []string{"doctor"}},
	{"TERM", "dumb: no colours and no progress bar", []string{"run", "doctor"}},
}

// environmentHelp lists the variables that matter for a command; "" stands for all commands.
func environmentHelp(command string) string {
	var b strings.Builder
	for _, v := range environmentTable {
		if command != "" && !slices.Contains(v.commands, command) {
			continue
		}
		meaning := v.meaning
		if command == "" {
			meaning += " (" + strings.Join(v.commands, ", ") + ")"
		}
		name := v.name
		for _, line := range wrap(meaning, 66) {
			fmt.Fprintf(&b, "  %-16s  %s\n", name, line)
			name = ""
		}
	}
	return b.String()
}
