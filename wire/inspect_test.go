package wire_test

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/wire"
)

func TestAnInspectIsReadBack(t *testing.T) {
	for _, body := range []wire.InspectBody{{Kind: "cpu", Time: 3 * time.Second}, {Kind: wire.Stacks}, {}, {Kind: "x", Time: math.MaxInt64}} {
		frame := wire.AppendInspect(nil, 5, &body)
		byType, err := wire.AppendMap(nil, wire.Inspect, 5, wire.InspectAsk, &body)
		require.NoError(t, err)
		require.Equal(t, byType, frame, "what is written by hand is what the type gives")
		f, err := wire.NewReader(bytes.NewReader(frame), testMax, wire.Kind.FromParent).Next()
		require.NoError(t, err)
		require.Equal(t, wire.Header{Kind: wire.Inspect, ID: 5, Length: f.Length}, f.Header)
		got, err := wire.ParseInspect(f)
		require.NoError(t, err)
		require.Equal(t, body, got)
	}
	_, err := wire.ParseInspect(wire.Frame{Header: wire.Header{Kind: wire.Inspect}, Payload: []byte{0x93, 1, 2, 3}})
	var violation *wire.ProtocolError
	require.ErrorAs(t, err, &violation)
}

func TestEachSideMaySendItsKindOfTheTwo(t *testing.T) {
	require.True(t, wire.Inspect.FromParent())
	require.False(t, wire.Inspect.FromWorker())
	require.True(t, wire.Finding.FromWorker())
	require.False(t, wire.Finding.FromParent())
	require.Equal(t, "Inspect Finding", wire.Inspect.String()+" "+wire.Finding.String())
}

func TestFindingsAreChecked(t *testing.T) {
	for _, test := range []struct {
		name         string
		arg          uint32
		size, before int
		wrong        string // "" for nothing
	}{
		{"whole, empty", wire.FindingLast, 0, 0, ""},
		{"whole", wire.FindingLast, 1234, 0, ""},
		{"first of many", wire.FindingMore, 1 << 20, 0, ""},
		{"first of many, too short", wire.FindingMore, 1<<20 - 1, 0, "all but the last have 1048576 bytes"},
		{"first of many, empty", wire.FindingMore, 0, 0, "all but the last have 1048576 bytes"},
		{"last of most", wire.FindingLast, 1 << 20, 63 << 20, ""},
		{"after the most", wire.FindingLast, 0, 64 << 20, ""},
		{"a byte too many", wire.FindingLast, 1, 64 << 20, "more than 67108864 in all"},
		{"a mebibyte too many", wire.FindingMore, 1 << 20, 64 << 20, "more than 67108864 in all"},
		{"none", wire.FindingNone, 100, 5 << 20, ""},
		{"none, without a reason", wire.FindingNone, 0, 0, ""},
		{"unknown", 3, 0, 0, "none of 0, 1 and 2"},
		{"unknown, large", math.MaxUint32, 0, 0, "none of 0, 1 and 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := wire.Frame{Header: wire.Header{Kind: wire.Finding, ID: 1, Arg: test.arg}, Payload: make([]byte, test.size)}
			err := wire.CheckFinding(f, test.before)
			if test.wrong == "" {
				require.NoError(t, err)
				return
			}
			var violation *wire.ProtocolError
			require.ErrorAs(t, err, &violation)
			require.ErrorContains(t, err, test.wrong)
		})
	}
}
