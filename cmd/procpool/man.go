package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/procpool/procpool/cmd/procpool/doctor"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages into a directory",
		Long: `man writes the manual pages of procpool and its commands, procpool.1, procpool-run.1 and so
on, into DIR, which it makes if need be. "man -l FILE" shows one; "make install" puts them where
man finds them.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New(`want one directory, as in "procpool man ."`)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return broken(err)
			}
			for name, text := range manPages(cmd.Root()) {
				path := filepath.Join(args[0], name)
				if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // everybody may read a manual
					return broken(err)
				}
			}
			return nil
		},
	}
}

// manPages are the pages by their file names. The functions of run are in the page of run, and the shells of completion in that of completion.
func manPages(root *cobra.Command) map[string][]byte {
	pages := map[string][]byte{}
	for _, cmd := range append([]*cobra.Command{root}, root.Commands()...) {
		if cmd.Hidden || !cmd.Runnable() && !cmd.HasSubCommands() || cmd.Name() == "help" {
			continue
		}
		pages[manName(cmd)+".1"] = md2man.Render([]byte(manText(cmd)))
	}
	return pages
}

func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manText is a page in Markdown, of the kind that md2man reads.
func manText(cmd *cobra.Command) string {
	m := &manual{}
	m.printf("%% %q \"1\" %q %q \"procpool\"\n", strings.ToUpper(manName(cmd)), manDate(), thisVersion().short())
	m.section("NAME")
	m.printf("%s - %s\n", escaped(manName(cmd)), escaped(lowered(cmd.Short)))
	m.section("SYNOPSIS")
	m.synopsis(cmd)
	m.section("DESCRIPTION")
	m.prose(strings.ReplaceAll(cmp.Or(cmd.Long, cmd.Short+"."), exitHelp(), ""))
	m.commands(cmd)
	m.options("OPTIONS", cmd.LocalFlags())
	if cmd.Name() == "doctor" {
		m.checks()
	}
	m.section("EXIT STATUS")
	for _, e := range exitTable {
		m.term(fmt.Sprintf("**%d**", e.code), e.meaning+".")
	}
	m.table("ENVIRONMENT", cmd, environmentTable)
	m.table("FILES", cmd, filesTable)
	m.section("EXAMPLES")
	m.code(cmd.Example)
	m.seeAlso(cmd)
	return m.String()
}

// filesTable documents the files that matter, for the manual pages.
var filesTable = []variable{
	{"/proc/self/exe", "this program. Workers are started from it, so that replacing or removing the file while it runs does no harm.", []string{"run", "bench", "demo", "doctor"}},
	{"/sys/fs/cgroup", "limits of processors and memory, which are read.", []string{"run", "doctor"}},
	{"$XDG_RUNTIME_DIR/procpool, /tmp/procpool-UID", "sockets of pools that can be watched.", []string{"run", "top"}},
}

// A manual is Markdown that grows.
type manual struct{ strings.Builder }

func (m *manual) printf(format string, args ...any) { fmt.Fprintf(&m.Builder, format, args...) }

func (m *manual) section(title string) { m.printf("\n# %s\n", title) }

// term is a word, Markdown already, and what it means.
func (m *manual) term(term, meaning string) { m.printf("\n%s\n: %s\n", term, escaped(meaning)) }

func (m *manual) synopsis(cmd *cobra.Command) {
	line := func(cmd *cobra.Command, rest string) {
		m.printf("**%s** %s\n\n", escaped(cmd.CommandPath()), escaped(rest))
	}
	if cmd.HasAvailableSubCommands() && !cmd.Runnable() {
		line(cmd, "COMMAND [flags]")
		return
	}
	_, args, _ := strings.Cut(cmd.Use, " ")
	line(cmd, strings.TrimSpace(args+" [flags]"))
}

// commands lists what is below a command: all that its page has of it.
func (m *manual) commands(cmd *cobra.Command) {
	if !cmd.HasAvailableSubCommands() {
		return
	}
	title := map[string]string{"procpool": "COMMANDS", "run": "FUNCTIONS"}[cmd.Name()]
	m.section(cmp.Or(title, "COMMANDS"))
	for _, c := range cmd.Commands() {
		if c.Hidden || c.Name() == "help" {
			continue
		}
		_, args, _ := strings.Cut(c.Use, " ")
		m.term("**"+escaped(c.Name())+"** "+escaped(args), strings.TrimSpace(sentence(c.Short)+" "+inputOf(c)))
		if cmd.HasParent() {
			m.ownFlags(c)
		}
	}
	topics := false
	for _, c := range cmd.Commands() {
		topics = topics || c.IsAdditionalHelpTopicCommand()
	}
	if topics {
		m.printf("\n%s\n", escaped(`"procpool help TOPIC" tells more of the topics.`))
	}
}

// inputOf says what one input of a function is; nothing of other commands.
func inputOf(cmd *cobra.Command) string {
	for _, b := range builtins {
		if cmd.HasParent() && cmd.Parent().Name() == "run" && b.name == cmd.Name() {
			return b.arg + " is " + b.input + "."
		}
	}
	return ""
}

// ownFlags are those of a function alone, below it.
func (m *manual) ownFlags(cmd *cobra.Command) {
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && !f.Hidden {
			word, usage := pflag.UnquoteUsage(f)
			m.printf("\n    %s\n", strings.TrimSpace("--"+f.Name+" "+word)+": "+strings.ReplaceAll(usage, "\n", " "))
		}
	})
}

func (m *manual) options(title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	m.section(title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		word, usage := pflag.UnquoteUsage(f)
		term := "**--" + escaped(f.Name) + "**"
		if f.Shorthand != "" {
			term = "**-" + f.Shorthand + "**, " + term
		}
		if word != "" {
			term += " *" + escaped(word) + "*"
		}
		usage = sentence(strings.ReplaceAll(usage, "\n", " "))
		if defaultShown(f) {
			usage = strings.TrimSuffix(usage, ".") + " (default: " + f.DefValue + ")."
		}
		m.term(term, usage)
	})
}

// defaultShown reports whether a flag has a default that says something. That of --workers is of the machine where the page was made.
func defaultShown(f *pflag.Flag) bool {
	switch f.DefValue {
	case "", "0", "0s", "false", "[]":
		return false
	}
	return f.Name != "workers"
}

// checks documents the doctor's JSON.
func (m *manual) checks() {
	m.section("CHECKS")
	m.prose("With --json the report is an object: procpool (the version), state (the worst of all), workers, quick, seconds, and findings, each with check, group, state, " +
		"found, does, improve and facts. Facts that a check has are listed below it; where it could find nothing out there are none. Names stay as they are; there may come more. " +
		"Durations end in _ns and are in nanoseconds, sizes end in _bytes. 9223372036854775807 is no limit.")
	for _, c := range doctor.Checks() {
		m.term("**"+escaped(c.Name)+"**", sentence(c.About)+" Facts: "+strings.Join(c.Keys, ", ")+".")
	}
}

func (m *manual) table(title string, cmd *cobra.Command, entries []variable) {
	begun := false
	for _, v := range entries {
		if cmd.HasParent() && !strings.Contains(" "+strings.Join(v.commands, " ")+" ", " "+cmd.Name()+" ") {
			continue
		}
		if !begun {
			m.section(title)
			begun = true
		}
		m.term("**"+escaped(v.name)+"**", sentence(v.meaning))
	}
}

func (m *manual) seeAlso(cmd *cobra.Command) {
	var names []string
	for _, c := range append([]*cobra.Command{cmd.Root()}, cmd.Root().Commands()...) {
		if c != cmd && !c.Hidden && c.Name() != "help" && (c.Runnable() || c.HasSubCommands()) {
			names = append(names, "**"+escaped(manName(c))+"**(1)")
		}
	}
	m.section("SEE ALSO")
	m.printf("%s\n", strings.Join(names, ", "))
}

// prose is text for people as a help has it: paragraphs, and what is set in stays as it is.
func (m *manual) prose(text string) {
	inset := false
	for line := range strings.Lines(strings.Trim(text, "\n")) {
		line = strings.TrimRight(line, "\n")
		if is := strings.HasPrefix(line, "  "); is != inset {
			m.printf("\n")
			inset = is
		}
		if inset {
			m.printf("    %s\n", line)
		} else {
			m.printf("%s\n", escaped(line))
		}
	}
}

func (m *manual) code(text string) {
	m.printf("\n")
	for line := range strings.Lines(text) {
		m.printf("    %s\n", strings.TrimRight(line, "\n"))
	}
}

// escaped is text that Markdown leaves as it is.
func escaped(text string) string {
	var b strings.Builder
	for i, r := range text {
		if strings.ContainsRune("\\`*_{}[]#<>|~&", r) || i == 0 && strings.ContainsRune("-+:", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// sentence begins with a capital letter and ends with a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}

func lowered(text string) string { return strings.ToLower(text[:1]) + text[1:] }

// manDate is when the source was committed, so that the same source makes the same pages; where that is not known, when this program was built.
func manDate() string {
	at, err := time.Parse(time.RFC3339, thisVersion().Time)
	if err != nil {
		path, _ := os.Executable()
		if info, err := os.Stat(path); err == nil {
			at = info.ModTime()
		}
	}
	return at.UTC().Format("2006-01-02")
}
