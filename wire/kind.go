package wire

import "strconv"

// Kind says what a frame is. The zero Kind is none.
type Kind uint8

// Kinds that a worker sends.
const (
	Hello    Kind = 1
	Results  Kind = 2
	Started  Kind = 3
	Recalled Kind = 4
	Report   Kind = 5
	Log      Kind = 6
	Beat     Kind = 7
	Bye      Kind = 8
	Fetch    Kind = 9
	Offer    Kind = 10
	Finding  Kind = 11
)

// Kinds that the parent sends.
const (
	Welcome Kind = 16
	Tasks   Kind = 17
	Cancel  Kind = 18
	Recall  Kind = 19
	Stop    Kind = 20
	Ping    Kind = 21
	Forget  Kind = 22
	Slot    Kind = 23
	Inspect Kind = 24
)

var kindNames = map[Kind]string{
	Hello: "Hello", Results: "Results", Started: "Started", Recalled: "Recalled",
	Report: "Report", Log: "Log", Beat: "Beat", Bye: "Bye", Fetch: "Fetch", Offer: "Offer",
	Finding: "Finding",
	Welcome: "Welcome", Tasks: "Tasks", Cancel: "Cancel", Recall: "Recall", Stop: "Stop", Ping: "Ping", Forget: "Forget", Slot: "Slot",
	Inspect: "Inspect",
}

// String returns the name of the kind as the specification spells it.
func (k Kind) String() string {
	if name, ok := kindNames[k]; ok {
		return name
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// FromWorker reports whether k is a kind that a worker may send.
func (k Kind) FromWorker() bool { return k >= Hello && k <= Finding }

// FromParent reports whether k is a kind that the parent may send.
func (k Kind) FromParent() bool { return k >= Welcome && k <= Inspect }

// Outcome says how one task ended in the worker. Bit Timed may be set on any of them.
type Outcome uint8

// The outcomes of a task that was answered.
const (
	Value       Outcome = 0 // the function returned a value
	Failed      Outcome = 1 // the function returned an error
	Panicked    Outcome = 2 // the function panicked or left by runtime.Goexit
	Unencodable Outcome = 3 // the result could not be encoded
	Undecodable Outcome = 4 // the argument could not be decoded
	Unknown     Outcome = 5 // the worker has no function of that name
	Overdue     Outcome = 6 // the function returned an error after its soft time limit

	lastOutcome = Overdue

	// Timed is set where five integers follow: a Cost.
	Timed Outcome = 0x10
)
