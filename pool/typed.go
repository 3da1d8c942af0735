package pool

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/procpool/procpool/internal/codec"
	"github.com/procpool/procpool/internal/registry"
	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

// typed is where types end and bytes begin: it encodes the arguments and decodes the results of one function. It stands in the
// caller's goroutine, never in a slot's.
type typed[A, R any] struct {
	core *core
	args *codec.Codec[A]
	pack *packing // what arguments carry; nil where they can carry nothing

	positional bool // the worker, too, may write structs as arrays
	reading[R]
}

// reading is what turns answers of one function into results, or into the errors of its tasks.
type reading[R any] struct {
	fn      string
	results *codec.Codec[R]
	argType string        // for errors
	soft    time.Duration // the soft time limit, for errors
}

var errZeroFunc = errors.New("procpool: the function is the zero Func; get one from worker.Register or worker.Named")

func newTyped[A, R any](p *Pool, fn worker.Func[A, R]) (typed[A, R], error) {
	var own typed[A, R]
	if t, known := p.core.familiar.find().(*typed[A, R]); known && t.fn == fn.Name() {
		own = *t
	} else {
		var err error
		if own, err = makeTyped(p, fn); err != nil {
			return own, err
		}
		if p.core.familiar.missed() {
			kept := own // only what is kept is allocated
			p.core.familiar.keep(&kept)
		}
	}
	if own.args.Carries() {
		own.pack = &packing{core: p.core}
	}
	return own, nil
}

// familiar remembers what typed makes of one function, usually the one that is called most: for a tiny task, finding its codecs is a seventh of what
// submitting it costs.
type familiar struct {
	typed  atomic.Pointer[any]
	misses atomic.Uint32
}

// missesForAnother is after how many calls of others another function takes the place. Many functions in turn cost hardly more than without this.
const missesForAnother = 64

func (f *familiar) find() any {
	if t := f.typed.Load(); t != nil {
		return *t
	}
	return nil
}

// missed reports whether the function that was called is to take the place.
func (f *familiar) missed() bool { return f.misses.Add(1)%missesForAnother == 1 }

func (f *familiar) keep(t any) { f.typed.Store(&t) }

func makeTyped[A, R any](p *Pool, fn worker.Func[A, R]) (typed[A, R], error) {
	t := typed[A, R]{core: p.core, args: codec.For[A]()}
	t.reading = reading[R]{fn: fn.Name(), results: codec.For[R](), argType: t.args.TypeName()}
	if t.fn == "" {
		return t, errZeroFunc
	}
	if args, results := t.args.Positional(), t.results.Positional(); args != t.args || results != t.results {
		t.positional = t.core.knows(t.fn, registry.Types{Arg: reflect.TypeFor[A](), Result: reflect.TypeFor[R]()})
		if t.positional {
			t.args = args
		}
	}
	return t, nil
}

// knows reports whether the workers are this very program, in which the function has these types: then they decode whatever this
// side encodes as the same type, and the other way round.
func (c *core) knows(fn string, types registry.Types) bool {
	return len(c.cfg.command) == 0 && registry.HasTypes(fn, types)
}

// configure completes the options of a call by those of the pool.
func (t *typed[A, R]) configure(cfg *callConfig) {
	cfg.limits = t.core.cfg.limits(cfg)
	t.soft = cfg.limits.soft
	cfg.retry = t.retry(cfg)
}

// appendItem appends an argument as a task item. On an error dst comes back as it was. What the argument carries is in t.pack afterwards.
func (t *typed[A, R]) appendItem(dst []byte, index int, arg *A) ([]byte, error) {
	out, err := t.args.AppendBy(wire.Reserve(dst), arg, t.pack.carrier())
	return t.finishItem(out, len(dst), nil, index, err)
}

// lendItem is appendItem that does not copy a long []byte or string: it appends what stands before its bytes, and returns those.
func (t *typed[A, R]) lendItem(dst []byte, index int, arg *A) (item, lent []byte, err error) {
	out, lent, err := t.args.AppendLentBy(wire.Reserve(dst), arg, t.pack.carrier())
	item, err = t.finishItem(out, len(dst), lent, index, err)
	return item, lent, err
}

// appendEach appends the first of some arguments to those of a chunk, as many as go into it, and returns how many, and whether the chunk is over for a long one. If it
// is neither, the next is one for lendItem.
func (t *typed[A, R]) appendEach(dst []byte, args []A) (out []byte, n int, over bool) {
	return t.args.AppendEach(dst, args, codec.Bounds{Room: chunkBytes - len(dst), Long: chunkBytes, Most: t.core.cfg.maxPayload, Prefix: prefixLast})
}

func prefixLast(dst []byte, from int) []byte { return wire.PrefixLast(dst, from, 0) }

