package wire_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/procpool/procpool/wire"
)

// The floor of all of these is kind=copy: moving the bytes of the frame once.
//
// A profile of one: go test ./wire -run '^$' -bench Read -cpuprofile cpu.out, then go tool pprof -http : cpu.out.

// frameShapes are a single task, a batch of tiny ones, and large values.
var frameShapes = []struct{ items, size int }{{1, 1}, {64, 1}, {4096, 1}, {64, 1 << 10}, {1, 1 << 20}}

func benchFrames(b *testing.B, name string, f func(b *testing.B, items int, value []byte)) {
	for _, shape := range frameShapes {
		b.Run(fmt.Sprintf("%s/items=%d/bytes=%d", name, shape.items, shape.size), func(b *testing.B) {
			b.ReportAllocs()
			f(b, shape.items, make([]byte, shape.size))
		})
	}
}

func tasksFrame(dst []byte, items int, value []byte) []byte {
	dst = append(dst, make([]byte, wire.HeaderSize)...)
	head := wire.TasksHead{Func: "bench.function", Attempt: 1}
	dst = head.Append(dst)
	for range items {
		dst = wire.AppendItem(dst, value)
	}
	wire.Header{Kind: wire.Tasks, Count: uint32(items), ID: 1, Length: uint64(len(dst) - wire.HeaderSize)}.Append(dst[:0])
	return dst
}

func resultsFrame(dst []byte, items int, value []byte) []byte {
	dst = append(dst, make([]byte, wire.HeaderSize)...)
	dst = wire.ResultsHead{Exec: 1000}.Append(dst)
	for range items {
		dst = append(wire.AppendResultHead(dst, wire.Value, nil, len(value)), value...)
	}
	wire.Header{Kind: wire.Results, Count: uint32(items), ID: 1, Length: uint64(len(dst) - wire.HeaderSize)}.Append(dst[:0])
	return dst
}

// BenchmarkAppend is a frame written into a buffer that is used again.
func BenchmarkAppend(b *testing.B) {
	for name, frame := range map[string]func([]byte, int, []byte) []byte{"kind=Tasks": tasksFrame, "kind=Results": resultsFrame} {
		benchFrames(b, name, func(b *testing.B, items int, value []byte) {
			dst := frame(nil, items, value)
			b.SetBytes(int64(len(dst)))
			for b.Loop() {
				dst = frame(dst[:0], items, value)
			}
		})
	}
	benchFrames(b, "kind=copy", func(b *testing.B, items int, value []byte) {
		src := tasksFrame(nil, items, value)
		dst := make([]byte, len(src))
		b.SetBytes(int64(len(src)))
		for b.Loop() {
			copy(dst, src)
		}
	})
}

// BenchmarkRead is a frame read, checked, and taken apart into its items, as the receiver does it.
func BenchmarkRead(b *testing.B) {
	benchFrames(b, "kind=Tasks", func(b *testing.B, items int, value []byte) {
		readFrames(b, tasksFrame(nil, items, value), wire.Kind.FromParent, func(f wire.Frame) (n int, err error) {
			_, rest, err := wire.ParseTasksHead(f.Payload)
			for ok := err == nil; ok; n++ {
				_, rest, ok = wire.CutItem(rest)
			}
			return n - 1, err
		})
	})
	benchFrames(b, "kind=Results", func(b *testing.B, items int, value []byte) {
		readFrames(b, resultsFrame(nil, items, value), wire.Kind.FromWorker, func(f wire.Frame) (n int, err error) {
			_, rest, err := wire.ParseResultsHead(f.Payload)
			if err != nil {
				return 0, err
			}
			if _, err := wire.CheckResults(rest, int(f.Count)); err != nil {
				return 0, err
			}
			for ok := true; ok; n++ {
				_, rest, ok = wire.CutResult(rest)
			}
			return n - 1, nil
		})
	})
}

// again is a source that holds the same bytes for ever.
type again struct{ bytes.Reader }

func (r *again) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if r.Len() == 0 {
		_, _ = r.Seek(0, 0) // never fails
	}
	return n, err
}

func readFrames(b *testing.B, frame []byte, accept func(wire.Kind) bool, parse func(wire.Frame) (int, error)) {
	src := &again{*bytes.NewReader(frame)}
	r := wire.NewReader(src, 1<<30, accept)
	b.SetBytes(int64(len(frame)))
	for b.Loop() {
		f, err := r.Next()
		if err != nil {
			b.Fatal(err)
		}
		if n, err := parse(f); err != nil || n != int(f.Count) {
			b.Fatal(n, err)
		}
	}
}
