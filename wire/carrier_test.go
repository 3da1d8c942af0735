package wire_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/procpool/procpool/wire"
)

func TestACarrierIsAMapThatAnybodyCanDecode(t *testing.T) {
	many := map[string]string{}
	for i := range 40 {
		many[fmt.Sprint("name ", i)] = strings.Repeat("x", i)
	}
	for name, pairs := range map[string]map[string]string{
		"one": {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, "empty strings": {"": ""}, "many": many,
		"long": {"baggage": strings.Repeat("b", 8000), "tracestate": strings.Repeat("t", 100)},
	} {
		carrier, err := wire.NewCarrier(pairs)
		require.NoError(t, err, name)
		require.Equal(t, pairs, carrier.Pairs(), name)
		var decoded map[string]string
		require.NoError(t, msgpack.Unmarshal([]byte(carrier), &decoded), name)
		require.Equal(t, pairs, decoded, name)
		head := wire.TasksHead{Func: "f", First: 3, Attempt: 1, Carrier: carrier}
		got, items, err := wire.ParseTasksHead(append(head.Append(nil), 1, 7))
		require.NoError(t, err, name)
		require.Equal(t, head, got, name)
		require.Equal(t, []byte{1, 7}, items, name)
	}
}

func TestACarrierHasABound(t *testing.T) {
	for name, pairs := range map[string]map[string]string{
		"a long value": {"a": strings.Repeat("b", wire.MaxCarrierBytes)}, "a long name": {strings.Repeat("b", 70_000): ""},
	} {
		_, err := wire.NewCarrier(pairs)
		require.ErrorIs(t, err, wire.ErrTooLarge, name)
	}
	_, err := wire.NewCarrier(map[string]string{"a": "\xff"})
	require.EqualError(t, err, `a carrier whose "a" is no UTF-8`)
	none, err := wire.NewCarrier(nil)
	require.NoError(t, err)
	require.Empty(t, none)
	require.Nil(t, none.Pairs())
}

// What stands in the place of a carrier costs no task, whatever it is.
func TestWhatIsNoCarrierIsPassedOver(t *testing.T) {
	head := (&wire.TasksHead{Func: "f", First: -1, Attempt: 1}).Append(nil)
	head[0]++
	long, err := msgpack.Marshal(map[string]string{"a": strings.Repeat("b", wire.MaxCarrierBytes)})
	require.NoError(t, err)
	for name, element := range map[string][]byte{"nil": {0xc0}, "a number": {7}, "text": {0xa1, 'a'}, "an array": {0x92, 1, 2}, "too much": long} {
		got, items, err := wire.ParseTasksHead(append(append(bytes.Clone(head), element...), 1, 7))
		require.NoError(t, err, name)
		require.Empty(t, got.Carrier, name)
		require.Equal(t, []byte{1, 7}, items, name)
	}
	for name, carrier := range map[string]wire.Carrier{
		"numbers for strings": "\x81\x01\x02", "cut": "\x82\xa1a\xa1b", "more than a map": "\x80\x80", "a length that lies": "\xdf\xff\xff\xff\xff",
		"a string that lies": "\x81\xa1a\xdb\xff\xff\xff\xff", "no map": "\x91\x01",
	} {
		require.Nil(t, carrier.Pairs(), name)
	}
	for name, element := range map[string][]byte{"nothing": {}, "a map that is cut": {0x81, 0xa1, 'a'}, "a length that lies": {0xdf, 0xff, 0xff, 0xff, 0xff}} {
		_, _, err := wire.ParseTasksHead(append(bytes.Clone(head), element...))
		var violation *wire.ProtocolError
		require.ErrorAs(t, err, &violation, name)
	}
}

func FuzzTasksHead(f *testing.F) {
	plain := wire.TasksHead{Func: "square", First: 40, Attempt: 1}
	carrier, err := wire.NewCarrier(map[string]string{"traceparent": "00-x-y-01", "baggage": "a=b"})
	require.NoError(f, err)
	traced := plain
	traced.Carrier = carrier
	f.Add(plain.Append(nil))
	f.Add(append(traced.Append(nil), 1, 7))
	f.Fuzz(func(t *testing.T, b []byte) {
		head, items, err := wire.ParseTasksHead(b)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(head.Carrier), wire.MaxCarrierBytes)
		require.LessOrEqual(t, len(items), len(b))
		_ = head.Carrier.Pairs()
		_ = wire.Carrier(b).Pairs()
		if head.Flags > 0x7f || len(head.Func) > 255 {
			return // nobody sends such
		}
		again, rest, err := wire.ParseTasksHead(head.Append(nil))
		require.NoError(t, err)
		require.Empty(t, rest)
		require.Equal(t, head, again)
	})
}
