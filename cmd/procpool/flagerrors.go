package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// explainFlag says of a wrong flag what is wrong and what to do.
func explainFlag(cmd *cobra.Command, err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return unknownFlag(cmd, unknown, err)
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		placeholder, usage := pflag.UnquoteUsage(missing.GetFlag())
		return fmt.Errorf("%w; want --%s %s: %s", err, missing.GetFlag().Name, placeholder, firstSentence(usage))
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fmt.Errorf("--%s %s: invalid argument: %s", invalid.GetFlag().Name, quoted(clipped(invalid.GetValue(), 60)), wanted(invalid))
	}
	return err
}

// unknownFlag suggests what is written nearly like it.
func unknownFlag(cmd *cobra.Command, unknown *pflag.NotExistError, err error) error {
	if short := unknown.GetSpecifiedShortnames(); short != "" {
		if strings.ContainsAny(short[:1], "0123456789") {
			return fmt.Errorf("%w; write -- before inputs that begin with a dash; the number of workers is -w N", err)
		}
		return withOurName(cmd, short[:1], err)
	}
	best, near := 3, "" // more than two letters apart is another word
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := distance(unknown.GetSpecifiedName(), f.Name); d < best && !f.Hidden {
			best, near = d, f.Name
		}
	})
	if near == "" {
		return withOurName(cmd, unknown.GetSpecifiedName(), err)
	}
	return fmt.Errorf("%w; did you mean --%s?", err, near)
}

// elsewhere are flags of GNU parallel and xargs, and ours that do the same.
var elsewhere = map[string]string{
	"P": "workers", "jobs": "workers", "max-procs": "workers", "bar": "progress", "eta": "progress", "halt": "max-failures", "resume-failed": "retry-failed", "null": "stdin",
}

// withOurName says which flag of ours does what one of another program does.
func withOurName(cmd *cobra.Command, name string, err error) error {
	ours := cmd.Flags().Lookup(elsewhere[name])
	if ours == nil {
		return err
	}
	placeholder, usage := pflag.UnquoteUsage(ours)
	return fmt.Errorf("%w; here it is --%s %s: %s", err, ours.Name, placeholder, firstSentence(usage))
}

// wanted says what a flag takes.
func wanted(invalid *pflag.InvalidValueError) string {
	switch invalid.GetFlag().Value.Type() {
	case "int", "int64", "int32":
		return "want a whole number"
	case "uint", "uint64", "uint32":
		return "want a whole number, 0 or more"
	case "duration":
		return "want a duration, such as 1.5s, 200ms or 2m"
	case "bool":
		return "want true or false"
	case "float64":
		return "want a number"
	}
	return errors.Unwrap(invalid).Error() // the flag's own type knows
}

// firstSentence is a usage text without what comes in brackets or after it.
func firstSentence(usage string) string {
	text, _, _ := strings.Cut(usage, " (")
	text, _, _ = strings.Cut(text, ";")
	return text
}

// distance is how many letters have to be changed, added or left out to make a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// What cobra says in its own words: of flags that exclude each other, and of a command that does not exist.
var (
	groupError   = regexp.MustCompile(`^if any flags in the group \[[^\]]*\] are set none of the others can be; \[([^\]]+)\] were all set$`)
	commandError = regexp.MustCompile(`(?s)^(unknown command .*)\n\nDid you mean this\?\n(.*)$`)
)

// plainly says it in people's words.
func plainly(err error) error {
	if match := groupError.FindStringSubmatch(err.Error()); match != nil {
		return fmt.Errorf("--%s exclude each other: give one of them", strings.Join(strings.Fields(match[1]), " and --"))
	}
	if match := commandError.FindStringSubmatch(err.Error()); match != nil {
		return fmt.Errorf("%s; did you mean %s?", match[1], strings.Join(strings.Fields(match[2]), " or "))
	}
	return err
}
