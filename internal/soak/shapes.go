//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/procpool/procpool/pool"
)

// A shape is a way of submitting tasks.
type shape struct {
	name   string
	weight int
	run    func(r *round, rng *rand.Rand)
}

var shapes = []shape{
	{"Call", 30, (*round).call},
	{"Go", 15, (*round).futures},
	{"Map", 10, (*round).mapped},
	{"GoMap", 8, (*round).goMapped},
	{"Stream", 10, (*round).stream},
	{"StreamUnordered", 10, (*round).unordered},
	{"Results", 10, (*round).results},
	{"Broadcast", 4, (*round).broadcast},
	{"quick Call", 4, (*round).quick},
	{"Go of bytes", 6, (*round).lent},
	{"Map of bytes", 4, (*round).lentMap},
	{"Share", 8, (*round).share},
}

// pick draws one of all by weight.
func pick[T any](rng *rand.Rand, all []T, weight func(T) int) T {
	total := 0
	for _, one := range all {
		total += weight(one)
	}
	n := rng.IntN(total)
	for _, one := range all {
		if n -= weight(one); n < 0 {
			return one
		}
	}
	panic("unreachable")
}

// A job is one call: what is said about it, and what may come of its tasks.
type job struct {
	ctx     context.Context
	cancel  context.CancelFunc
	opts    []pool.CallOption
	terms   terms
	limited bool
	soft    bool
	stopAt  int // break after so many results, or let the input panic; -1 for never
	words   []string
}

func (j *job) add(words string, o pool.CallOption) {
	j.words = append(j.words, words)
	j.opts = append(j.opts, o)
}

func (r *round) newJob(rng *rand.Rand, many bool) *job {
	j := &job{stopAt: -1, terms: terms{attempts: r.set.attempts, soft: r.set.soft}}
	j.ctx, j.cancel = context.WithCancel(context.Background())
	switch d := millis(rng, 0, 150); rng.IntN(12) {
	case 0:
		j.terms.withdraws = true
		j.words = append(j.words, fmt.Sprintf("cancelled after %v", d))
		time.AfterFunc(d, j.cancel)
	case 1:
		j.terms.withdraws = true
		j.words = append(j.words, fmt.Sprintf("a deadline of %v", d))
		j.ctx, j.cancel = context.WithTimeout(context.Background(), d)
	}
	switch rng.IntN(8) {
	case 0:
		j.limited, j.terms.limited = true, true
		d := millis(rng, 150, 400)
		j.add(fmt.Sprintf("Timeout(%v)", d), pool.Timeout(d))
	case 1:
		j.soft, j.terms.soft = true, true
		d := millis(rng, 50, 150)
		j.add(fmt.Sprintf("SoftTimeout(%v)", d), pool.SoftTimeout(d))
	}
	j.drawRetries(rng)
	if oneIn(rng, 6) {
		key := fmt.Sprint(rng.IntN(5))
		j.add(fmt.Sprintf("Key(%s)", key), pool.Key(key))
	}
	if oneIn(rng, 6) {
		n := rng.IntN(3) - 1
		j.add(fmt.Sprintf("Priority(%d)", n), pool.Priority(n))
	}
	if many {
		j.drawMany(rng)
	} else if r.set.queue && oneIn(rng, 2) {
		j.terms.nonBlocking = true
		j.add("NonBlocking()", pool.NonBlocking())
	}
	return j
}

func (j *job) drawRetries(rng *rand.Rand) {
	if oneIn(rng, 5) {
		n := rng.IntN(3)
		j.terms.attempts = n + 1
		j.add(fmt.Sprintf("Retries(%d)", n), pool.Retries(n))
		if oneIn(rng, 2) {
			d := millis(rng, 1, 50)
			j.add(fmt.Sprintf("RetryDelay(%v)", d), pool.RetryDelay(d))
		}
	}
	if oneIn(rng, 6) {
		j.terms.again = true
		j.add("RetryIf()", pool.RetryIf(func(err error) bool { return classify(err) == failed }))
	}
}

func (j *job) drawMany(rng *rand.Rand) {
	if oneIn(rng, 4) {
		n := 1 + rng.IntN(50)
		j.add(fmt.Sprintf("Chunk(%d)", n), pool.Chunk(n))
	}
	if oneIn(rng, 4) {
		n := 1 + rng.IntN(100)
		j.add(fmt.Sprintf("Window(%d)", n), pool.Window(n))
	}
	if oneIn(rng, 12) {
		j.terms.withdraws = true
		j.add("FailFast()", pool.FailFast())
	}
	if oneIn(rng, 5) {
		j.terms.withdraws = true
		j.stopAt = rng.IntN(100)
	}
	if oneIn(rng, 5) {
		j.add("Progress()", pool.Progress(func(done, failed, total int) {
			if failed > done || total >= 0 && done > total {
				panic(fmt.Sprintf("Progress: %d done, %d failed, %d in all", done, failed, total))
			}
		}))
	}
}

