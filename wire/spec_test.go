package wire_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/wire"
)

// exampleFrame builds the frame that the specification explains.
func exampleFrame() []byte {
	head := wire.TasksHead{Func: "square", First: 40, Attempt: 1}
	payload := head.Append(nil)
	payload = wire.AppendItem(payload, []byte{0x03})
	payload = wire.AppendItem(payload, []byte{0xcd, 0x01, 0x2c})
	frame := wire.Header{Kind: wire.Tasks, Count: 2, ID: 7, Length: uint64(len(payload))}.Append(nil)
	return append(frame, payload...)
}

func TestTheExampleFrameIsTheGoldenOne(t *testing.T) {
	golden, err := os.ReadFile("testdata/tasks.golden")
	require.NoError(t, err)
	require.Equal(t, hex.EncodeToString(golden), hex.EncodeToString(exampleFrame()))
}

// The specification shows the frame byte by byte; what it shows must be what is sent.
func TestTheSpecificationShowsTheGoldenFrame(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	_, example, found := strings.Cut(string(doc), "# One frame, byte by byte")
	require.True(t, found)
	shown := bytesShown(example)
	golden, err := os.ReadFile("testdata/tasks.golden")
	require.NoError(t, err)
	require.Equal(t, hex.EncodeToString(golden), shown)
	require.Contains(t, example, "holds these 52 bytes")
	require.Len(t, golden, 52)
}

var shownBytes = regexp.MustCompile(`(?m)^//\t((?:[0-9a-f]{2} ?)+)(?:  |$)`)

func bytesShown(text string) string {
	var all strings.Builder
	for _, line := range shownBytes.FindAllStringSubmatch(text, -1) {
		all.WriteString(strings.ReplaceAll(line[1], " ", ""))
	}
	return all.String()
}

func TestTheGoldenFrameIsReadBack(t *testing.T) {
	golden, err := os.ReadFile("testdata/tasks.golden")
	require.NoError(t, err)
	r := wire.NewReader(bytes.NewReader(golden), 1<<20, wire.Kind.FromParent)
	f, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, wire.Header{Kind: wire.Tasks, Count: 2, ID: 7, Length: 20}, f.Header)
	head, items, err := wire.ParseTasksHead(f.Payload)
	require.NoError(t, err)
	require.Equal(t, wire.TasksHead{Func: "square", First: 40, Attempt: 1}, head)
	require.Equal(t, 41, head.Index(1))
	first, rest, ok := wire.CutItem(items)
	require.True(t, ok)
	require.Equal(t, []byte{3}, first)
	second, rest, ok := wire.CutItem(rest)
	require.True(t, ok)
	require.Equal(t, []byte{0xcd, 0x01, 0x2c}, second)
	require.Empty(t, rest)
}

// The answer to the example frame, had it asked for times, from a worker with a page.
func timedFrame() []byte {
	payload := wire.ResultsHead{Exec: 1800, CPU: 1500, Arrived: 5_000_000_000, Sent: 5_000_020_000}.Append(nil)
	for _, r := range []struct {
		cost  wire.Cost
		value []byte
	}{
		{wire.Cost{Exec: 900, CPU: 800, Waiting: 12_000, Decode: 200, Encode: 100}, []byte{0x09}},
		{wire.Cost{Exec: 900, CPU: 700, Waiting: 13_000, Decode: 100, Encode: 200}, []byte{0xce, 0x00, 0x01, 0x5f, 0x90}},
	} {
		payload = append(wire.AppendResultHead(payload, wire.Value, &r.cost, len(r.value)), r.value...)
	}
	frame := wire.Header{Kind: wire.Results, Count: 2, ID: 7, Length: uint64(len(payload))}.Append(nil)
	return append(frame, payload...)
}

func TestAFrameOfTimedResultsIsTheGoldenOne(t *testing.T) {
	golden, err := os.ReadFile("testdata/timed.golden")
	require.NoError(t, err)
	require.Equal(t, hex.EncodeToString(golden), hex.EncodeToString(timedFrame()))
}
