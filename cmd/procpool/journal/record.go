package journal

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"unicode/utf8"
)

// State is what the journal knows of a task.
type State uint8

// The states of a task.
const (
	Unknown State = iota // it has not run, or was running when the run ended
	Done                 // it succeeded
	Failed               // it failed
	Held                 // it succeeded, and its output has not been written
)

var stateNames = [...]string{Unknown: "", Done: "done", Failed: "failed", Held: "held"}

// String is the word for the state in the file.
func (s State) String() string { return stateNames[s] }

func stateOf(name string) State {
	for s, n := range stateNames {
		if n == name {
			return State(s)
		}
	}
	return Unknown
}

// Record is what came of one task.
type Record struct {
	Key   Key
	State State
	Was   State  // Failed or Held where the record takes the place of such a one
	Kind  string // of a failure
	Error string // of a failure
	Value []byte // of a task that is held or has a part in totals; nil elsewhere
	Input string // what the user calls the task
}

// What people read is clipped: the journal is no copy of the inputs.
const (
	maxInput = 200
	maxError = 1000
)

// append appends the record as a line. The input comes last, see plainDone.
func (r *Record) append(b []byte) []byte {
	start := len(b)
	b = append(b, `{"`...)
	b = append(b, r.State.String()...)
	b = append(b, `":"`...)
	b = hex.AppendEncode(b, r.Key[:])
	b = append(b, '"')
	if r.Was != Unknown {
		b = appendField(b, "was", r.Was.String())
	}
	if r.State == Failed {
		b = appendField(b, "kind", r.Kind)
		b = appendField(b, "error", clip(r.Error, maxError))
	}
	if r.Value != nil {
		b = append(b, `,"value":"`...)
		b = base64.StdEncoding.AppendEncode(b, r.Value)
		b = append(b, '"')
	}
	b = appendField(b, "in", clip(r.Input, maxInput))
	return seal(b, start)
}

func appendField(b []byte, name, text string) []byte {
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":`...)
	return appendString(b, text)
}

// appendString appends text as JSON. Nearly all text is plain, and encoding/json is slower.
func appendString(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(text)
			if err != nil {
				panic("bug: " + err.Error()) // every string has a JSON
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

// clip returns the first limit bytes of text, with a sign that there is more.
func clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := limit
	for end > limit-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "..."
}

// entry is any line but the header.
type entry struct {
	Run   *Run   `json:"run"`
	Batch *batch `json:"batch"`
	Kept  *bool  `json:"kept"`

	Done   string `json:"done"`
	Failed string `json:"failed"`
	Held   string `json:"held"`
	Was    string `json:"was"`
	Value  []byte `json:"value"`
}

// record is the entry as a record, if it is one.
func (e *entry) record() (r Record, ok bool) {
	for _, is := range []struct {
		state State
		key   string
	}{{Done, e.Done}, {Failed, e.Failed}, {Held, e.Held}} {
		if is.key == "" {
			continue
		}
		r.Key, ok = parseKey([]byte(is.key))
		r.State, r.Was, r.Value = is.state, stateOf(e.Was), e.Value
		return r, ok
	}
	return Record{}, false
}

const (
	donePrefix = `{"done":"`
	inField    = `","in":`
)

// plainDone reads the record that nearly all lines are, without a parser: the sum vouches for the form.
func plainDone(object []byte) (r Record, ok bool) {
	const key, in = len(donePrefix), len(donePrefix) + keyDigits
	if len(object) < in+len(inField) || string(object[:key]) != donePrefix || string(object[in:in+len(inField)]) != inField {
		return Record{}, false
	}
	k, ok := parseKey(object[key:in])
	return Record{Key: k, State: Done}, ok
}