// size draws how many tasks a Map or Stream has.
func size(rng *rand.Rand) int {
	switch rng.IntN(8) {
	case 0:
		return rng.IntN(3)
	case 1:
		return 500 + rng.IntN(1500)
	}
	return 3 + rng.IntN(150)
}

// order draws a task and opens its page.
func (r *round) order(rng *rand.Rand, j *job) order {
	k := kinds["nothing"]
	if rng.Float64() < r.rate {
		if k = pick(rng, faulty, func(k *kind) int { return k.weight }); k.limit && !j.limited || k.soft && !j.soft || k.fits != nil && !k.fits(r.set) {
			k = kinds["nothing"]
		}
	}
	if k.name != "nothing" {
		r.soak.fault(k.name)
	}
	if k.after != "" {
		r.book.accident(k.after, j.terms.attempts)
	}
	o := order{ID: r.book.open(k, j.terms), Ledger: r.ledger, Do: k.name}
	if k.load != nil {
		k.load(&o, rng)
	}
	return o
}

// begin notes that a call is being made, for who looks at a hang, and returns what ends it.
func (r *round) begin(name string, j *job) (end func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls[j] = name
	return func() {
		j.cancel()
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.calls, j)
	}
}

// running describes the calls that are being made.
func (r *round) running() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for j, name := range r.calls {
		all = append(all, fmt.Sprintf("%s %v", name, j.words))
	}
	return strings.Join(all, "; ")
}

// record takes down what came of one order.
func (r *round) record(o *order, a answer, err error) {
	what, attempt, text := classify(err), attemptOf(err), ""
	switch {
	case err != nil:
		text = err.Error()
	case a.ID != o.ID || !a.Done || a.Sum != sum(o.Data) || len(a.Data) != o.Size || sum(a.Data) != sum(pattern(o.ID, o.Size)):
		r.complain(wrong, fmt.Sprintf("the result of task %d is that of %d (done %v, %d bytes)", o.ID, a.ID, a.Done, len(a.Data)))
	default:
		attempt = a.Attempt
	}
	if what == broken {
		r.scarce()
	}
	r.book.answer(o.ID, what, attempt, text)
}

func (r *round) call(rng *rand.Rand) {
	j := r.newJob(rng, false)
	defer r.begin("Call", j)()
	o := r.order(rng, j)
	a, err := pool.Call(j.ctx, r.pool, obey, o, j.opts...)
	r.record(&o, a, err)
}

func (r *round) futures(rng *rand.Rand) {
	j := r.newJob(rng, false)
	defer r.begin("Go", j)()
	type pair struct {
		order  order
		told   *atomic.Int32
		future *pool.Future[answer]
	}
	cancels := oneIn(rng, 4)
	j.terms.withdraws = j.terms.withdraws || cancels
	pairs := make([]pair, 1+rng.IntN(30))
	all := make([]*pool.Future[answer], len(pairs))
	for i := range pairs {
		told := new(atomic.Int32)
		pairs[i] = pair{order: r.order(rng, j), told: told}
		pairs[i].future = pool.Go(j.ctx, r.pool, obey, pairs[i].order, j.opts...)
		pairs[i].future.OnDone(func(answer, error) { told.Add(1) })
		all[i] = pairs[i].future
	}
	if cancels {
		time.Sleep(millis(rng, 0, 30))
		for range 1 + len(all)/3 {
			all[rng.IntN(len(all))].Cancel()
		}
	}
	n := 0
	for range pool.AsCompleted(context.Background(), all...) {
		n++
	}
	if n != len(all) {
		r.complain(lost, fmt.Sprintf("AsCompleted yielded %d of %d futures", n, len(all)))
	}
	for _, p := range pairs {
		a, err := p.future.Wait(context.Background())
		r.record(&p.order, a, err)
		if n := p.told.Load(); n != 1 {
			r.complain(duplicated, fmt.Sprintf("OnDone of task %d was called %d times", p.order.ID, n))
		}
	}
}

func (r *round) orders(rng *rand.Rand, j *job) []order {
	orders := make([]order, size(rng))
	for i := range orders {
		orders[i] = r.order(rng, j)
	}
	return orders
}

