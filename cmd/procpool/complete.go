package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/procpool/procpool/cmd/procpool/bench"
	"github.com/procpool/procpool/cmd/procpool/doctor"
)

// What a flag takes is told by the word in back quotes in its usage text, for people and for the shell: these are all such words, and what is suggested
// for them. A word with nothing takes what cannot be guessed.
var placeholders = map[string]struct {
	directive cobra.ShellCompDirective
	values    []string
}{
	"N":           {cobra.ShellCompDirectiveNoFileComp, nil},
	"D":           {cobra.ShellCompDirectiveNoFileComp, durations},
	"DURATION":    {cobra.ShellCompDirectiveNoFileComp, durations},
	"SIZE":        {cobra.ShellCompDirectiveNoFileComp, []string{"64M", "256M", "1G", "4G"}},
	"LIST":        {cobra.ShellCompDirectiveNoFileComp, nil},
	"FORMAT":      {cobra.ShellCompDirectiveNoFileComp, []string{formatLines, "nul", formatJSON}},
	"LEVEL":       {cobra.ShellCompDirectiveNoFileComp, []string{"off", "error", "warn", "info", "debug", "trace"}},
	"HOW":         {cobra.ShellCompDirectiveNoFileComp, []string{"auto", "plain", "none"}},
	"SECTIONS":    {cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace, bench.Names()},
	"ADDR":        {cobra.ShellCompDirectiveNoFileComp, []string{"127.0.0.1:8080", "[::1]:8080"}},
	"TOKEN":       {cobra.ShellCompDirectiveNoFileComp, nil},
	"TEXT":        {cobra.ShellCompDirectiveNoFileComp, nil},
	"FILE":        {cobra.ShellCompDirectiveDefault, nil},
	"ARGV":        {cobra.ShellCompDirectiveDefault, nil},
	"INTERPRETER": {cobra.ShellCompDirectiveDefault, []string{"none"}},
	"DIR":         {cobra.ShellCompDirectiveFilterDirs, nil},
}

var durations = []string{"100ms", "1s", "10s", "1m", "10m"}

// completeFlags has the values of flags completed, but where the command has done it itself.
func completeFlags(cmd *cobra.Command) {
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { completeFlag(cmd, f) })
	cmd.PersistentFlags().VisitAll(func(f *pflag.Flag) { completeFlag(cmd, f) })
}

func completeFlag(cmd *cobra.Command, f *pflag.Flag) {
	if _, has := cmd.GetFlagCompletionFunc(f.Name); has || f.NoOptDefVal != "" {
		return
	}
	word, _ := pflag.UnquoteUsage(f)
	known, isKnown := placeholders[word]
	directive, values := known.directive, known.values
	if !isKnown {
		directive = cobra.ShellCompDirectiveNoFileComp
	}
	_ = cmd.RegisterFlagCompletionFunc(f.Name, func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		return listed(values, begun, f.Value.Type() == "stringSlice"), directive
	})
}

// listed are the values that a list may go on with: "a,b" is completed to "a,bench".
func listed(values []string, begun string, isList bool) (all []string) {
	comma := strings.LastIndexByte(begun, ',') + 1
	if !isList || comma == 0 {
		return values
	}
	had := strings.Split(begun[:comma-1], ",")
	for _, value := range values {
		if !slices.Contains(had, value) {
			all = append(all, begun[:comma]+value)
		}
	}
	return all
}

// completeArgs has the arguments of a command completed, but where the command has done it itself.
func completeArgs(cmd *cobra.Command) {
	if cmd.ValidArgsFunction != nil || len(cmd.ValidArgs) > 0 || cmd.HasSubCommands() {
		return
	}
	i := slices.IndexFunc(builtins, func(b *builtin) bool { return b.name == cmd.Name() })
	switch {
	case cmd.HasParent() && cmd.Parent().Name() == "run" && i >= 0:
		cmd.ValidArgsFunction = builtins[i].complete
	case cmd.Name() == "doctor":
		cmd.ValidArgsFunction = completeChecks
	case strings.Contains(cmd.Use, "DIR"):
		cmd.ValidArgsFunction = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
	default:
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
}

// complete suggests inputs of a function.
func (b *builtin) complete(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	switch {
	case b.paths && len(b.exts) > 0:
		var exts []string
		for _, ext := range b.exts {
			exts = append(exts, strings.TrimPrefix(ext, "."))
		}
		return exts, cobra.ShellCompDirectiveFilterFileExt
	case b.paths:
		return nil, cobra.ShellCompDirectiveDefault
	case b == &crashBuiltin:
		return []string{"segv\tdie of a bad pointer", "kill\tdie of SIGKILL", "stack\toverflow the stack"}, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completeChecks suggests checks of the doctor that are not there yet.
func completeChecks(_ *cobra.Command, had []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	for _, c := range doctor.Checks() {
		if !slices.Contains(had, c.Name) {
			names = append(names, cobra.CompletionWithDesc(c.Name, c.About))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
