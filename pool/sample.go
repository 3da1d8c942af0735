package pool

import (
	"reflect"
	"sync/atomic"
	"time"

	"github.com/procpool/procpool/internal/registry"
	"github.com/procpool/procpool/wire"
)

// A pool that is observed asks its workers about single tasks, as Timed does, without their callers having asked. It is batches that it asks about: what is true of tasks that travel
// together would not be of one that was sent alone to be measured. They are chosen when a worker gets them, at a bounded rate: each task of a batch counts, so that after a long one there is
// none for a while. Tasks that take long are all chosen.

const (
	samplesPerSecond = 200
	sampleBurst      = 200

	// longTask is what a task usually takes, from which on all that travel alone are chosen.
	longTask = 10 * time.Millisecond

	// sampledOfFrame is of how many tasks of one frame the times are looked at.
	sampledOfFrame = 64
)

// sampler says which tasks are asked about. Under core.mu.
type sampler struct {
	credit   time.Duration // 1/samplesPerSecond of a second for each task; below 0 while more was spent
	credited time.Time

	observers atomic.Int32 // WithInsights, and who has called Observe and not stopped
	wanting   atomic.Bool  // a call that is submitted now will be asked about
}

// observed reports whether somebody observes the pool.
func (c *core) observed() bool { return c.figures.sampler.observers.Load() > 0 }

// sampleLocked chooses a batch that a worker is about to get, or does not.
func (c *core) sampleLocked(b *batch) {
	s := &c.figures.sampler
	if s.observers.Load() == 0 || b.from == nil {
		return
	}
	const price, most = time.Second / samplesPerSecond, sampleBurst * time.Second / samplesPerSecond
	s.credit = min(s.credit+b.sent.Sub(s.credited), most)
	s.credited = b.sent
	if b.n > 1 || c.speedOf(b).usual < longTask {
		if s.credit < price {
			s.wanting.Store(false)
			return
		}
		s.credit -= price * time.Duration(b.n)
	}
	s.wanting.Store(s.credit >= price)
	b.head.Flags |= wire.WantTiming
	if b.travel == nil {
		b.travel = &travel{}
	}
	b.travel.sampled = true
	if b.lent != nil {
		b.travel.lent = append([]byte(nil), b.lent[:min(len(b.lent), keptArg)]...) // while it is certainly there
	}
}

// stages are what is known of the sampled tasks of a function: sums, and of how many tasks. Under core.mu.
type stages struct {
	sum     Timing
	n       int
	encoded int           // of these, how many EncodeArg is known of
	taken   int           // tasks of which it is known how they were taken
	pickup  time.Duration // of those
	decode  time.Duration
}

// mean returns the mean of each stage.
func (s *stages) mean() (t Timing) {
	from, to := reflect.ValueOf(&s.sum).Elem(), reflect.ValueOf(&t).Elem()
	for i := range from.NumField() {
		if s.n > 0 {
			to.Field(i).SetInt(from.Field(i).Int() / int64(s.n))
		}
	}
	t.EncodeArg = s.sum.EncodeArg / time.Duration(max(s.encoded, 1))
	t.Pickup, t.DecodeResult = s.pickup/time.Duration(max(s.taken, 1)), s.decode/time.Duration(max(s.taken, 1))
	return t
}

// add adds a task that stands for n.
func (s *stages) add(t *Timing, n int) {
	s.n += n
	if t.EncodeArg > 0 {
		s.encoded += n
	}
	to, from := reflect.ValueOf(&s.sum).Elem(), reflect.ValueOf(t).Elem()
	for i := range to.NumField() {
		to.Field(i).SetInt(to.Field(i).Int() + int64(n)*from.Field(i).Int())
	}
}

// sampleOf is a task of a frame that was looked at.
type sampleOf struct {
	offset int
	timing Timing
	result wire.Result
}

