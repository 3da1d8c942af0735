//go:build linux

package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/procpool/procpool/pool"
)

// A set is the options of one pool, and what of them the checks have to know.
type set struct {
	options []pool.Option
	words   []string

	workers  int
	attempts int // of a task, by WithRetries
	flaky    bool
	soft     bool
	queue    bool
	beats    bool // a heartbeat so short that a loaded machine may miss it
	leaks    bool // workers that keep memory are renewed
	capped   bool // workers may not have much memory
	grace    time.Duration
}

func (s *set) add(words string, o ...pool.Option) {
	s.words = append(s.words, words)
	s.options = append(s.options, o...)
}

func (s *set) String() string { return strings.Join(s.words, " ") }

// oneIn is true once in n times.
func oneIn(rng *rand.Rand, n int) bool { return rng.IntN(n) == 0 }

// millis draws a duration.
func millis(rng *rand.Rand, from, to int) time.Duration {
	return time.Duration(from+rng.IntN(to-from+1)) * time.Millisecond
}

// drawSet draws the options of a pool.
func drawSet(rng *rand.Rand) *set {
	s := &set{workers: 1 + rng.IntN(4), attempts: 1, grace: millis(rng, 50, 500)}
	s.add(fmt.Sprintf("WithWorkers(%d)", s.workers), pool.WithWorkers(s.workers))
	s.add(fmt.Sprintf("WithStopGrace(%v)", s.grace), pool.WithStopGrace(s.grace))
	if oneIn(rng, 3) {
		n := 1 + rng.IntN(2)
		s.add(fmt.Sprintf("WithSpare(%d)", n), pool.WithSpare(n))
	}
	if oneIn(rng, 3) {
		n := 1 + rng.IntN(40)
		s.add(fmt.Sprintf("WithMaxTasksPerWorker(%d)", n), pool.WithMaxTasksPerWorker(n))
	}
	if oneIn(rng, 4) {
		d := millis(rng, 50, 800)
		s.add(fmt.Sprintf("WithMaxWorkerAge(%v)", d), pool.WithMaxWorkerAge(d))
	}
	if oneIn(rng, 4) {
		n, d := rng.IntN(s.workers+1), millis(rng, 5, 100)
		s.add(fmt.Sprintf("WithIdleTimeout(%d, %v)", n, d), pool.WithIdleTimeout(n, d))
	}
	if oneIn(rng, 3) {
		n := 1 + rng.IntN(10)
		s.queue = true
		s.add(fmt.Sprintf("WithQueueSize(%d)", n), pool.WithQueueSize(n))
	}
	s.drawLimits(rng)
	s.drawHealth(rng)
	s.drawHooks(rng)
	return s
}

func (s *set) drawLimits(rng *rand.Rand) {
	if oneIn(rng, 3) {
		n := 1 + rng.IntN(2)
		s.attempts = 1 + n
		s.add(fmt.Sprintf("WithRetries(%d)", n), pool.WithRetries(n))
	}
	if oneIn(rng, 3) {
		s.add("WithTaskTimeout(1m)", pool.WithTaskTimeout(time.Minute)) // beyond what any task takes
	}
	if oneIn(rng, 4) {
		s.soft = true
		s.add("WithSoftTimeout(10s)", pool.WithSoftTimeout(10*time.Second))
	}
	if oneIn(rng, 4) {
		n := 1 + rng.IntN(3)
		s.add(fmt.Sprintf("WithWorkerProcs(%d)", n), pool.WithWorkerProcs(n))
	}
}

// drawHealth draws what ends workers that are not well.
func (s *set) drawHealth(rng *rand.Rand) {
	switch rng.IntN(4) {
	case 0:
		d := millis(rng, 1000, 2500)
		s.beats = true
		s.add(fmt.Sprintf("WithHeartbeat(%v)", d), pool.WithHeartbeat(d))
	case 1:
		s.add("WithHeartbeat(0)", pool.WithHeartbeat(0))
	}
	switch rng.IntN(4) {
	case 0:
		s.leaks = true
		s.add("WithMaxWorkerMemory(48 MiB)", pool.WithMaxWorkerMemory(48*mebibyte))
	case 1:
		s.capped = true
		s.add("WithMemoryLimit(192 MiB)", pool.WithMemoryLimit(192*mebibyte))
	}
	if oneIn(rng, 4) {
		n := 3 + rng.IntN(5)
		s.add(fmt.Sprintf("WithRestartLimit(%d, 5s)", n), pool.WithRestartLimit(n, 5*time.Second))
	}
}

func (s *set) drawHooks(rng *rand.Rand) {
	if oneIn(rng, 3) {
		n := 0
		if oneIn(rng, 3) {
			n, s.flaky = 10+rng.IntN(30), true
		}
		s.add(fmt.Sprintf("WithInitializer(prepare, %d)", n), pool.WithInitializer(prepare, n))
	}
	if oneIn(rng, 3) {
		d := millis(rng, 0, 20)
		if oneIn(rng, 4) {
			d = time.Second // longer than any grace
		}
		s.add(fmt.Sprintf("WithFinalizer(part, %v)", d), pool.WithFinalizer(part, d))
	}
}

// A counter is a writer that keeps nothing.
type counter struct{ bytes atomic.Int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.bytes.Add(int64(len(p)))
	return len(p), nil
}

// A tail keeps the last of what is written to it, twice size at most.
type tail struct {
	mu   sync.Mutex
	size int
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.text) > 2*t.size {
		t.text = append(t.text[:0], t.text[len(t.text)-t.size:]...)
	}
	t.text = append(t.text, p...)
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text[max(0, len(t.text)-t.size):])
}

func logTo(w io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Output: w, Level: hclog.Debug})
}
