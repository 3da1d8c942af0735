package doctor

// State is how a finding is to be taken.
type State string

// The states, from best to worst.
const (
	OK      State = "ok"      // as it should be
	Note    State = "note"    // it works, with less or for a price
	Problem State = "problem" // something will not work
)

// worse returns the worse of two states.
func worse(a, b State) State {
	rank := map[State]int{OK: 0, Note: 1, Problem: 2}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// Finding is what one check came to. The names are those of the JSON output, and stay as they are.
type Finding struct {
	Check   string `json:"check"`             // see Checks
	Group   string `json:"group"`             // what it is about
	State   State  `json:"state"`             // ok, note or problem
	Found   string `json:"found"`             // what is so, with figures
	Does    string `json:"does,omitempty"`    // what procpool does about it
	Improve string `json:"improve,omitempty"` // what would make it better
	Facts   any    `json:"facts,omitempty"`   // the figures; their names are listed by Keys
}

// Report is what all checks came to.
type Report struct {
	Procpool string    `json:"procpool"` // the version
	State    State     `json:"state"`    // the worst of the findings
	Workers  int       `json:"workers"`  // the number of workers that the limits were judged for
	Quick    bool      `json:"quick"`    // the live part was left out
	Seconds  float64   `json:"seconds"`  // how long it took
	Findings []Finding `json:"findings"`
}

// Count returns how many findings have a state.
func (r *Report) Count(s State) (n int) {
	for i := range r.Findings {
		if r.Findings[i].State == s {
			n++
		}
	}
	return n
}

// a verdict is the judged part of a finding.
type verdict struct {
	state   State
	found   string
	does    string
	improve string
}
