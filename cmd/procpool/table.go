package main

import (
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// newTable is a table whose columns after the first hold figures, but for those of
// textColumns.
func newTable(columns ...string) table.Writer {
	w := table.NewWriter()
	w.SetStyle(tableStyle())
	header := table.Row{}
	configs := []table.ColumnConfig{}
	for i, name := range columns {
		header = append(header, name)
		config := table.ColumnConfig{Number: i + 1}
		switch width, isText := textColumns[name]; {
		case isText:
			config.WidthMax, config.WidthMaxEnforcer = width, text.WrapSoft
		case i > 0:
			config.Align, config.AlignHeader, config.AlignFooter = text.AlignRight, text.AlignRight, text.AlignRight
		}
		configs = append(configs, config)
	}
	w.AppendHeader(header)
	w.SetColumnConfigs(configs)
	return w
}

// textColumns are the columns that hold text, and how wide they may get; 0 is no limit.
var textColumns = map[string]int{"where": 0, "takes": 0, "input": 38, "what it does": 42, "argument": 48, "error": 48, "of a task": 0}

// tableStyle has lines but leaves the words as they are written.
func tableStyle() table.Style {
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	style.Format.Footer = text.FormatDefault
	return style
}
