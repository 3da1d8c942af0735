package main

import (
	"encoding/json"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
)

// functionInfo is a function as "functions --json" describes it.
type functionInfo struct {
	Name       string   `json:"name"`
	About      string   `json:"about"`
	Takes      string   `json:"takes"` // path or value
	Input      string   `json:"input"`
	Extensions []string `json:"extensions,omitempty"`
	Trial      bool     `json:"trial,omitempty"`
}

func newFunctions(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "functions",
		Short: "List the built-in functions and what they take",
		Args:  noArguments,
	}
	asJSON := cmd.Flags().BoolP("json", "j", false, "JSON Lines")
	cmd.RunE = func(*cobra.Command, []string) error {
		out := newSink(s.out)
		var err error
		if *asJSON {
			err = listJSON(out)
		} else {
			err = out.line([]byte(functionTable()))
		}
		if flushed := out.flush(); err == nil {
			err = flushed
		}
		if err == nil || readerIsGone(err) {
			return nil
		}
		return broken(err)
	}
	return cmd
}

func functionTable() string {
	w := newTable("function", "takes", "input", "what it does")
	trials := false
	for _, b := range builtins {
		if b.trial && !trials {
			w.AppendSeparator()
			trials = true
		}
		w.AppendRow(table.Row{b.name, b.takes(), b.input, b.about})
	}
	return w.Render()
}

func listJSON(out *sink) error {
	for _, b := range builtins {
		line, err := json.Marshal(functionInfo{b.name, b.about, b.takes(), b.input, b.exts, b.trial})
		if err != nil {
			return err
		}
		if err := out.line(line); err != nil {
			return err
		}
	}
	return nil
}
