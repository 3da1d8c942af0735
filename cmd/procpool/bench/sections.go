package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/procpool/procpool/pool"
)

// roundTrip asks what the way to another process and back costs.
func (b *bench) roundTrip(ctx context.Context, budget time.Duration) (Section, error) {
	s := Section{
		Title: "One round trip",
		About: "An integer goes to a worker, which adds one, and comes back; then the next one. Beside it: a goroutine that answers over a channel, " +
			"16 bytes over a bare pipe to another process and back, and Python's pools.",
		Unit: "ns",
	}
	pipe, err := b.openPipe(ctx, 16)
	if err != nil {
		return s, err
	}
	defer pipe.close()
	t := trial{name: "an int, one at a time", contenders: []contender{calls(b.pool, successor, 1), hops(1)}}
	t.contenders = append(t.contenders, pipe.contenders()...)
	t.contenders = append(t.contenders, b.pythons("roundtrip", nil)...)
	return s, race(ctx, &s, []trial{t}, budget)
}

var batchSizes = []int{1, 8, 64, 512, 4096, 0}

// batches asks what a tiny task costs where many travel together.
func (b *bench) batches(ctx context.Context, budget time.Duration) (Section, error) {
	s := Section{
		Title: "Tiny tasks, by batch size",
		About: "A list of integers is mapped, so many to a batch: Map with Chunk, goroutines that take as many at a time, Python's map with chunksize. " +
			"“Untuned” is what each does when nobody says. The split is that of a task in a timed run with a window of one batch for each worker.",
		Axis: "tasks in a batch", Unit: "ns",
	}
	var trials []trial
	for _, size := range batchSizes {
		name, x := fmt.Sprint(size), float64(size)
		if size == 0 {
			name, x = "untuned", 0
		}
		t := trial{name: name, x: x, contenders: []contender{b.mapped(size), b.spreadInts(size)}}
		t.contenders = append(t.contenders, b.pythons("map", map[string]any{"chunk": size})...)
		trials = append(trials, t)
	}
	return s, race(ctx, &s, trials, budget)
}

// mapped is Map over integers.
func (b *bench) mapped(chunk int) contender {
	var args []int
	return contender{
		name: procpool,
		run: func(ctx context.Context, n int) (time.Duration, error) {
			args = count(args, n)
			began := time.Now()
			results, err := pool.Map(ctx, b.pool, successor, args, pool.Chunk(chunk))
			took := time.Since(began)
			if err == nil && results[n-1] != n {
				err = errWrong
			}
			return took, err
		},
		split: func(ctx context.Context, n int) ([]pool.Timing, error) {
			opts := []pool.CallOption{pool.Chunk(chunk)}
			if chunk > 0 {
				opts = append(opts, pool.Window(chunk*b.Workers))
			}
			args = count(args, n)
			return timedResults(ctx, b.pool, successor, slices.Values(args[:n]), opts...)
		},
	}
}

// count returns the integers below n.
func count(args []int, n int) []int {
	for len(args) < n {
		args = append(args, len(args))
	}
	return args[:n]
}

func (b *bench) spreadInts(chunk int) contender {
	if chunk == 0 {
		chunk = 1024
	}
	return contender{name: goroutines, run: since(func(_ context.Context, n int) error {
		results := make([]int, n)
		spread(b.Workers, n, chunk, func(i int) { results[i] = i + 1 })
		spend(uint64(results[n-1]))
		return nil
	})}
}

var payloadSizes = []int{16, 1 << 10, 16 << 10, 256 << 10, 1 << 20, 16 << 20, 64 << 20}

// payloads asks what large values cost.
func (b *bench) payloads(ctx context.Context, budget time.Duration) (Section, error) {
	s := Section{
		Title: "Payloads, there and back",
		About: "So many bytes go to a worker and come back, one call at a time. Beside it: a bare pipe to another process that reads all before it " +
			"writes, Python's pools, and the encoding alone, without any process. A goroutine gets a pointer, whatever the size.",
		Axis: "bytes", Unit: "ns",
	}
	weights := 0.0
	for _, size := range payloadSizes {
		weights += weight(size)
	}
	for _, size := range payloadSizes {
		if err := b.payload(ctx, &s, size, time.Duration(float64(budget)*weight(size)/weights)); err != nil {
			return s, err
		}
	}
	return s, nil
}

// weight gives the sizes whose blocks are longer more of the time.
func weight(size int) float64 { return 1 + float64(size)/(8<<20) }

// slowEncoding is the size from which on a short run leaves out the encodings that take seconds.
const slowEncoding = 16 << 20

func (b *bench) payload(ctx context.Context, s *Section, size int, budget time.Duration) error {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i * 31 >> 3)
	}
	pipe, err := b.openPipe(ctx, size)
	if err != nil {
		return err
	}
	defer pipe.close()
	t := trial{name: binarySize(size), x: float64(size), bytes: int64(size)}
	t.contenders = append(t.contenders, calls(b.pool, echo, data))
	t.contenders = append(t.contenders, pipe.contenders()...)
	t.contenders = append(t.contenders, hops(data))
	pythons, alone := b.pythons("echo", map[string]any{"size": size}), encoders(data)
	if b.Budget < time.Minute && size >= slowEncoding {
		alone = alone[:1]
		pythons = pythons[:min(1, len(pythons))]
	}
	t.contenders = append(append(t.contenders, pythons...), alone...)
	rows, err := measure(ctx, &t, budget)
	s.Rows = append(s.Rows, rows...)
	return err
}

func binarySize(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

// records asks what structured values cost.
func (b *bench) records(ctx context.Context, budget time.Duration) (Section, error) {
	s := Section{
		Title: "Records",
		About: "Records of six fields (a number, two texts, a price, a flag, a list) are mapped and come back as they are; in Python they are dicts. " +
			"Beside it the encoding alone: each record encoded and decoded twice, in one process.",
		Unit: "ns",
	}
	var args []record
	fill := func(n int) {
		for len(args) < n {
			args = append(args, newRecord(len(args)))
		}
	}
	ours := contender{
		name: procpool,
		run: func(ctx context.Context, n int) (time.Duration, error) {
			fill(n)
			began := time.Now()
			results, err := pool.Map(ctx, b.pool, mirror, args[:n])
			took := time.Since(began)
			if err == nil && results[n-1].ID != n-1 {
				err = errWrong
			}
			return took, err
		},
		split: func(ctx context.Context, n int) ([]pool.Timing, error) {
			fill(n)
			return timedResults(ctx, b.pool, mirror, slices.Values(args[:n]))
		},
	}
	t := trial{name: "a record", contenders: []contender{ours}}
	t.contenders = append(t.contenders, contender{name: goroutines, run: func(_ context.Context, n int) (time.Duration, error) {
		fill(n)
		results := make([]record, n)
		began := time.Now()
		spread(b.Workers, n, 256, func(i int) { results[i] = args[i] })
		return time.Since(began), nil
	}})
	t.contenders = append(append(t.contenders, b.pythons("records", nil)...), encoders(newRecord(7))...)
	return s, race(ctx, &s, []trial{t}, budget)
}
