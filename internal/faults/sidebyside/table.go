//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// The pools, as they stand from left to right.
var pools = []string{"multiprocessing.Pool", "ProcessPoolExecutor", "procpool"}

// peers runs the script for Python's pools.
func peers(ctx context.Context, python, script, only string) (lines []line, err error) {
	program, err := exec.LookPath(python)
	if err != nil {
		return nil, fmt.Errorf("there is no %s here: %w", python, err)
	}
	if _, err = os.Stat(script); err != nil {
		return nil, fmt.Errorf("run this at the top of the repository, or say where the script is: %w", err)
	}
	cmd := exec.CommandContext(ctx, program, script, "--only", only)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	decoder := json.NewDecoder(bytes.NewReader(text))
	for {
		var l line
		if bad := decoder.Decode(&l); bad != nil {
			if errors.Is(bad, io.EOF) {
				bad = nil
			}
			return lines, errors.Join(err, bad)
		}
		lines = append(lines, l)
	}
}

// markdown renders a table: a row for each fault, a column for each pool that has lines.
func markdown(faults []fault, lines []line) string {
	cells := map[string]map[string]string{}
	for _, l := range lines {
		if cells[l.Pool] == nil {
			cells[l.Pool] = map[string]string{}
		}
		cells[l.Pool][l.Fault] = cell(l)
	}
	var head, rule, body strings.Builder
	head.WriteString("| what goes wrong |")
	rule.WriteString("|---|")
	for _, pool := range pools {
		if cells[pool] != nil {
			fmt.Fprintf(&head, " %s |", pool)
			rule.WriteString("---|")
		}
	}
	for _, f := range faults {
		fmt.Fprintf(&body, "| %s |", f.title)
		for _, pool := range pools {
			if cells[pool] != nil {
				fmt.Fprintf(&body, " %s |", cells[pool][f.name])
			}
		}
		body.WriteString("\n")
	}
	return head.String() + "\n" + rule.String() + "\n" + body.String()
}

const longest = 50 // of an error's text that stands in a cell

// cell says what the caller saw, and then only what is not as it should be.
func cell(l line) string {
	if l.Error != "" {
		return "no report"
	}
	var parts []string
	switch l.Saw {
	case "":
	case nothing:
		parts = append(parts, "**hangs**")
	case result:
		parts = append(parts, "the result")
	default:
		saw := "`" + l.Saw + "`"
		if l.Text != "" && len(l.Text) <= longest {
			saw += ": " + strings.NewReplacer("|", `\|`, "\n", " ", "`", "'").Replace(l.Text)
		}
		parts = append(parts, saw)
	}
	if l.Note != "" {
		parts = append(parts, l.Note)
	}
	if lost := l.Neighbours - l.Answered; lost > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d neighbours lost", lost, l.Neighbours))
	}
	switch {
	case l.Workers == nil:
	case *l.Workers == 0:
		parts = append(parts, "the pool is dead")
	case *l.Workers < workers:
		parts = append(parts, fmt.Sprintf("%d of %d workers serves", *l.Workers, workers))
	}
	if !l.Ends && l.Saw != "" {
		parts = append(parts, "ending the pool hangs")
	}
	return strings.Join(parts, "; ")
}
