package bench

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"iter"
	"sync"
	"time"

	"github.com/procpool/procpool/internal/codec"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// The names of the contenders.
const (
	procpool   = "procpool"
	goroutines = "goroutines"
	loop       = "plain loop"
	barePipe   = "bare pipe"
	pyPool     = "Python Pool"
	pyExecutor = "Python Executor"
)

// since makes a contender's run of work that only has to be timed.
func since(work func(ctx context.Context, n int) error) func(context.Context, int) (time.Duration, error) {
	return func(ctx context.Context, n int) (time.Duration, error) {
		began := time.Now()
		err := work(ctx, n)
		return time.Since(began), err
	}
}

// calls is procpool, one Call after the other.
func calls[A, R any](p *pool.Pool, fn worker.Func[A, R], arg A) contender {
	return contender{
		name: procpool,
		run: since(func(ctx context.Context, n int) error {
			for range n {
				if _, err := pool.Call(ctx, p, fn, arg); err != nil {
					return err
				}
			}
			return nil
		}),
		split: func(ctx context.Context, n int) ([]pool.Timing, error) {
			all := make([]pool.Timing, n)
			for i := range all {
				if _, err := pool.Call(ctx, p, fn, arg, pool.Timed(&all[i])); err != nil {
					return nil, err
				}
			}
			return all, nil
		},
	}
}

// timedResults runs tasks that are timed, and returns what the pool says of each.
func timedResults[A, R any](ctx context.Context, p *pool.Pool, fn worker.Func[A, R], args iter.Seq[A], opts ...pool.CallOption) ([]pool.Timing, error) {
	var all []pool.Timing
	for r := range pool.Results(ctx, p, fn, args, opts...) {
		if r.Err != nil {
			return nil, r.Err
		}
		all = append(all, r.Timing)
	}
	return all, nil
}

// hops is a goroutine that answers over a channel, one value after the other.
func hops[A any](arg A) contender {
	return contender{name: goroutines, run: since(func(_ context.Context, n int) error {
		in, out := make(chan A), make(chan A)
		go func() {
			for v := range in {
				out <- v
			}
		}()
		for range n {
			in <- arg
			<-out
		}
		close(in)
		return nil
	})}
}

// spread runs chunks of n tasks on goroutines.
func spread(workers, n, chunk int, task func(i int)) {
	chunks := make(chan int)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for from := range chunks {
				for i := from; i < min(from+chunk, n); i++ {
					task(i)
				}
			}
		})
	}
	for from := 0; from < n; from += chunk {
		chunks <- from
	}
	close(chunks)
	all.Wait()
}

// encoders encode and decode a value twice: an argument and a result, there and back.
func encoders[A any](arg A) []contender {
	return []contender{
		{name: "msgpack alone", run: since(func(_ context.Context, n int) error {
			c := codec.For[A]()
			var buf []byte
			for range 2 * n {
				var got A
				var err error
				if buf, err = c.Append(buf[:0], &arg); err != nil {
					return err
				}
				if err = c.Decode(buf, &got); err != nil {
					return err
				}
			}
			return nil
		})},
		{name: "gob alone", run: since(func(_ context.Context, n int) error {
			var buf bytes.Buffer // one stream, so that the type is sent once
			enc, dec := gob.NewEncoder(&buf), gob.NewDecoder(&buf)
			for range 2 * n {
				var got A
				if err := enc.Encode(&arg); err != nil {
					return err
				}
				if err := dec.Decode(&got); err != nil {
					return err
				}
			}
			return nil
		})},
		{name: "JSON alone", run: since(func(_ context.Context, n int) error {
			for range 2 * n {
				var got A
				b, err := json.Marshal(&arg)
				if err != nil {
					return err
				}
				if err := json.Unmarshal(b, &got); err != nil {
					return err
				}
			}
			return nil
		})},
	}
}

// pythons are both of Python's pools at a kind of work; none where there is no Python.
func (b *bench) pythons(work string, args map[string]any) []contender {
	if b.python == nil {
		return nil
	}
	return []contender{b.python.contender(pyPool, "pool", work, args), b.python.contender(pyExecutor, "executor", work, args)}
}
