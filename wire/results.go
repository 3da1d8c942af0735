package wire

import (
	"strings"
	"time"
	"unicode"

	"github.com/procpool/procpool/internal/codec"
)

// ResultsHead precedes the items of a Results frame: what they cost together. It
// travels as an array of two integers.
type ResultsHead struct {
	Exec time.Duration // wall time in the function, decoding and encoding included
	CPU  time.Duration // CPU time of the process meanwhile; 0 where it was not measured
}

// Append appends the head as msgpack.
func (h ResultsHead) Append(dst []byte) []byte {
	dst = append(dst, 0x92)
	dst = AppendUint(dst, uint64(max(h.Exec, 0)))
	return AppendUint(dst, uint64(max(h.CPU, 0)))
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
	for i := 2; i < n; i++ {
		s.skip()
	}
	if s.bad || h.Exec < 0 || h.CPU < 0 {
		return ResultsHead{}, nil, violation(b, "head of a Results frame that does not decode")
	}
	return h, s.rest, nil
}

// Result is one answered task.
type Result struct {
	Outcome Outcome // without Timed
	Timed   bool    // Exec and CPU were sent
	Exec    time.Duration
	CPU     time.Duration
	Value   []byte // one msgpack value, aliasing the frame
}

// AppendResultHead appends all of a result item but the value of n bytes.
func AppendResultHead(dst []byte, o Outcome, timed bool, exec, cpu time.Duration, n int) []byte {
	if timed {
		dst = append(dst, byte(o|Timed))
		dst = AppendUint(dst, uint64(max(exec, 0)))
		dst = AppendUint(dst, uint64(max(cpu, 0)))
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
	if r.Timed = Outcome(b[0])&Timed != 0; r.Timed {
		r.Exec = time.Duration(s.uint())
		r.CPU = time.Duration(s.uint())
	}
	n := s.uint()
	if s.bad || r.Exec < 0 || r.CPU < 0 || n > uint64(len(s.rest)) {
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
