package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/procpool/procpool/worker"
)

var primesBuiltin = builtin{
	name:  "primes",
	about: "count the primes up to N",
	arg:   "N",
	input: "a number, also written like 1e9 or 1_000_000",
	open: noFlags(typed[uint64, uint64]{
		fn:    primes,
		parse: parseNumber,
		line:  func(it item, n uint64) string { return it.name + ": " + strconv.FormatUint(n, 10) },
	}),
}

var primes = worker.Register("primes", countPrimes)

// maxPrimes keeps a sieve of the square root in memory, and the answer within a day.
const maxPrimes = 1e14

// parseNumber reads a whole number.
func parseNumber(text string) (uint64, error) {
	n, err := strconv.ParseUint(strings.ReplaceAll(text, "_", ""), 10, 64)
	if err == nil {
		return n, nil
	}
	// An exponent is read as a float, which holds whole numbers exactly up to 2^53.
	if f, ferr := strconv.ParseFloat(text, 64); ferr == nil && strings.ContainsAny(text, "eE") && f >= 0 && f <= 1<<53 && f == math.Trunc(f) {
		return uint64(f), nil
	}
	return 0, fmt.Errorf("%s is not a whole number", quoted(clipped(text, 60)))
}

// countPrimes is the function primes: a sieve of Eratosthenes in segments that stay in
// the cache. Even numbers are left out; index i stands for the number 2i+1.
func countPrimes(ctx context.Context, n uint64) (uint64, error) {
	switch {
	case n > maxPrimes:
		return 0, fmt.Errorf("%d is too large: at most %g", n, float64(maxPrimes))
	case n < 2:
		return 0, nil
	}
	const segment = 1 << 17
	base := oddPrimes(isqrt(n))
	next := make([]uint64, len(base)) // the next multiple of each, as an index
	for i, p := range base {
		next[i] = p * p / 2
	}
	composite := make([]bool, segment)
	count := uint64(1) // the prime 2
	end := (n + 1) / 2 // indexes below it stand for odd numbers up to n
	for low := uint64(1); low < end; low += segment {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		window := composite[:min(segment, end-low)]
		clear(window)
		sieve(window, low, base, next)
		count += zeros(window)
	}
	return count, nil
}

// sieve marks the multiples of the base primes in the window that begins at index low.
func sieve(window []bool, low uint64, base, next []uint64) {
	high := low + uint64(len(window))
	for i, p := range base {
		j := next[i]
		if p*p/2 >= high {
			break // so are all that follow
		}
		for ; j < high; j += p {
			window[j-low] = true
		}
		next[i] = j
	}
}

func zeros(window []bool) uint64 {
	n := uint64(0)
	for _, marked := range window {
		if !marked {
			n++
		}
	}
	return n
}

// oddPrimes are the odd primes up to n.
func oddPrimes(n uint64) []uint64 {
	composite := make([]bool, n+1)
	var list []uint64
	for p := uint64(3); p <= n; p += 2 {
		if composite[p] {
			continue
		}
		list = append(list, p)
		for m := p * p; m <= n; m += 2 * p {
			composite[m] = true
		}
	}
	return list
}

// isqrt is the whole part of the square root.
func isqrt(n uint64) uint64 {
	r := uint64(math.Sqrt(float64(n)))
	for r*r > n {
		r--
	}
	for (r+1)*(r+1) <= n {
		r++
	}
	return r
}
