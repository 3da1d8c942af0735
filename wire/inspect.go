package wire

import (
	"fmt"
	"time"

	"github.com/procpool/procpool/internal/codec"
)

// Args of Inspect.
const (
	InspectAsk      = 0 // the payload says what for
	InspectWithdraw = 1 // nobody waits for the answer any more
)

// Args of Finding.
const (
	FindingMore = 0 // the answer goes on: the payload has MaxControlBytes
	FindingLast = 1 // and ends here
	FindingNone = 2 // there is no answer, and the payload says why: what came before it is void
)

// MaxFindings is how many bytes an answer to Inspect may have.
const MaxFindings = 64 << 20

// Stacks is the kind of an Inspect for the stacks of all goroutines, in words. All others are named as package runtime/pprof names its profiles.
const Stacks = "stacks"

// InspectBody is the payload of an Inspect that asks.
type InspectBody struct {
	Kind string        `msgpack:"kind"` // of the profile, or Stacks
	Time time.Duration `msgpack:"time"` // how long the worker looks; 0 where the kind shows a moment
}

// AppendInspect appends an Inspect frame that asks.
func AppendInspect(dst []byte, id uint64, body *InspectBody) []byte {
	payload := codec.AppendMapHeader(nil, 2)
	payload = codec.AppendString(codec.AppendString(payload, "kind"), body.Kind)
	payload = codec.AppendInt(codec.AppendString(payload, "time"), int64(body.Time))
	return AppendControl(dst, Inspect, id, InspectAsk, payload)
}

// ParseInspect decodes the payload of an Inspect that asks.
func ParseInspect(f Frame) (InspectBody, error) {
	var body InspectBody
	if err := codec.For[InspectBody]().Decode(f.Payload, &body); err != nil {
		return body, violation(f.Payload, "Inspect that does not decode (%v)", err)
	}
	return body, nil
}

// CheckFinding reports what is wrong with a Finding when so many bytes of the answer have come before it.
func CheckFinding(f Frame, before int) error {
	size := len(f.Payload)
	switch {
	case f.Arg > FindingNone:
		return violation(nil, "%v: its arg is none of 0, 1 and 2", f.Header)
	case f.Arg == FindingMore && size != MaxControlBytes:
		return violation(nil, "%v: all but the last have %d bytes", f.Header, MaxControlBytes)
	case before+size > MaxFindings:
		return fmt.Errorf("%w: %w", violation(nil, "%v: after %d bytes, more than %d in all", f.Header, before, MaxFindings), ErrTooLarge)
	}
	return nil
}
