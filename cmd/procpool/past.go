package main

import "github.com/procpool/procpool/cmd/procpool/journal"

// past is what a journal knows of an item. A nil *past knows nothing.
type past struct {
	key   journal.Key
	state journal.State // when the run began
	value any           // of an item that is done
	held  bool          // this run has recorded that its result waits; guarded by the keeper's mutex
}

// isDone reports whether an earlier run has got the item's result, so that it does not run again.
func (p *past) isDone() bool {
	return p != nil && (p.state == journal.Done || p.state == journal.Held)
}

// isPrinted reports whether an earlier run has printed the item's result too.
func (p *past) isPrinted() bool { return p != nil && p.state == journal.Done }

// outcome is what came of the item in the run that ran it.
func (p *past) outcome(it item) outcome { return outcome{item: it, value: p.value, slot: -1} }