func (r *round) mapped(rng *rand.Rand) {
	j := r.newJob(rng, true)
	defer r.begin("Map", j)()
	orders := r.orders(rng, j)
	answers, err := pool.Map(j.ctx, r.pool, obey, orders, j.opts...)
	r.settle(orders, answers, err)
}

func (r *round) goMapped(rng *rand.Rand) {
	j := r.newJob(rng, true)
	defer r.begin("GoMap", j)()
	cancels := oneIn(rng, 6)
	j.terms.withdraws = j.terms.withdraws || cancels
	orders := r.orders(rng, j)
	future := pool.GoMap(j.ctx, r.pool, obey, orders, j.opts...)
	if cancels {
		time.Sleep(millis(rng, 0, 50))
		future.Cancel()
	}
	answers, err := future.Wait(context.Background())
	r.settle(orders, answers, err)
}

// settle takes down what a Map has returned.
func (r *round) settle(orders []order, answers []answer, err error) {
	if len(answers) != len(orders) {
		r.complain(lost, fmt.Sprintf("Map of %d returned %d results and %v", len(orders), len(answers), err))
		return
	}
	var failures pool.Errors
	errors.As(err, &failures)
	byIndex := make(map[int]error, len(failures))
	for _, failure := range failures {
		if byIndex[failure.Index] != nil {
			r.complain(duplicated, fmt.Sprintf("Map: index %d failed twice: %v and %v", failure.Index, byIndex[failure.Index], failure))
		}
		byIndex[failure.Index] = failure
	}
	if _, whole := err.(pool.Errors); err != nil && !whole {
		r.cause(err)
	}
	for i := range orders {
		switch failure := byIndex[i]; {
		case failure != nil && answers[i].Done:
			r.complain(duplicated, fmt.Sprintf("Map: index %d has a value and an error: %v", i, failure))
		case failure != nil:
			r.record(&orders[i], answer{}, failure)
		case answers[i].Done:
			r.record(&orders[i], answers[i], nil)
		default:
			r.book.answer(orders[i].ID, withdrawn, 0, fmt.Sprintf("index %d of %d: %v", i, len(orders), err))
		}
	}
}

// cause checks why a call ended before its time.
func (r *round) cause(err error) {
	switch what := ofTheCall(err); what {
	case closed, broken, cancelled, pastDeadline:
		r.scarce()
		if what == closed && !r.book.closing.Load() {
			r.complain(wrong, fmt.Sprintf("the pool is not closed: %v", err))
		}
		if what == broken && !r.book.shaken.Load() {
			r.complain(wrong, fmt.Sprintf("nothing has broken the pool: %v", err))
		}
	default:
		r.complain(wrong, fmt.Sprintf("a call ended with %v", err))
	}
}

var errInput = errors.New("the input's own panic")

// An input is the sequence of a Stream, and who was in it.
type input struct {
	mu     sync.Mutex
	orders []*order
	late   int // read after the consumer has left; -1 until it has
}

// add is called for each order that is read. One may be just being read when the consumer leaves.
func (in *input) add(r *round, o *order) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.orders = append(in.orders, o)
	if in.late < 0 {
		return
	}
	r.book.answer(o.ID, withdrawn, 0, "read while the consumer left")
	if in.late++; in.late > 1 {
		r.complain(wrong, fmt.Sprintf("a Stream read %d more inputs after its consumer had left", in.late))
	}
}

func (in *input) at(i int) *order {
	in.mu.Lock()
	defer in.mu.Unlock()
	if i < 0 || i >= len(in.orders) {
		return nil
	}
	return in.orders[i]
}

// byID is at for what says who it is.
func (in *input) byID(id int) *order {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, o := range in.orders {
		if o.ID == id {
			return o
		}
	}
	return nil
}

// seq is the sequence. It is drawn from a source of its own, since it runs on a goroutine of its own; it may dawdle, or panic.
func (in *input) seq(r *round, rng *rand.Rand, j *job, n, panicAt int) iter.Seq[order] {
	return func(yield func(order) bool) {
		for i := range n {
			if i == panicAt {
				panic(errInput)
			}
			o := r.order(rng, j)
			in.add(r, &o)
			if !yield(o) {
				return
			}
			if oneIn(rng, 100) {
				time.Sleep(millis(rng, 0, 10))
			}
		}
	}
}

// A following is one ranging over a Stream.
type following struct {
	*round
	job  *job
	in   *input
	seq  iter.Seq[order]
	seen map[int]bool // by id
	cut  bool
}

func (r *round) follow(rng *rand.Rand) *following {
	j := r.newJob(rng, true)
	f := &following{round: r, job: j, in: &input{late: -1}, seen: map[int]bool{}}
	n, panicAt := size(rng), -1
	if j.stopAt >= 0 && oneIn(rng, 3) {
		panicAt, j.stopAt = rng.IntN(n+1), -1
	}
	f.seq = f.in.seq(r, fork(rng), j, n, panicAt)
	return f
}

