package main

import (
	"errors"
	"fmt"
	"runtime"
	"time"
)

// A side is one of those that do the work of a row.
type side struct {
	name  string
	units int // operations in a round
	round func() (time.Duration, error)

	missing string // why it cannot take part
	taken   []float64
}

// timed makes a round of what is to be timed as a whole.
func timed(work func() error) func() (time.Duration, error) {
	return func() (time.Duration, error) {
		begin := time.Now()
		err := work()
		return time.Since(begin), err
	}
}

// alternate has all sides do their rounds in turns. The first to go is another one in each round, and what a round took is kept as seconds for
// one operation.
func (b *bench) alternate(rounds int, sides ...*side) error {
	for round := -1; round < rounds; round++ {
		for i := range sides {
			s := sides[(max(round, 0)+i)%len(sides)]
			if s.missing != "" {
				continue
			}
			runtime.GC()
			took, err := s.round()
			if errors.Is(err, errNoPython) {
				s.missing = err.Error()
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if round >= 0 { // the one before warms up
				s.taken = append(s.taken, took.Seconds()/float64(s.units))
			}
		}
	}
	return nil
}

// ratios returns a[i]/b[i].
func ratios(a, b []float64) []float64 {
	r := make([]float64, min(len(a), len(b)))
	for i := range r {
		r[i] = a[i] / b[i]
	}
	return r
}

// least returns the smaller of each pair: the better of two peers, round by round.
func least(a, b []float64) []float64 {
	r := make([]float64, min(len(a), len(b)))
	for i := range r {
		r[i] = min(a[i], b[i])
	}
	return r
}

func scaled(values []float64, factor float64) []float64 {
	r := make([]float64, len(values))
	for i := range r {
		r[i] = values[i] * factor
	}
	return r
}
