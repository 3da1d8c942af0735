//go:build linux

package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A soak is one run of the program.
type soak struct {
	seed    uint64
	verbose bool
	out     io.Writer
	dir     string // of the ledgers
	begun   time.Time

	scarcity scarcity
	printed  counter // what workers have written to stdout and stderr
	rounds   atomic.Int64
	failed   chan struct{} // closed by the first complaint

	mu         sync.Mutex
	faults     map[string]int
	counts     map[string]int
	outcomes   map[outcome]int
	tasks      int
	complaints map[verdict]int
	alive      map[*round]struct{}
	epoch      int
}

func newSoak(seed uint64, out io.Writer) *soak {
	return &soak{
		seed: seed, out: out, begun: time.Now(), failed: make(chan struct{}),
		faults: map[string]int{}, counts: map[string]int{}, outcomes: map[outcome]int{},
		complaints: map[verdict]int{}, alive: map[*round]struct{}{},
	}
}

// complain reports a broken promise at once. The run ends then: what happens after it may be its consequence.
func (s *soak) complain(v verdict, text string, log fmt.Stringer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.complaints[v]++
	const most = 20
	n := 0
	for _, m := range s.complaints {
		n += m
	}
	if n == 1 {
		close(s.failed)
	}
	if n > most {
		return
	}
	fmt.Fprintf(s.out, "\nVIOLATION: %s: %s\n  again: go run ./internal/soak -seed %d -from %d\n", v, text, s.seed, s.epoch)
	if log != nil && n <= 3 {
		fmt.Fprintf(s.out, "  the end of the pool's log:\n%s\n", indent(lastLines(log.String(), 40)))
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func indent(text string) string { return "    " + strings.ReplaceAll(text, "\n", "\n    ") }

func (s *soak) hasFailed() bool {
	select {
	case <-s.failed:
		return true
	default:
		return false
	}
}

func (s *soak) fault(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[name]++
}

func (s *soak) count(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[name]++
}

// merge adds up what the book of a pool that has ended says.
func (s *soak) merge(b *book) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts["pools"]++
	s.tasks += len(b.entries)
	for o, n := range b.counts {
		s.outcomes[o] += n
	}
}

// patience is how long there may be no answer from a pool that is under load.
const patience = 30 * time.Second

func (s *soak) attend(r *round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alive[r] = struct{}{}
}

func (s *soak) leave(r *round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.alive, r)
}

// watch ends the program if a pool hangs, with all that can be known about it, and says every ten seconds how things go.
func (s *soak) watch(done <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		s.mu.Lock()
		var hung *round
		for r := range s.alive {
			if time.Since(time.Unix(0, r.book.last.Load())) > patience {
				hung = r
			}
		}
		s.mu.Unlock()
		if hung != nil {
			s.hang(hung)
		}
		if n%10 == 0 {
			s.progress()
		}
	}
}

func (s *soak) hang(r *round) {
	fmt.Fprintf(s.out, "%s\n", stacks())
	if d, ok := any(r.pool).(interface{ Debug() string }); ok {
		fmt.Fprintf(s.out, "DEBUG\n%sENDDEBUG\n", d.Debug())
	}
	h, _ := r.ledger.read() // it may be cut off
	r.complain(stuck, fmt.Sprintf("no answer for %v\n  calls: %s\n  statistics: %+v\n  workers: %+v\n  unanswered: %s",
		patience, r.running(), r.pool.Stats(), r.pool.Workers(), r.book.unanswered(h)))
	s.table(nil, nil)
	os.Exit(exitHang)
}

// progress is one line.
func (s *soak) progress() {
	s.mu.Lock()
	defer s.mu.Unlock()
	faults, pools := 0, s.counts["pools"]
	for _, n := range s.faults {
		faults += n
	}
	fmt.Fprintf(s.out, "%4.0fs  epoch %d  pools %d  tasks %d (of pools that have ended)  faults %d of %d kinds  lost %d  duplicated %d  wrong %d  seed %d\n",
		time.Since(s.begun).Seconds(), s.epoch, pools, s.tasks, faults, len(s.faults),
		s.complaints[lost], s.complaints[duplicated], s.complaints[wrong], s.seed)
}

// run draws epoch after epoch until the time is over.
func (s *soak) run(d, each time.Duration, from int) {
	dir, err := os.MkdirTemp("", "soak-")
	if err != nil {
		s.complain(leftover, err.Error(), nil)
		return
	}
	s.dir = dir
	defer func() { _ = os.RemoveAll(dir) }()
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { s.watch(done) })
	base := s.baseline()
	var first, last *resources
	deadline := s.begun.Add(d)
	for epoch := from; time.Now().Before(deadline) && !s.hasFailed(); epoch++ {
		s.mu.Lock()
		s.epoch = epoch
		s.mu.Unlock()
		s.runEpoch(epoch, min(each, time.Until(deadline)))
		s.leftovers(base)
		last = measure()
		if s.verbose {
			fmt.Fprintf(s.out, "       epoch %d: %v\n", epoch, last)
		}
		if first == nil || epoch-from < warmUp {
			first = last
		}
	}
	if !s.hasFailed() {
		s.flat(first, last)
	}
	close(done)
	watching.Wait()
	s.table(first, last)
}

// runEpoch keeps two or three pools alive at a time, and returns when there is none.
func (s *soak) runEpoch(epoch int, d time.Duration) {
	rng := rand.New(rand.NewPCG(s.seed, uint64(epoch)))
	deadline := time.Now().Add(d)
	var lanes sync.WaitGroup
	for lane := range 2 + rng.IntN(2) {
		own := fork(rng)
		lanes.Go(func() {
			for n := 0; time.Now().Before(deadline) && !s.hasFailed(); n++ {
				round := fork(own)
				length := min(millis(round, 300, 5000), max(time.Until(deadline), 100*time.Millisecond))
				s.newRound(fmt.Sprintf("epoch %d, lane %d, pool %d", epoch, lane, n), round).run(round, length)
			}
		})
	}
	lanes.Wait()
}
