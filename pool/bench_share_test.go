package pool_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

var (
	benchReadBlob  = worker.Register("bench.readBlob", func(_ context.Context, b worker.Blob) (uint64, error) { return readWhole(b.Bytes()) })
	benchReadBytes = worker.Register("bench.readBytes", func(_ context.Context, b []byte) (uint64, error) { return readWhole(b, nil) })
	benchEchoBlob  = worker.Register("bench.echoBlob", func(_ context.Context, b worker.Blob) (worker.Blob, error) {
		data, err := b.Bytes()
		if err != nil {
			return worker.Blob{}, err
		}
		return worker.NewBlob(data)
	})
)

// readWhole reads every cache line of data.
func readWhole(data []byte, err error) (sum uint64, _ error) {
	for i := 0; i < len(data); i += 64 {
		sum += uint64(data[i])
	}
	return sum, err
}

// BenchmarkShare is a value that each task reads whole: shared once, or as an argument each time.
func BenchmarkShare(b *testing.B) {
	for _, size := range []int{1 << 20, 16 << 20} {
		value := make([]byte, size)
		b.Run(fmt.Sprintf("by=argument/bytes=%dMiB", size>>20), func(b *testing.B) {
			p := benchPool(b)
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := pool.Call(b.Context(), p, benchReadBytes, value); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("by=blob/bytes=%dMiB", size>>20), func(b *testing.B) {
			p := benchPool(b)
			blob, err := p.Share(value)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := pool.Call(b.Context(), p, benchReadBlob, blob); err != nil {
					b.Fatal(err)
				}
			}
			_ = blob.Release() // always nil
		})
	}
}

// BenchmarkFresh is an echo of a value that is new for each call: through the pipes, as shared memory by WithBlobThreshold, and as Blobs.
func BenchmarkFresh(b *testing.B) {
	for _, size := range []int{64 << 10, 1 << 20, 16 << 20} {
		value := make([]byte, size)
		for _, by := range []string{"pipe", "threshold"} {
			b.Run(fmt.Sprintf("by=%s/bytes=%dKiB", by, size>>10), func(b *testing.B) {
				var opts []pool.Option
				if by == "threshold" {
					opts = append(opts, pool.WithBlobThreshold(4096))
				}
				p := benchPool(b, opts...)
				b.SetBytes(int64(size)) // one way
				for b.Loop() {
					if got, err := pool.Call(b.Context(), p, benchEcho, value); err != nil || len(got) != size {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run(fmt.Sprintf("by=blob/bytes=%dKiB", size>>10), func(b *testing.B) {
			p := benchPool(b)
			b.SetBytes(int64(size))
			for b.Loop() {
				echoBlob(b, p, value)
			}
		})
	}
}

func echoBlob(b *testing.B, p *pool.Pool, value []byte) {
	b.Helper()
	in, err := p.Share(value)
	if err != nil {
		b.Fatal(err)
	}
	out, err := pool.Call(b.Context(), p, benchEchoBlob, in)
	if err != nil {
		b.Fatal(err)
	}
	if data, err := out.Bytes(); err != nil || len(data) != len(value) {
		b.Fatal(err)
	}
	_, _ = in.Release(), out.Release() // always nil
}

// BenchmarkFirstRead is from a gigabyte that is shared to where each of two workers has mapped it.
func BenchmarkFirstRead(b *testing.B) {
	p := benchPool(b)
	value := make([]byte, 1<<30)
	for b.Loop() {
		b.StopTimer()
		blob, err := p.Share(value)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if _, err := pool.Broadcast(b.Context(), p, benchMap, blob); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_ = blob.Release() // always nil
		b.StartTimer()
	}
}

var benchMap = worker.Register("bench.map", func(_ context.Context, b worker.Blob) (byte, error) {
	data, err := b.Bytes()
	if err != nil {
		return 0, err
	}
	return data[0] | data[len(data)-1], nil
})
