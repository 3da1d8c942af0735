package wire

import (
	"errors"
	"fmt"

	"github.com/procpool/procpool/internal/codec"
)

// HelloBody is the payload of a worker's first frame.
type HelloBody struct {
	Version   int      `msgpack:"version"`   // Version
	Build     string   `msgpack:"build"`     // identity of the program; "" for a worker that is another program
	PID       int      `msgpack:"pid"`       // the worker's process id
	Functions []string `msgpack:"functions"` // names of the functions that it serves
	Page      bool     `msgpack:"page"`      // it maps the status page
	Spare     bool     `msgpack:"spare"`     // it may be a spare: it takes its slot from Slot
	Inspect   bool     `msgpack:"inspect"`   // it answers Inspect
}

// WelcomeBody is the payload of the parent's first frame.
type WelcomeBody struct {
	Version int    `msgpack:"version"` // Version
	Slot    int    `msgpack:"slot"`    // the worker's place in the pool; -1 for a spare, which has none yet
	Pool    string `msgpack:"pool"`    // the pool's name, for logs
	Max     uint64 `msgpack:"max"`     // largest encoded value, either way, in bytes
	Level   int    `msgpack:"level"`   // log records below this level are not wanted (1 trace, 2 debug, 3 info, 4 warn, 5 error, 6 off)
	Reports bool   `msgpack:"reports"` // somebody listens to Report
	Memory  int64  `msgpack:"memory"`  // the hard limit of the worker's private memory, in bytes; 0 for none
	Nudges  bool   `msgpack:"nudges"`  // the parent nudges a busy worker, by the page, that is to read something: it need not do so otherwise
	Blob    int    `msgpack:"blob"`    // size from which on byte slices in results travel as shared memory; 0 for never
}

// LogBody is the payload of Log: one record. The frame's id and arg name the
// task that wrote it; id 0 means none.
type LogBody struct {
	Level int    `msgpack:"level"` // as in WelcomeBody
	Time  int64  `msgpack:"time"`  // Unix nanoseconds
	Name  string `msgpack:"name"`  // of the logger, may be empty
	Msg   string `msgpack:"msg"`
	Args  []any  `msgpack:"args"` // key, value, key, value ...; values are texts, numbers or booleans
}

// ErrVersion is returned when the other side speaks another version of the protocol.
var ErrVersion = errors.New("protocol version differs")

// AppendHello appends a Hello frame. It is what AppendMap would append, by hand: every worker does this once, when everybody waits for it, and
// the making of a plan for the type takes ten times as long as the rest.
func AppendHello(dst []byte, b *HelloBody) ([]byte, error) {
	payload := codec.AppendMapHeader(nil, 7)
	payload = codec.AppendInt(codec.AppendString(payload, "version"), int64(b.Version))
	payload = codec.AppendString(codec.AppendString(payload, "build"), b.Build)
	payload = codec.AppendInt(codec.AppendString(payload, "pid"), int64(b.PID))
	payload = codec.AppendArrayHeader(codec.AppendString(payload, "functions"), len(b.Functions))
	for _, name := range b.Functions {
		payload = codec.AppendString(payload, name)
	}
	payload = codec.AppendBool(codec.AppendString(payload, "page"), b.Page)
	payload = codec.AppendBool(codec.AppendString(payload, "spare"), b.Spare)
	payload = codec.AppendBool(codec.AppendString(payload, "inspect"), b.Inspect)
	return appendMap(dst, Hello, 0, 0, payload)
}

// AppendMap appends a frame of the given kind with v, a map, as its payload.
func AppendMap[T any](dst []byte, kind Kind, id uint64, arg uint32, v *T) ([]byte, error) {
	payload, err := codec.For[T]().Append(nil, v)
	if err != nil {
		return dst, fmt.Errorf("%v: %w", kind, err)
	}
	return appendMap(dst, kind, id, arg, payload)
}

func appendMap(dst []byte, kind Kind, id uint64, arg uint32, payload []byte) ([]byte, error) {
	if len(payload) > MaxControlBytes {
		return dst, fmt.Errorf("%v: %d bytes, more than %d: %w", kind, len(payload), MaxControlBytes, ErrTooLarge)
	}
	return AppendControl(dst, kind, id, arg, payload), nil
}

// ParseHello decodes the payload of a Hello and checks its version.
func ParseHello(f Frame) (HelloBody, error) {
	return parseHandshake(f, Hello, func(b HelloBody) int { return b.Version })
}

// ParseWelcome decodes the payload of a Welcome and checks its version.
func ParseWelcome(f Frame) (WelcomeBody, error) {
	return parseHandshake(f, Welcome, func(b WelcomeBody) int { return b.Version })
}

func parseHandshake[T any](f Frame, want Kind, version func(T) int) (T, error) {
	var body T
	if f.Kind != want {
		return body, violation(nil, "%v before %v", f.Kind, want)
	}
	if err := codec.For[T]().Decode(f.Payload, &body); err != nil {
		return body, violation(f.Payload, "%v that does not decode (%v)", want, err)
	}
	if v := version(body); v != Version {
		return body, fmt.Errorf("%w: it speaks %d, this program %d", ErrVersion, v, Version)
	}
	return body, nil
}

// ParseLog decodes the payload of a Log.
func ParseLog(f Frame) (LogBody, error) {
	var body LogBody
	err := codec.For[LogBody]().Decode(f.Payload, &body)
	return body, err
}
