package remote

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

// Errors as careless or hostile users write them.

type panicking struct{ what any }

func (p panicking) Error() string   { panic(p.what) }
func (p panicking) Is(error) bool   { panic(p.what) }
func (p panicking) As(any) bool     { panic(p.what) }
func (p panicking) Unwrap() []error { panic(p.what) }

type panicsWhenNil struct{ Text string }

func (p *panicsWhenNil) Error() string { return p.Text }

type selfWrapping struct{ name string }

func (e *selfWrapping) Error() string { return e.name }
func (e *selfWrapping) Unwrap() error { return e }

type selfJoining struct{ list []error }

func (e *selfJoining) Error() string   { return "joins itself" }
func (e *selfJoining) Unwrap() []error { return append(e.list, e, nil, e) }

// growing cannot be recognised as a cycle: each time it is another one.
type growing struct{ n []int }

func (e growing) Error() string   { return fmt.Sprint("growing ", len(e.n)) }
func (e growing) Unwrap() []error { return []error{growing{append(e.n, 1)}, growing{append(e.n, 2)}} }

type encodesBadly struct{ How string }

func (e *encodesBadly) Error() string { return "encodes badly" }
func (e *encodesBadly) EncodeMsgpack(enc *msgpack.Encoder) error {
	switch e.How {
	case "panic":
		panic("no")
	case "error":
		return errors.New("no")
	}
	return nil // writes nothing
}

type decodesBadly struct{ N int }

func (e *decodesBadly) Error() string                        { return "decodes badly" }
func (e *decodesBadly) DecodeMsgpack(*msgpack.Decoder) error { panic("no") }

type holdsChannel struct{ C chan int }

func (e *holdsChannel) Error() string { return "holds a channel" }

// needsHidden panics in the parent, where its unexported field is nil.
type needsHidden struct{ err error }

func (e *needsHidden) Error() string { return e.err.Error() }

type needsHiddenInIs struct{ err interface{ Is(error) bool } }

func (e *needsHiddenInIs) Error() string        { return "needs it in Is" }
func (e *needsHiddenInIs) Is(target error) bool { return e.err.Is(target) }

type bulky struct{ Bytes []byte }

func (e *bulky) Error() string { return "bulky" }

type cyclic struct {
	Next *cyclic
}

func (e *cyclic) Error() string { return "cyclic" }

func init() {
	RegisterType[*panicsWhenNil]("test.panicsWhenNil")
	RegisterType[*encodesBadly]("test.encodesBadly")
	RegisterType[*decodesBadly]("test.decodesBadly")
	RegisterType[*holdsChannel]("test.holdsChannel")
	RegisterType[*needsHidden]("test.needsHidden")
	RegisterType[*needsHiddenInIs]("test.needsHiddenInIs")
	RegisterType[*bulky]("test.bulky")
	RegisterType[*cyclic]("test.cyclic")
}

func TestAnErrorArrivesWhateverItsMethodsDo(t *testing.T) {
	var nilPointer *panicsWhenNil
	loop := &cyclic{}
	loop.Next = loop
	for name, c := range map[string]struct {
		err  error
		text string
	}{
		"methods panic with a string":     {panicking{"boom"}, "an error of type remote.panicking whose Error method panics: boom"},
		"methods panic with an error":     {panicking{io.EOF}, "an error of type remote.panicking whose Error method panics: EOF"},
		"methods panic with themselves":   {panicking{panicking{1}}, "an error of type remote.panicking whose Error method panics: a remote.panicking"},
		"methods panic with a structure":  {panicking{[]any{1}}, "an error of type remote.panicking whose Error method panics: a []interface {}"},
		"a nil pointer":                   {nilPointer, "<nil> of type *remote.panicsWhenNil"},
		"an encoder that panics":          {&encodesBadly{"panic"}, "encodes badly"},
		"an encoder that fails":           {&encodesBadly{"error"}, "encodes badly"},
		"an encoder that writes nothing":  {&encodesBadly{"nothing"}, "encodes badly"},
		"a decoder that panics":           {&decodesBadly{1}, "decodes badly"},
		"a field that cannot be encoded":  {&holdsChannel{make(chan int)}, "holds a channel"},
		"a method that needs what is not": {&needsHidden{io.EOF}, "EOF"},
		"an Is that needs what is not":    {&needsHiddenInIs{}, "needs it in Is"},
		"a value over the data's cap":     {&bulky{make([]byte, maxAllData+1)}, "bulky"},
		"a value that contains itself":    {loop, "cyclic"},
		"an error that wraps itself":      {&selfWrapping{"me"}, "me"},
		"an error that joins itself":      {&selfJoining{}, "joins itself"},
		"an endless tree":                 {growing{}, "growing 0"},
	} {
		t.Run(name, func(t *testing.T) {
			got := send(t, pair{c.err, errApp})
			require.NotEmpty(t, got.node.Causes)
			assert.Equal(t, c.text, got.node.Causes[0].Message)
			assert.Equal(t, []error{errApp}, got.node.Targets(), "the neighbour is found, and nothing half is handed out")
		})
	}
}

// pair joins two errors and asks neither for its text.
type pair [2]error

func (p pair) Error() string   { return "two errors" }
func (p pair) Unwrap() []error { return p[:] }

func TestAnErrorThatWrapsItselfIsSentOnce(t *testing.T) {
	assert.Empty(t, send(t, &selfWrapping{"me"}).node.Causes)
	assert.Empty(t, send(t, &selfJoining{}).node.Causes)
}

func TestSentinelsBesideACycleAreFound(t *testing.T) {
	assert.ErrorIs(t, send(t, &selfJoining{list: []error{io.EOF}}), io.EOF)
}

func TestAnEndlessTreeIsBounded(t *testing.T) {
	start := time.Now()
	got := send(t, growing{})
	assert.LessOrEqual(t, count(got.node), maxNodes)
	assert.LessOrEqual(t, depth(got.node), maxDepth)
	assert.Less(t, time.Since(start), 5*time.Second)
}

func count(e *Error) int {
	n := 1
	for _, c := range e.Causes {
		n += count(c)
	}
	return n
}

func depth(e *Error) int {
	d := 0
	for _, c := range e.Causes {
		d = max(d, depth(c))
	}
	return d + 1
}

func TestLargeErrorsAreCutAndStillArrive(t *testing.T) {
	huge := strings.Repeat("ä", 1<<17)
	err := fmt.Errorf("top: %w", io.EOF)
	for range 40 {
		err = errors.Join(err, errors.New(huge))
	}
	encoded := Append(nil, err)
	assert.Less(t, len(encoded), maxAllTexts+maxAllNames+maxAllData+maxNodes*64)

	got, parseErr := Parse(encoded)
	require.NoError(t, parseErr)
	assert.LessOrEqual(t, len(got.Message), maxText)
	assert.True(t, utf8.ValidString(got.Message))
	assert.True(t, strings.HasSuffix(got.Message, cutMark))
	assert.ErrorIs(t, &received{got}, io.EOF)
}
