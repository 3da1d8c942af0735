//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// What is nothing but bytes goes other ways than an order: a long slice is sent from the caller's memory, a short one that is called for in haste is read by its caller.

// torn is what a task writes down whose argument was changed while it was sent. No ledger has such lines, so the audit finds them, also where nobody
// waits for the task any more.
const torn = 'T'

// A parcel is an order as bytes: id, length of the ledger's path, path, and a pattern that belongs to the id.
func parcel(id int, l ledger, size int) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(id))
	b = binary.BigEndian.AppendUint16(b, uint16(len(l)))
	b = append(b, l...)
	return append(b, pattern(id, size)...)
}

var errTorn = errors.New("the argument was changed on its way")

// sendBack answers with its argument.
var sendBack = worker.Register("soak.sendBack", func(_ context.Context, b []byte) ([]byte, error) {
	id := int(binary.BigEndian.Uint64(b))
	path := 10 + int(binary.BigEndian.Uint16(b[8:]))
	l := ledger(b[10:path])
	if err := l.enter(start, id); err != nil {
		return nil, err
	}
	if !bytes.Equal(b[path:], pattern(id, len(b)-path)) {
		return nil, errors.Join(errTorn, l.enter(torn, id))
	}
	return b, l.enter(end, id)
})

// A sent parcel is the caller's memory, and what it was.
type sent struct {
	id, size int
	arg      []byte
}

func (r *round) parcel(j *job, size int) *sent {
	s := &sent{id: r.book.open(kinds["nothing"], j.terms), size: size}
	s.arg = parcel(s.id, r.ledger, size)
	return s
}

// returned takes down what came of a parcel, whose memory is the caller's again: he writes to it.
func (r *round) returned(s *sent, back []byte, err error) {
	what, text := classify(err), ""
	switch {
	case err != nil:
		text = err.Error()
	case !bytes.Equal(back, parcel(s.id, r.ledger, s.size)):
		r.complain(wrong, fmt.Sprintf("parcel %d of %d bytes came back as something else, of %d bytes", s.id, s.size, len(back)))
	}
	if what == broken {
		r.scarce()
	}
	for i := range s.arg {
		s.arg[i] = 0xee
	}
	r.book.answer(s.id, what, attemptOf(err), text)
}

// bulk draws the size of a parcel, which is long more often than not.
func bulk(rng *rand.Rand) int {
	if oneIn(rng, 3) {
		return rng.IntN(100)
	}
	return 60<<10 + rng.IntN(mebibyte)
}

// quick makes calls that follow each other closely.
func (r *round) quick(rng *rand.Rand) {
	j := r.newJob(rng, false)
	defer r.begin("quick Call", j)()
	for range 20 + rng.IntN(100) {
		size := rng.IntN(40)
		if oneIn(rng, 40) {
			size = bulk(rng)
		}
		s := r.parcel(j, size)
		back, err := pool.Call(j.ctx, r.pool, sendBack, s.arg, j.opts...)
		r.returned(s, back, err)
		if err != nil && ofTheCall(err) == closed {
			return
		}
		if oneIn(rng, 20) {
			time.Sleep(time.Duration(rng.IntN(3000)) * time.Microsecond) // about as long as a lease
		}
	}
}

// lent submits long arguments, and writes to them as soon as it may.
func (r *round) lent(rng *rand.Rand) {
	j := r.newJob(rng, false)
	defer r.begin("Go of bytes", j)()
	cancels := oneIn(rng, 3)
	j.terms.withdraws = j.terms.withdraws || cancels
	parcels := make([]*sent, 1+rng.IntN(6))
	futures := make([]*pool.Future[[]byte], len(parcels))
	for i := range parcels {
		parcels[i] = r.parcel(j, bulk(rng))
		futures[i] = pool.Go(j.ctx, r.pool, sendBack, parcels[i].arg, j.opts...)
		if cancels && oneIn(rng, 2) {
			time.AfterFunc(time.Duration(rng.IntN(4000))*time.Microsecond, futures[i].Cancel)
		}
	}
	for i, f := range futures {
		back, err := f.Wait(context.Background())
		r.returned(parcels[i], back, err)
	}
}

// lentMap does so by a Map.
func (r *round) lentMap(rng *rand.Rand) {
	j := r.newJob(rng, true)
	defer r.begin("Map of bytes", j)()
	parcels := make([]*sent, 1+rng.IntN(12))
	args := make([][]byte, len(parcels))
	for i := range parcels {
		parcels[i] = r.parcel(j, bulk(rng))
		args[i] = parcels[i].arg
	}
	results, err := pool.Map(j.ctx, r.pool, sendBack, args, j.opts...)
	var failures pool.Errors
	errors.As(err, &failures)
	byIndex := map[int]error{}
	for _, failure := range failures {
		byIndex[failure.Index] = failure
	}
	if _, whole := err.(pool.Errors); err != nil && !whole {
		r.cause(err)
	}
	for i, s := range parcels {
		if failure := byIndex[i]; failure == nil && results[i] == nil {
			clear(s.arg)
			r.book.answer(s.id, withdrawn, 0, fmt.Sprintf("index %d of %d: %v", i, len(parcels), err))
		} else {
			r.returned(s, results[i], failure)
		}
	}
}
