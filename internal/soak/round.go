//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/procpool/procpool/pool"
)

// A round is the life of one pool.
type round struct {
	soak    *soak
	name    string
	set     *set
	pool    *pool.Pool
	book    *book
	ledger  ledger
	log     *tail
	begun   time.Time
	refused int64 // starts that had been refused before

	rate  float64       // of faults among tasks
	stop  chan struct{} // closed when no more load is wanted
	loads sync.WaitGroup
	done  int // tasks that the pool had answered when watch looked last

	eyes sync.RWMutex // held by those who read shared memory, which goes with the pool

	mu    sync.Mutex
	calls map[*job]string // that are being made
}

func (s *soak) newRound(name string, rng *rand.Rand) *round {
	r := &round{
		soak: s, name: name, set: drawSet(rng), log: &tail{size: 32 << 10}, begun: time.Now(), refused: s.scarcity.refused.Load(),
		ledger: ledger(filepath.Join(s.dir, fmt.Sprintf("ledger-%d", s.rounds.Add(1)))),
		rate:   []float64{0.002, 0.01, 0.05, 0.2}[rng.IntN(4)],
		stop:   make(chan struct{}),
		calls:  map[*job]string{},
	}
	r.book = newBook(r.complain)
	r.book.beats = r.set.beats
	if r.set.flaky {
		r.book.shaken.Store(true)
	}
	return r
}

// complain says what was violated, where, and how to see it again.
func (r *round) complain(v verdict, text string) {
	r.soak.complain(v, fmt.Sprintf("%s: %s\n  options: %v", r.name, text, r.set), r.log)
}

// run is the whole life: start, load and accidents for d, end, audit.
func (r *round) run(rng *rand.Rand, d time.Duration) {
	if !r.open() {
		return
	}
	r.soak.attend(r)
	accidents := make(chan struct{})
	for range 2 + rng.IntN(4) {
		own := fork(rng)
		r.loads.Go(func() { r.load(own) })
	}
	own := fork(rng)
	go func() {
		defer close(accidents)
		r.befall(own)
	}()
	select {
	case <-time.After(d):
	case <-r.soak.failed:
	}
	r.finish(rng, accidents)
	r.soak.leave(r)
	r.audit()
}

// fork returns a source of its own for another goroutine.
func fork(rng *rand.Rand) *rand.Rand { return rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64())) }

// open starts the pool; false where it did not start, as it may if starts are failing on purpose.
func (r *round) open() bool {
	options := append(slices.Clone(r.set.options), pool.WithStdout(&r.soak.printed), pool.WithStderr(&r.soak.printed), pool.WithLogger(logTo(r.log)),
		pool.WithName(r.name))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p, err := pool.New(ctx, options...)
	var failed *pool.StartError
	switch {
	case err == nil:
		r.pool = p
		return true
	case errors.As(err, &failed) && r.scarce() && (errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EMFILE)):
	case errors.As(err, &failed) && r.set.flaky && errors.Is(err, errUnprepared):
	default:
		r.complain(wrong, fmt.Sprintf("New: %v", err))
	}
	r.soak.count("pools that did not start")
	return false
}

// scarce reports whether starts have been refused in the life of the round.
func (r *round) scarce() bool {
	if r.soak.scarcity.refused.Load() == r.refused {
		return false
	}
	r.book.shaken.Store(true)
	return true
}

// load submits until it is told to stop.
func (r *round) load(rng *rand.Rand) {
	for {
		select {
		case <-r.stop:
			return
		default:
		}
		r.scarce()
		shape := pick(rng, shapes, func(s shape) int { return s.weight })
		r.soak.count("calls of " + shape.name)
		shape.run(r, rng)
		if r.book.closing.Load() && r.over() {
			return
		}
	}
}

// over reports whether the pool takes no more calls.
func (r *round) over() bool {
	_, err := pool.Call(context.Background(), r.pool, whoami, struct{}{})
	return errors.Is(err, pool.ErrClosed)
}

// finish ends the pool in one of the ways there are, before, while or after the load stops.
func (r *round) finish(rng *rand.Rand, accidents <-chan struct{}) {
	calm, way := rng.IntN(2) == 0, rng.IntN(4)
	if calm {
		close(r.stop)
		r.loads.Wait()
	}
	r.book.closing.Store(true)
	r.eyes.Lock()
	r.eyes.Unlock() //nolint:staticcheck // nobody reads any more
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	switch way {
	case 0:
		r.soak.count("pools ended by Close")
	case 1:
		r.soak.count("pools ended by Shutdown that is cut short")
		short, cut := context.WithTimeout(ctx, millis(rng, 1, 100))
		_ = r.pool.Shutdown(short)
		cut()
	case 2:
		r.soak.count("pools ended by Shutdown with DropQueued")
		r.shut(ctx, pool.DropQueued())
	case 3:
		r.soak.count("pools ended by Shutdown")
		r.shut(ctx)
	}
	begun := time.Now()
	_ = r.pool.Close()
	if took := time.Since(begun); took > 5*time.Second {
		r.complain(stuck, fmt.Sprintf("Close took %v", took))
	}
	if !calm {
		close(r.stop)
	}
	r.loads.Wait()
	<-accidents
}

func (r *round) shut(ctx context.Context, opts ...pool.ShutdownOption) {
	if err := r.pool.Shutdown(ctx, opts...); err != nil {
		r.complain(stuck, fmt.Sprintf("Shutdown: %v\n%s", err, stacks()))
	}
}

// audit compares what was answered with what ran.
func (r *round) audit() {
	size := r.ledger.size()
	if s := r.pool.Stats(); s.Submitted != s.Completed+s.Failed+s.Cancelled || s.Queued != 0 || s.Running != 0 {
		r.complain(wrong, fmt.Sprintf("the statistics do not balance: %+v", s))
	}
	time.Sleep(20 * time.Millisecond)
	h, err := r.ledger.read()
	if err != nil {
		r.complain(wrong, err.Error())
	}
	r.book.audit(h)
	if later := r.ledger.size(); later != size {
		r.complain(duplicated, fmt.Sprintf("%d bytes were written to the ledger after Close", later-size))
	}
	os.Remove(string(r.ledger))
	r.soak.merge(r.book)
}
