//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// A reader is the argument of a task that reads shared memory.
type reader struct {
	ID     int
	Ledger ledger
	Blob   worker.Blob
	Again  bool // answer with the same Blob, and not with one of the task's own
}

// A reading is what it answers.
type reading struct {
	ID   int
	Sum  uint64
	Blob worker.Blob
}

var read = worker.Register("soak.read", func(_ context.Context, o reader) (reading, error) {
	if err := o.Ledger.enter(start, o.ID); err != nil {
		return reading{}, err
	}
	b, err := o.Blob.Bytes()
	if err != nil {
		return reading{}, err
	}
	a := reading{ID: o.ID, Sum: sum(b), Blob: o.Blob}
	if !o.Again {
		if a.Blob, err = worker.NewBlob(pattern(o.ID, len(b)/2)); err != nil {
			return reading{}, err
		}
	}
	return a, o.Ledger.enter(end, o.ID)
})

// share has a few tasks read memory that is shared once, and released at some moment or never.
func (r *round) share(rng *rand.Rand) {
	j := r.newJob(rng, false)
	defer r.begin("Share", j)()
	data := pattern(rng.Int(), rng.IntN(mebibyte))
	shared, err := r.pool.Share(data)
	switch {
	case errors.Is(err, pool.ErrClosed) && r.book.closing.Load(), errors.Is(err, syscall.EMFILE) && r.scarce():
		return
	case err != nil:
		r.complain(wrong, fmt.Sprintf("Share: %v", err))
		return
	}
	cancels := oneIn(rng, 4)
	j.terms.withdraws = j.terms.withdraws || cancels
	readers := make([]reader, 1+rng.IntN(12))
	futures := make([]*pool.Future[reading], len(readers))
	for i := range readers {
		readers[i] = reader{ID: r.book.open(kinds["nothing"], j.terms), Ledger: r.ledger, Blob: shared, Again: oneIn(rng, 3)}
		futures[i] = pool.Go(j.ctx, r.pool, read, readers[i], j.opts...)
		if cancels && oneIn(rng, 2) {
			time.AfterFunc(time.Duration(rng.IntN(4000))*time.Microsecond, futures[i].Cancel)
		}
	}
	if oneIn(rng, 2) {
		_ = shared.Release() // the tasks carry it
	}
	for i, f := range futures {
		a, err := f.Wait(context.Background())
		r.seen(rng, &readers[i], data, a, err)
	}
	if oneIn(rng, 2) {
		_ = shared.Release() // else the garbage collector does, or the pool's end
	}
}

// seen takes down what came of a reader.
func (r *round) seen(rng *rand.Rand, o *reader, data []byte, a reading, err error) {
	what, text := classify(err), ""
	if err != nil {
		text = err.Error()
	}
	if what == decodeParent && r.book.closing.Load() && (errors.Is(err, pool.ErrClosed) || errors.Is(err, worker.ErrReleased)) {
		what = closed // the task was done, and the memory went with the pool
	}
	if err == nil {
		r.look(o, data, a)
		if !o.Again && oneIn(rng, 2) {
			_ = a.Blob.Release()
		}
	}
	if what == broken {
		r.scarce()
	}
	r.book.answer(o.ID, what, attemptOf(err), text)
}

// look checks what a reader has answered, unless the pool is ending.
func (r *round) look(o *reader, data []byte, a reading) {
	if a.ID != o.ID || a.Sum != sum(data) {
		r.complain(wrong, fmt.Sprintf("the result of reader %d is that of %d, or of other memory", o.ID, a.ID))
	}
	r.eyes.RLock()
	defer r.eyes.RUnlock()
	if r.book.closing.Load() {
		return
	}
	want := data
	if !o.Again {
		want = pattern(o.ID, len(data)/2)
	}
	switch got, err := a.Blob.Bytes(); {
	case err != nil:
		r.complain(wrong, fmt.Sprintf("the Blob of reader %d: %v", o.ID, err))
	case sum(got) != sum(want):
		r.complain(wrong, fmt.Sprintf("the Blob of reader %d is another", o.ID))
	}
}
