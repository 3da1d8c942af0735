package wire

import (
	"strings"
	"time"
	"unicode"

	"github.com/procpool/procpool/internal/codec"
)

// ResultsHead precedes the items of a Results frame: what they cost together. It
// travels as an array of two integers, or of four where the times of each task are wanted.
type ResultsHead struct {
	Exec time.Duration // wall time in the function, decoding and encoding included
	CPU  time.Duration // CPU time of the process meanwhile; 0 where it was not measured

	// Readings of CLOCK_MONOTONIC in nanoseconds, from a worker that shares it with the parent; 0 from others.
	Arrived int64 // when the batch was read
	Sent    int64 // when the worker began to write this frame
}

// Append appends the head as msgpack.
func (h ResultsHead) Append(dst []byte) []byte {
	n := byte(2)
	if h.Arrived > 0 {
		n = 4
	}
	dst = append(dst, 0x90|n)
	dst = AppendUint(dst, uint64(max(h.Exec, 0)))
	dst = AppendUint(dst, uint64(max(h.CPU, 0)))
	if n == 4 {
		dst = AppendUint(dst, uint64(h.Arrived))
		dst = AppendUint(dst, uint64(max(h.Sent, 0)))
	}
	return dst
}

// ParseResultsHead reads the head from the front of a Results payload and
// returns what follows: the items.
func ParseResultsHead(b []byte) (h ResultsHead, items []byte, err error) {
	s := scanner{rest: b}
	n := s.array()
	if n > 0 {
		h.Exec = time.Duration(s.uint())
	}
	if n > 1 {
		h.CPU = time.Duration(s.uint())
	}
	if n > 2 {
		h.Arrived = int64(s.uint())
	}
	if n > 3 {
		h.Sent = int64(s.uint())
	}
	for i := 4; i < n; i++ {
		s.skip()
	}
	if s.bad || h.Exec < 0 || h.CPU < 0 || h.Arrived < 0 || h.Sent < 0 {
		return ResultsHead{}, nil, violation(b, "head of a Results frame that does not decode")
	}
	return h, s.rest, nil
}

// Result is one answered task.
type Result struct {
	Outcome Outcome // without Timed
	times   []byte  // the encoded Cost, well formed; nil where none was sent
	Value   []byte  // one msgpack value, aliasing the frame
}

// Cost is what one task took in its worker. It travels as five integers, nanoseconds, in this order.
type Cost struct {
	Exec    time.Duration // wall time: Decode, the function, Encode
	CPU     time.Duration // CPU time of the process meanwhile
	Waiting time.Duration // from when its batch was read until it began
	Decode  time.Duration // of the argument
	Encode  time.Duration // of the result
}

// MaxCostSize is how many bytes the integers of a Cost take at the most.
const MaxCostSize = 5 * 9

func (c *Cost) fields() [5]*time.Duration {
	return [...]*time.Duration{&c.Exec, &c.CPU, &c.Waiting, &c.Decode, &c.Encode}
}

// Cost returns what the task took; false where that was not sent.
func (r *Result) Cost() (c Cost, ok bool) {
	s := scanner{rest: r.times}
	for _, d := range c.fields() {
		*d = time.Duration(s.uint())
	}
	return c, !s.bad
}

// AppendResultHead appends all of a result item but the value of n bytes. cost is nil where nobody asked for it.
func AppendResultHead(dst []byte, o Outcome, cost *Cost, n int) []byte {
	if cost != nil {
		dst = append(dst, byte(o|Timed))
		for _, d := range cost.fields() {
			dst = AppendUint(dst, uint64(max(*d, 0)))
		}
	} else {
		dst = append(dst, byte(o))
	}
	return AppendUint(dst, uint64(n))
}

// CutResult takes one result item off the front of b. ok is false where there is
// none that is well formed; an outcome that this version does not know is none.
func CutResult(b []byte) (r Result, rest []byte, ok bool) {
	if len(b) >= 2 && b[0] <= byte(lastOutcome) && b[1] < 0x80 { // the shape of nearly every result
		end := 2 + int(b[1])
		if end > len(b) {
			return Result{}, b, false
		}
		return Result{Outcome: Outcome(b[0]), Value: b[2:end:end]}, b[end:], true
	}
	return cutLongResult(b)
}

func cutLongResult(b []byte) (r Result, rest []byte, ok bool) {
	if len(b) == 0 || Outcome(b[0])&^Timed > lastOutcome {
		return Result{}, b, false
	}
	s := scanner{rest: b[1:]}
	r.Outcome = Outcome(b[0]) &^ Timed
	if Outcome(b[0])&Timed != 0 {
		for range len(new(Cost).fields()) {
			s.bad = s.bad || int64(s.uint()) < 0
		}
		r.times = b[1 : len(b)-len(s.rest)]
	}
	n := s.uint()
	if s.bad || n > uint64(len(s.rest)) {
		return Result{}, b, false
	}
	r.Value = s.rest[:n:n]
	return r, s.rest[n:], true
}

// CheckResults verifies that items is count result items and nothing else, and counts those that
// are no values. What the values hold is not looked at.
func CheckResults(items []byte, count int) (failed int, err error) {
	rest := items
	for i := range count {
		if len(rest) >= 2 && rest[0] == byte(Value) && rest[1] < 0x80 { // as in CutResult, without the call
			end := 2 + int(rest[1])
			if end <= len(rest) {
				rest = rest[end:]
				continue
			}
		}
		r, after, ok := CutResult(rest)
		if !ok {
			return 0, violation(rest, "item %d of a Results frame is damaged", i)
		}
		if r.Outcome != Value {
			failed++
		}
		rest = after
	}
	if len(rest) > 0 {
		return 0, violation(rest, "%d bytes after the last item of a Results frame", len(rest))
	}
	return failed, nil
}

// maxPanicText bounds the value and the stack of a panic, in bytes each.
const maxPanicText = 64 << 10

// AppendPanic appends the value of a Panicked item. Longer texts are cut.
func AppendPanic(dst []byte, value, stack string) []byte {
	dst = append(dst, 0x82)
	dst = appendString(dst, "value")
	dst = appendString(dst, value[:min(len(value), maxPanicText-1)])
	dst = appendString(dst, "stack")
	return appendString(dst, stack[:min(len(stack), maxPanicText-1)])
}

type panicBody struct {
	Value string `msgpack:"value"`
	Stack string `msgpack:"stack"`
}

// ParsePanic reads the value of a Panicked item: at most 64 KiB of each text, without control characters but newlines and tabs. What is missing or damaged is empty.
func ParsePanic(b []byte) (value, stack string) {
	var body panicBody
	_ = codec.For[panicBody]().Decode(b, &body)
	return cutText(body.Value), cutText(body.Stack)
}

// cutText makes a worker's text short, valid and fit for a terminal.
func cutText(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return '.'
		}
		return r
	}, strings.ToValidUTF8(s[:min(len(s), maxPanicText)], "\uFFFD"))
}