// sampled writes down what the frame tells of n tasks of a sampled batch from offset from on. It is called by the goroutine that answers for the proc, after endTrip and
// before anybody gets the results.
func (c *core) sampled(b *batch, from, n int, items []byte, ended time.Time) {
	if !tellsCost(items) {
		n = min(n, 1) // what each took is not known
	}
	each := (n + sampledOfFrame - 1) / sampledOfFrame
	seen := make([]sampleOf, 0, sampledOfFrame)
	args := b.tail(from)
	for offset := from; offset < from+n; offset++ {
		r, rest, ok := wire.CutResult(items)
		if !ok {
			break // the frame was checked
		}
		items = rest
		size := len(args) + len(b.lent)
		if b.lent == nil {
			size = max(wire.SkipItems(args, 1), 0)
			args = args[size:]
		}
		if (offset-from)%each == 0 {
			seen = append(seen, sampleOf{offset, b.travel.trip.timing(b.stampAt(offset), &r, itemBytes(size)), r})
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.costsOf(b)
	for i := range seen {
		s := &seen[i]
		weight := min(each, from+n-s.offset)
		f.stages.add(&s.timing, weight)
		if s.timing.Exec > 0 {
			f.run.add(s.timing.Exec, weight)
			c.figures.slowLocked(c, b, s.offset, ended, &s.timing, s.result, nil)
		}
	}
}

// stampAt is when the argument of a sampled task was encoded, as far as that is known.
func (b *batch) stampAt(offset int) (s stamp) {
	switch {
	case b.calls != nil:
		return b.calls[offset].stamp
	case len(b.travel.stamps) > offset:
		return b.travel.stamps[offset]
	}
	s.made = max(b.travel.trip.given-moment(b.waited()), 1)
	if j, ok := b.from.(*job); ok {
		if usual := j.encodeTime.Load(); usual > 0 {
			s.began = s.made - moment(usual)
		}
	}
	return s
}

// taken writes down how n sampled tasks were taken by those who waited for them.
func (c *core) taken(f *costs, n int, pickup, decode time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.stages.taken += n
	f.stages.pickup += pickup * time.Duration(n)
	f.stages.decode += decode * time.Duration(n)
}

// tell tells the pool how the task was taken that has just been taken off a span.
func (s *span) tell(c *core) {
	if s.sampled && s.batch != nil {
		c.taken(s.batch.speed.costs, 1, s.trip.decoding.since(s.trip.received), s.trip.decoded.since(s.trip.decoding))
	}
}

// takenTogether tells the pool how the tasks of a span were taken, all of them from one moment to another.
func (s *span) takenTogether(c *core, began, ended moment) {
	if s.trip == nil || s.trip.received == 0 {
		return
	}
	each := ended.since(began) / time.Duration(s.n)
	c.taken(s.batch.speed.costs, s.n, began.since(s.trip.received)+each*time.Duration(s.n-1)/2, each)
}

// Observe has the pool ask its workers about single tasks, as WithInsights does, until stop is called: for those who look at Insights only now and then, such as a monitor
// while somebody watches it. Any number may observe a pool at the same time. stop may be called more than once; it does not keep the pool from being collected.
func (p *Pool) Observe() (stop func()) {
	c := p.core
	c.observe(1)
	var once atomic.Bool
	return func() {
		if once.CompareAndSwap(false, true) {
			c.observe(-1)
		}
	}
}

func (c *core) observe(n int32) {
	c.mu.Lock() // sampleLocked sets wanting as well
	defer c.mu.Unlock()
	s := &c.figures.sampler
	s.wanting.Store(s.observers.Add(n) > 0)
}

// typeNames are those of a function's argument and result.
type typeNames struct{ arg, result string }

// typesOf returns what errors call the types of a function.
func typesOf(fn string) typeNames {
	if t, ok := registry.TypesOf(fn); ok && t.Arg != nil && t.Result != nil {
		return typeNames{t.Arg.String(), t.Result.String()}
	}
	return typeNames{"another type", "another type"}
}
