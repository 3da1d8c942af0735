package wire

import (
	"errors"
	"fmt"
)

// ErrTooLarge is returned when a value or a frame is longer than the limit
// that both sides agreed on (pool.WithMaxPayload).
var ErrTooLarge = errors.New("too large")

// ProtocolError is returned when the bytes on a pipe do not follow the
// protocol. The conversation cannot go on after it.
type ProtocolError struct {
	Reason string // what was wrong, with what was found
	Bytes  []byte // the first of the offending bytes, at most 64; may be nil
}

// Error gives the reason and, where there are offending bytes, what they look like.
func (e *ProtocolError) Error() string {
	if len(e.Bytes) == 0 {
		return "protocol error: " + e.Reason
	}
	return fmt.Sprintf("protocol error: %s: got %s", e.Reason, printable(e.Bytes))
}

// printable shows bytes as text where they are text, else as hexadecimal: the usual
// cause is something that printed where the wire is.
func printable(b []byte) string {
	for _, c := range b {
		if (c < ' ' || c > '~') && c != '\n' && c != '\t' && c != '\r' {
			return fmt.Sprintf("% x", b)
		}
	}
	return fmt.Sprintf("%q (did something print to the protocol's descriptor?)", b)
}

func violation(bytes []byte, format string, args ...any) *ProtocolError {
	return &ProtocolError{Reason: fmt.Sprintf(format, args...), Bytes: append([]byte(nil), bytes[:min(len(bytes), 64)]...)}
}
