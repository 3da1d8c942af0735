//go:build unix

package pool_test

import (
	"testing"

	"github.com/procpool/procpool/internal/floor"
)

// BenchmarkFloorPipe is what two processes and two pipes take with nothing around them: of 16 bytes a round trip at its barest, of more what the
// pipes carry.
func BenchmarkFloorPipe(b *testing.B) {
	for _, c := range []struct {
		name string
		size int
	}{{"16B", 16}, {"1KiB", 1 << 10}, {"64KiB", 64 << 10}, {"1MiB", 1 << 20}, {"16MiB", 16 << 20}} {
		b.Run("payload="+c.name, func(b *testing.B) {
			child, err := floor.StartEcho(c.size)
			if err != nil {
				b.Fatal(err)
			}
			defer child.Close()
			message := make([]byte, c.size)
			b.SetBytes(int64(c.size)) // one way
			b.ReportAllocs()
			for b.Loop() {
				if err := child.Echo(message, message); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFloorBatches is a loop of msgpack/v5 batches of 4096 over two processes: what Map does, without names, order, or care.
func BenchmarkFloorBatches(b *testing.B) {
	const n = 1_000_000
	var children []*floor.Child
	for range 2 {
		child, err := floor.StartBatches()
		if err != nil {
			b.Fatal(err)
		}
		defer child.Close()
		children = append(children, child)
	}
	args, results := make([]int, n), make([]int, n)
	for i := range args {
		args[i] = i
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := floor.Successors(children, args, results); err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b, n)
}
