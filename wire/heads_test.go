package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/wire"
)

// Other encoders do not choose the shortest form; every form that msgpack has for a thing is that thing.
func TestHeadsAreReadInEveryFormThatMsgpackHas(t *testing.T) {
	uints := map[string][]byte{
		"fixint": {5}, "uint8": {0xcc, 5}, "uint16": {0xcd, 0, 5}, "uint32": {0xce, 0, 0, 0, 5}, "uint64": {0xcf, 0, 0, 0, 0, 0, 0, 0, 5},
		"int8": {0xd0, 5}, "int16": {0xd1, 0, 5}, "int32": {0xd2, 0, 0, 0, 5}, "int64": {0xd3, 0, 0, 0, 0, 0, 0, 0, 5},
	}
	arrays := map[string][]byte{"fixarray": {0x92}, "array16": {0xdc, 0, 2}, "array32": {0xdd, 0, 0, 0, 2}}
	for arrayForm, array := range arrays {
		for uintForm, n := range uints {
			b := append(append(append([]byte(nil), array...), n...), n...)
			head, rest, err := wire.ParseResultsHead(append(b, 0xaa))
			require.NoError(t, err, "%s of %s", arrayForm, uintForm)
			require.Equal(t, wire.ResultsHead{Exec: 5, CPU: 5}, head)
			require.Equal(t, []byte{0xaa}, rest)
		}
	}
	for form, name := range map[string][]byte{
		"fixstr": {0xa1, 'f'}, "str8": {0xd9, 1, 'f'}, "str16": {0xda, 0, 1, 'f'}, "str32": {0xdb, 0, 0, 0, 1, 'f'},
	} {
		b := append(append([]byte{0x98}, name...), 0xff, 1, 0, 0, 0, 0, 0x93, 1, 2, 3) // an element more than this version knows
		head, rest, err := wire.ParseTasksHead(b)
		require.NoError(t, err, form)
		require.Equal(t, wire.TasksHead{Func: "f", First: -1, Attempt: 1}, head)
		require.Empty(t, rest)
		require.Equal(t, -1, head.Index(3))
	}
}

func TestTheHeadOfResultsHoldsTheClockWhereItIsWanted(t *testing.T) {
	plain := wire.ResultsHead{Exec: 500, CPU: 3}
	require.Len(t, plain.Append(nil), 5, "two readings of the clock would be eighteen bytes more")
	clocked := wire.ResultsHead{Exec: 500, CPU: 3, Arrived: 1 << 50, Sent: 1<<50 + 7}
	for _, want := range []wire.ResultsHead{plain, clocked} {
		got, rest, err := wire.ParseResultsHead(append(want.Append(nil), 0xaa))
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, []byte{0xaa}, rest)
	}
}

func TestDamagedHeadsAreViolations(t *testing.T) {
	good := (&wire.TasksHead{Func: "square", First: 40, Attempt: 1}).Append(nil)
	for cut := range good {
		_, _, err := wire.ParseTasksHead(good[:cut])
		var violation *wire.ProtocolError
		require.ErrorAs(t, err, &violation, "cut at %d", cut)
	}
	for name, b := range map[string][]byte{
		"nothing": {}, "no array": {0xc0}, "an array of too much": {0xdd, 0xff, 0xff, 0xff, 0xff}, "a negative time": {0x91, 0xff},
		"a clock over 63 bits": {0x93, 0, 0, 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"a time over 63 bits":  {0x91, 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		_, _, err := wire.ParseResultsHead(b)
		var violation *wire.ProtocolError
		require.ErrorAs(t, err, &violation, name)
	}
}