// finishItem makes an item of a value that was encoded behind start, or an error of what went wrong.
func (t *typed[A, R]) finishItem(out []byte, start int, lent []byte, index int, err error) ([]byte, error) {
	if size := len(out) - start - 1 + len(lent); err == nil && size > t.core.cfg.maxPayload {
		err = fmt.Errorf("%w: %d bytes, more than the %d of WithMaxPayload", wire.ErrTooLarge, size, t.core.cfg.maxPayload)
	}
	if err != nil {
		t.pack.drop()
		err = &EncodeError{Side: "parent", Type: t.args.TypeName(), Err: err}
		return out[:start], &TaskError{Func: t.fn, Index: index, Slot: -1, Err: err}
	}
	return wire.PrefixLast(out, start+1, len(lent)), nil
}

// value sets *r to what a worker answered, or returns the error of the task; *r is the zero value then. *r may be memory that is used again.
// owned says that nobody else uses the memory of value; with is the shared memory that came with it.
func (t *reading[R]) value(c *core, r *R, index int, outcome wire.Outcome, value []byte, owned bool, with *offered, at origin) error {
	var err error
	if outcome == wire.Value {
		if err = t.decode(c, r, value, owned, with); err == nil {
			with.drop()
			return nil
		}
		with.discard()
		err = &DecodeError{Side: "parent", Type: t.results.TypeName(), Err: err}
	} else {
		with.drop()
		err = t.failure(outcome, value)
	}
	var zero R
	*r = zero
	return &TaskError{Func: t.fn, Index: index, Slot: at.slot, PID: at.pid, Attempt: at.attempt, Err: err}
}

// failure returns the error that a worker has answered in the place of a value.
func (t *reading[R]) failure(outcome wire.Outcome, value []byte) error {
	return softLimit(t.soft, outcome, wireFailure(outcome, value, t.argType, t.results.TypeName()))
}

// decode sets *r to a value.
func (t *reading[R]) decode(c *core, r *R, value []byte, owned bool, with *offered) error {
	var by codec.Carrier
	if t.results.Carries() {
		by = &opening{core: c, offered: with}
	}
	if owned {
		return t.results.DecodeOwnedBy(value, r, by)
	}
	return t.results.DecodeBy(value, r, by)
}

// answered is value for a call. Where the call is timed it writes into timing where the time went, unless that is nil: then it is the pool alone that asks.
func (t *reading[R]) answered(c *core, r *R, a *answer, timing *Timing) error {
	if a.times == nil {
		return t.value(c, r, -1, a.outcome, a.value, a.owned, a.offered, a.worker)
	}
	began := now()
	err := t.value(c, r, -1, a.outcome, a.value, a.owned, a.offered, a.worker)
	took := a.times.timing
	a.times.trip.taken(&took, began, now())
	if timing != nil {
		*timing = took
	}
	if a.times.costs != nil {
		c.taken(a.times.costs, 1, took.Pickup, took.DecodeResult)
	}
	return err
}

// pop takes the first task off a span: it sets *r to its result, or returns its error. item is what the worker said, if one answered.
func (t *reading[R]) pop(c *core, s *span, r *R) (item wire.Result, err error) {
	index := s.first
	s.first++
	s.n--
	if s.err != nil {
		var zero R
		*r = zero
		return item, s.err
	}
	item, s.items, _ = wire.CutResult(s.items) // the frame was checked
	var with *offered
	if s.offers != nil {
		with = s.offers[index]
	}
	return item, t.value(c, r, index, item.Outcome, item.Value, s.owned, with, s.worker)
}

// popEach is pop for the first tasks of a span at once, as far as they are ordinary values of a type for which that is possible: it sets the first of
// rs, and returns how many. It is 0 where the next task is one for pop.
func (t *reading[R]) popEach(s *span, rs []R) int {
	if s.err != nil || s.offers != nil { // what came with one of them is to be let go of
		return 0
	}
	n, size := t.results.DecodeEach(s.items, rs[:min(s.n, len(rs))])
	s.first += n
	s.n -= n
	s.items = s.items[size:]
	return n
}

// endedBy reports whether err is what a task made of the end of ctx. The deadline ends the task's context in the worker too, and the task's
// answer may be here before the parent's own timer has fired.
func endedBy(ctx context.Context, err error) bool {
	if err == nil || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		return false
	}
	if due, ok := ctx.Deadline(); ok && !time.Now().Before(due) {
		<-ctx.Done() // at once
	}
	return ctx.Err() != nil
}

// timed adds the time since start to one of the pool's clocks, and returns it.
func timed(clock interface{ Add(int64) int64 }, start time.Time) (took time.Duration) {
	took = time.Since(start)
	clock.Add(int64(took))
	return took
}
