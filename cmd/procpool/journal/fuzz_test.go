package journal

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
)

// FuzzRead reads anything as a journal. What stands before its good end must mean the same when what comes after is cut off.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"", "x", `{"journal":1`, `{"journal":2}` + "\n", `{"done":"00","in":"","sum":""}` + "\n"} {
		f.Add([]byte(s))
		f.Add(append(sample(), s...))
	}
	f.Add(sample()[:len(sample())/2])
	f.Add(append(sample(), sample()...))
	f.Fuzz(func(t *testing.T, content []byte) {
		content = resealed(content)
		h, err := read(bytes.NewReader(content), output{})
		if err != nil {
			return
		}
		if h.end < int64(len(headerPrefix)) || h.end > int64(len(content)) || h.nDone < 0 || h.nFailed < 0 {
			t.Fatalf("ends at %d of %d, %d done, %d failed", h.end, len(content), h.nDone, h.nFailed)
		}
		again, err := read(bytes.NewReader(content[:h.end]), output{})
		if err != nil || again.end != h.end || !slices.Equal(again.damaged, h.damaged) || summary(again) != summary(h) {
			t.Fatalf("%s, and when mended %s, %v", summary(h), summary(again), err)
		}
		for k := range h.held {
			if state, _ := h.take(k); state == Unknown || state == Failed {
				t.Fatalf("a task that is held is %q", state)
			}
		}
	})
}

func summary(h *history) string {
	return fmt.Sprint(h.nDone, h.nFailed, len(h.held), len(h.values), len(h.pending), h.open != nil)
}

// sample is a journal with every kind of line.
func sample() []byte {
	b := appendObject(nil, header{version, "echo", "procpool", "now"})
	b = appendObject(b, entryRun{Run{1, "/", "now"}})
	b = appendBatch(b, &batch{File: "1:2", At: 3, Bytes: 4, CRC: 5})
	for _, r := range []Record{
		{Key: keyOf("a"), State: Done, Input: "a"},
		{Key: keyOf("b"), State: Failed, Kind: "exit", Error: "no", Input: "b"},
		{Key: keyOf("c"), State: Held, Value: []byte("c"), Input: "c"},
		{Key: keyOf("b"), State: Done, Was: Failed, Value: []byte("b"), Input: "b"},
	} {
		b = r.append(b)
	}
	return appendKept(b, true)
}

// resealed gives every line that looks like one of ours, but for its sum, the right one: else the fuzzer would never get past it.
func resealed(content []byte) []byte {
	var out []byte
	l := newLines(bytes.NewReader(content))
	for {
		line, whole, err := l.next()
		if err != nil {
			return out
		}
		if n := len(line) - sealed; whole && n > 0 && string(line[n:n+len(sumBefore)]) == sumBefore {
			start := len(out)
			out = seal(append(out, line[:n]...), start)
			continue
		}
		if out = append(out, line...); whole {
			out = append(out, '\n')
		}
	}
}
