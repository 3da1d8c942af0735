package worker_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/codec"
	"github.com/procpool/procpool/internal/registry"
	"github.com/procpool/procpool/internal/serve"
	"github.com/procpool/procpool/internal/shm"
	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

// A worker's half alone, in this process, so that one profile shows all of it:
//
//	go test ./worker -run '^$' -bench Serve -cpuprofile cpu.out && go tool pprof -http : cpu.out

type benchItem struct {
	ID     int
	Name   string
	Email  string
	Score  float64
	Active bool
	Tags   []string
}

var (
	benchInt    = worker.Register("bench.int", func(_ context.Context, n int) (int, error) { return n + 1, nil })
	benchBytes  = worker.Register("bench.bytes", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
	benchRecord = worker.Register("bench.record", func(_ context.Context, r benchItem) (benchItem, error) { return r, nil })
)

// benchValues are encoded arguments of the functions above.
func benchValues(b *testing.B) []struct {
	name, fn string
	arg      []byte
} {
	return []struct {
		name, fn string
		arg      []byte
	}{
		{"int", benchInt.Name(), encode(b, 1234)},
		{"record", benchRecord.Name(), encode(b, benchItem{1, "somebody", "somebody@example.com", 0.5, true, []string{"a", "b"}})},
		{"1KiB", benchBytes.Name(), encode(b, make([]byte, 1<<10))},
		{"64KiB", benchBytes.Name(), encode(b, make([]byte, 64<<10))},
	}
}

func encode[T any](b *testing.B, v T) []byte {
	out, err := codec.For[T]().Append(nil, &v)
	require.NoError(b, err)
	return out
}

// BenchmarkInvoke is what a registered function costs beside a plain call of it: decode, call, encode.
func BenchmarkInvoke(b *testing.B) {
	b.Run("payload=int/kind=plain", func(b *testing.B) {
		plain := func(_ context.Context, n int) (int, error) { return n + 1, nil }
		ctx, n := b.Context(), 0
		b.ReportAllocs()
		for b.Loop() {
			n, _ = plain(ctx, n)
		}
	})
	for _, v := range benchValues(b) {
		b.Run("payload="+v.name+"/kind=invoke", func(b *testing.B) {
			instance, ok := registry.Lookup(v.fn)
			require.True(b, ok)
			invoke := instance()
			ctx := b.Context()
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				out, _, outcome, err := invoke(ctx, v.arg, registry.How{}, dst[:0])
				if outcome != wire.Value {
					b.Fatal(outcome, err)
				}
				dst = out
			}
		})
	}
}

// BenchmarkServe sends a worker one batch after another through two pipes, and reads its results. An operation is a batch.
func BenchmarkServe(b *testing.B) {
	for _, v := range benchValues(b) {
		for _, batch := range []int{1, 64, 4096} {
			if batch*len(v.arg) > 2<<20 {
				continue // 4 MiB are the limit of a frame
			}
			b.Run(fmt.Sprintf("payload=%s/batch=%d", v.name, batch), func(b *testing.B) {
				s := serveHere(b)
				head := wire.TasksHead{Func: v.fn, Attempt: 1}
				payload := head.Append(nil)
				for range batch {
					payload = wire.AppendItem(payload, v.arg)
				}
				b.ReportAllocs()
				for b.Loop() {
					s.exchange(b, payload, batch)
				}
				b.ReportMetric(float64(batch)*float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
			})
		}
	}
}

// servedHere is the parent's end of a worker that runs in this process.
type servedHere struct {
	to   *os.File
	in   *wire.Reader
	page *shm.Page
	id   uint64
	buf  []byte
}

func serveHere(b *testing.B) *servedHere {
	theirIn, to, err := os.Pipe()
	require.NoError(b, err)
	from, theirOut, err := os.Pipe()
	require.NoError(b, err)
	const cookie = "0123456789abcdef0123456789abcdef"
	s := &servedHere{to: to, page: shm.NewLocal()}
	server := serve.New(serve.Config{
		In: theirIn, Out: theirOut, Cookie: cookie, Page: s.page, Shared: true,
		Hello: wire.HelloBody{Version: wire.Version, PID: 1, Functions: registry.Names(), Page: true},
	})
	ended := make(chan error, 1)
	go func() {
		ended <- server.Run()
		_ = theirOut.Close() // so that nobody waits for the results of a worker that has failed
	}()
	b.Cleanup(func() {
		_, _ = to.Write(wire.AppendControl(nil, wire.Stop, 0, 0, nil))
		require.NoError(b, <-ended)
		for _, f := range []*os.File{theirIn, to, from} {
			_ = f.Close()
		}
	})
	s.in = wire.NewReader(from, 1<<30, wire.Kind.FromWorker)
	_, err = s.in.Cookie([]byte(cookie))
	require.NoError(b, err)
	_, err = s.in.Next() // hello
	require.NoError(b, err)
	welcome, err := wire.AppendMap(nil, wire.Welcome, 0, 0, &wire.WelcomeBody{Version: wire.Version, Max: 1 << 30})
	require.NoError(b, err)
	_, err = to.Write(welcome)
	require.NoError(b, err)
	return s
}

// exchange sends a batch and reads until it is answered.
func (s *servedHere) exchange(b *testing.B, payload []byte, n int) {
	s.id++
	s.page.Arm(s.id, n)
	s.buf = wire.Header{Kind: wire.Tasks, Count: uint32(n), ID: s.id, Length: uint64(len(payload))}.Append(s.buf[:0])
	s.buf = append(s.buf, payload...)
	sent := make(chan error, 1) // beside the reading: both may be more than a pipe holds
	if len(s.buf) > 32<<10 {
		go func() { _, err := s.to.Write(s.buf); sent <- err }()
	} else {
		_, err := s.to.Write(s.buf)
		sent <- err
	}
	for n > 0 {
		f, err := s.in.Next()
		if err != nil || f.Kind != wire.Results {
			b.Fatal(f.Kind, err)
		}
		n -= int(f.Count)
	}
	if err := <-sent; err != nil {
		b.Fatal(err)
	}
}