// next takes down one yield; false ends the loop.
func (f *following) next(o *order, a answer, err error) bool {
	if o == nil {
		f.complain(wrong, fmt.Sprintf("a Stream yielded what was not in it: %d, %v", a.ID, err))
		return true
	}
	f.seen[o.ID] = true
	f.record(o, a, err)
	if len(f.seen) == f.job.stopAt {
		f.cut = true
		return false
	}
	return true
}

// last takes down why a sequence ended before its time.
func (f *following) last(err error) {
	if f.cut {
		f.complain(duplicated, fmt.Sprintf("a Stream went on after its end: %v", err))
	}
	f.cut = true
	f.cause(err)
}

// rest takes down what was not yielded. FailFast ends a Stream without a word of its own.
func (f *following) rest() {
	if p := recover(); p != nil && p != errInput {
		panic(p)
	} else if p != nil {
		f.cut = true
		f.soak.fault("input that panics")
	}
	f.job.cancel()
	if !f.cut && !f.job.terms.withdraws {
		return // the book knows who was not answered
	}
	f.in.mu.Lock()
	defer f.in.mu.Unlock()
	f.in.late = 0
	for _, o := range f.in.orders {
		if !f.seen[o.ID] {
			f.book.answer(o.ID, withdrawn, 0, "")
		}
	}
}

// task finds which item an error of a Stream speaks of; nil where it speaks of the whole.
func (f *following) task(err error) (*order, bool) {
	var task *pool.TaskError
	if !errors.As(err, &task) {
		return nil, false
	}
	return f.in.at(task.Index), true
}

func (r *round) stream(rng *rand.Rand) {
	f := r.follow(rng)
	defer r.begin("Stream", f.job)()
	defer f.rest()
	i := 0
	for a, err := range pool.Stream(f.job.ctx, r.pool, obey, f.seq, f.job.opts...) {
		o, aTask := f.task(err)
		switch {
		case err != nil && !aTask:
			f.last(err)
			continue
		case aTask && o != f.in.at(i):
			r.complain(wrong, fmt.Sprintf("a Stream is out of order at %d: %v", i, err))
		}
		if !f.next(f.in.at(i), a, err) {
			break
		}
		i++
	}
}

func (r *round) unordered(rng *rand.Rand) {
	f := r.follow(rng)
	defer r.begin("StreamUnordered", f.job)()
	defer f.rest()
	for a, err := range pool.StreamUnordered(f.job.ctx, r.pool, obey, f.seq, f.job.opts...) {
		o, aTask := f.task(err)
		if err != nil && !aTask {
			f.last(err)
			continue
		}
		if err == nil {
			o = f.in.byID(a.ID)
		}
		if !f.next(o, a, err) {
			break
		}
	}
}

func (r *round) results(rng *rand.Rand) {
	f := r.follow(rng)
	defer r.begin("Results", f.job)()
	defer f.rest()
	for result := range pool.Results(f.job.ctx, r.pool, obey, f.seq, f.job.opts...) {
		if result.Index == endOfSequence {
			f.last(result.Err)
			continue
		}
		if result.Err == nil && result.Attempt != result.Value.Attempt {
			r.complain(wrong, fmt.Sprintf("a result speaks of attempt %d, the task of %d", result.Attempt, result.Value.Attempt))
		}
		if !f.next(f.in.at(result.Index), result.Value, result.Err) {
			break
		}
	}
}

func (r *round) broadcast(rng *rand.Rand) {
	j := r.newJob(rng, false)
	defer r.begin("Broadcast", j)()
	results, err := pool.Broadcast(j.ctx, r.pool, whoami, struct{}{})
	if err != nil && (!j.terms.withdraws || ofTheCall(err) != cancelled && ofTheCall(err) != pastDeadline) {
		r.cause(err)
	}
	slots := map[int]bool{}
	for _, result := range results {
		if slots[result.Slot] && result.Slot >= 0 {
			r.complain(duplicated, fmt.Sprintf("a broadcast ran twice on slot %d", result.Slot))
		}
		slots[result.Slot] = true
		switch {
		case result.Err != nil && err == nil:
			r.book.stray(classify(result.Err), result.Err.Error())
		case result.Err == nil && result.Value != result.PID:
			r.complain(wrong, fmt.Sprintf("a broadcast on %d was answered by %d", result.PID, result.Value))
		}
	}
	r.book.last.Store(time.Now().UnixNano())
}
