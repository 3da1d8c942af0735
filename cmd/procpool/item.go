package main

import "encoding/json"

// item is one input: what the user calls it, and where it came from.
type item struct {
	index int             // among all inputs
	place int             // among those that are run, in the order in which they are; -1 as the index where there is no item
	name  string          // a path, a value, or the line of JSON
	raw   json.RawMessage // the argument, where it came as JSON
	root  string          // the directory on the command line that it was found in, or ""
	past  *past           // what the journal knows of it; nil without a journal
}

// input is the item as a value of the JSON output: a line that is not JSON is its text.
func (it item) input() any {
	if json.Valid(it.raw) {
		return it.raw
	}
	return it.name
}

// label is the item's name in a message: safe, and not longer than a line.
func (it item) label() string { return quoted(clipped(it.name, 200)) }
