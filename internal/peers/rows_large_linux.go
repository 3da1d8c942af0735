package main

import (
	"fmt"

	"github.com/procpool/procpool/internal/floor"
	"github.com/procpool/procpool/pool"
)

// echoRow sends bytes there and back, n times a round and one at a time. The raw echo reads into the same memory each time, as a pool cannot:
// its result belongs to the caller. What that alone costs is in the note.
func echoRow(size, n int) func(*bench, *pool.Pool) ([]finding, error) {
	return func(b *bench, p *pool.Pool) ([]finding, error) {
		n := b.count(n)
		message := make([]byte, size)
		for i := range message {
			message[i] = byte(i) // pages of its own, not all the page of zeros
		}
		ours := &side{name: "Call", units: n, round: timed(func() error {
			for range n {
				if got, err := pool.Call(b.ctx, p, echo, message); err != nil || len(got) != size {
					return check(err, false, "Call")
				}
			}
			return nil
		})}
		var py python
		defer py.close()
		first := py.side("best of Python's pools", request{Do: "echo", N: n, Size: size})
		second := py.side("ProcessPoolExecutor", request{Do: "executor_echo", N: n, Size: size})

		child, err := floor.StartEcho(size)
		if err != nil {
			return nil, err
		}
		defer child.Close()
		answer := make([]byte, size)
		raw := &side{name: "raw pipe echo whose child reads all before it writes", units: n, round: timed(func() error {
			for range n {
				if err := child.Echo(message, answer); err != nil {
					return err
				}
			}
			return nil
		})}
		fresh := &side{name: "raw pipe echo into fresh memory", units: n, round: timed(func() error {
			for range n {
				if err := child.Echo(message, make([]byte, size)); err != nil {
					return err
				}
			}
			return nil
		})}
		if err := b.alternate(b.rounds(9), ours, first, raw, second, fresh); err != nil {
			return nil, err
		}
		first.taken = least(first.taken, second.taken)
		bare := faster(ours, raw, seconds, atLeast(0.85, times))
		bare.Note = fmt.Sprintf("into fresh memory each time, as ours: %s", summarize(ratios(fresh.taken, ours.taken), times).spread())
		return []finding{faster(ours, first, seconds, atLeast(2, times)), bare}, nil
	}
}
