package pool

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"time"

	"github.com/procpool/procpool/worker"
)

// Map runs fn with each of args on the workers and returns the results in the order of args: Python's map, and starmap with worker.Pack2. It
// runs every item even if some fail; a failed item is the zero value, and the error is then Errors, one *TaskError for each. len(results) is always
// len(args). An argument that is itself a []byte or string of more than 64 KiB is sent from where it is: it must not be changed before Map returns.
//
// When ctx ends, or the pool is closed, Map returns the results that it has, and an error that Is the cause and As Errors for the items that
// had failed before.
func Map[A, R any](ctx context.Context, p *Pool, fn worker.Func[A, R], args []A, opts ...CallOption) ([]R, error) {
	defer runtime.KeepAlive(p)
	m, err := newMapper(ctx, p, fn, args, opts, "Map")
	if err != nil {
		return m.results, err
	}
	defer m.leave()
	return m.results, m.run()
}

// GoMap is Map that returns at once: Python's map_async and starmap_async. args must not be changed until the Future is answered.
// Cancel withdraws what has not started. The value of a failed Future is what Map would have returned.
func GoMap[A, R any](ctx context.Context, p *Pool, fn worker.Func[A, R], args []A, opts ...CallOption) *Future[[]R] {
	ctx, cancel := context.WithCancel(ctx)
	m, err := newMapper(ctx, p, fn, args, opts, "GoMap")
	f := &Future[[]R]{}
	f.call.core, f.call.pool, f.call.terms = p.core, p, &terms{halt: cancel}
	go func() { // ends with the Map
		defer cancel()
		if err != nil {
			f.settle(m.results, err)
			return
		}
		defer func() {
			if !m.over {
				culprit := "a method of an argument"
				if m.cfg.progress != nil {
					culprit = "Progress"
				}
				err = callbackError(culprit, recover())
			}
			m.leave()
			f.settle(m.results, err)
		}()
		err = m.run()
	}()
	return f
}

const (
	// mapAhead is how many tasks and bytes Map keeps before the workers: enough for them never to wait, little enough that
	// an enormous slice is not encoded all at once.
	mapAhead      = 32 << 10
	mapAheadBytes = 64 << 20
)

// mapper is one Map: it feeds and consumes in the caller's goroutine, turn by turn.
type mapper[A, R any] struct {
	typed[A, R]
	job     *job
	cfg     callConfig
	args    []A
	results []R
	meter   *meter
	trail   *trail
	cause   error // why the Map ended before its time
	err     error // what it returns

	next   int // the first argument that is not submitted
	done   int // items that are answered
	failed Errors
	ended  bool // a task was ended by the end of the context
	over   bool // run has come to its end
	spans  []span
}

// newMapper submits the job; nothing of it is fed yet.
func newMapper[A, R any](ctx context.Context, p *Pool, fn worker.Func[A, R], args []A, opts []CallOption, api string) (m *mapper[A, R], err error) {
	m = &mapper[A, R]{args: args, results: make([]R, len(args))}
	if m.typed, err = newTyped(p, fn); err != nil {
		return m, err
	}
	m.trail = p.core.trace(ctx, api, m.fn, len(args))
	defer func() {
		if err != nil {
			m.trail.end(JobEnd{Err: err}, err, nil)
		}
	}()
	if m.cfg, err = newCallConfig(opts); err != nil {
		return m, err
	}
	if ctx.Err() != nil {
		return m, causeOf(ctx)
	}
	m.configure(&m.cfg)
	m.meter = newMeter(m.cfg.progress, len(args))
	if m.job, err = p.core.newJob(ctx, p, m.fn, &m.cfg, false); err != nil {
		return m, err
	}
	m.job.positional, m.job.trail = m.positional, m.trail
	m.job.total = len(args)
	m.job.calm = !m.cfg.failFast && m.cfg.progress == nil
	return m, nil
}

func (m *mapper[A, R]) run() error {
	for {
		for m.next < len(m.args) && m.next-m.done < mapAhead && m.job.bytes.Load() < mapAheadBytes {
			m.submitChunk()
		}
		if m.next == len(m.args) {
			m.job.closeInput()
		}
		spans, over, cause := m.job.collect(true, m.spans)
		start := time.Now()
		m.place(spans)
		timed(&m.core.decodeTime, start)
		clear(spans)
		m.spans = spans
		if m.trail.waits() {
			m.trail.tell(m.failure)
		}
		if m.cfg.failFast && len(m.failed) > 0 && !over {
			m.core.withdraw(m.job, nil)
			return m.finish(nil)
		}
		m.meter.tell(m.done, len(m.failed), false)
		if m.ended && !over {
			m.core.withdraw(m.job, causeOf(m.job.ctx))
			return m.finish(causeOf(m.job.ctx))
		}
		if over && len(spans) == 0 || cause == nil && m.done == len(m.args) {
			return m.finish(cause)
		}
	}
}

// leave withdraws what is left where a function of the user's has ended the Map by a panic, and returns when args are the caller's again.
func (m *mapper[A, R]) leave() {
	if !m.over {
		m.core.withdraw(m.job, context.Canceled)
		m.job.abandon()
		m.err = errUserCode
	}
	m.job.reclaim()
	m.trail.end(JobEnd{Tasks: m.done, Failed: len(m.failed), Err: m.err}, m.cause, m.failure)
}

// errUserCode is what the tracer is told of a job whose consumer was ended by a function of the user's.
var errUserCode = errors.New("procpool: a function of the caller's panicked or ended its goroutine")

func (m *mapper[A, R]) finish(cause error) error {
	m.job.abandon()
	m.meter.tell(m.done, len(m.failed), true)
	slices.SortFunc(m.failed, func(a, b *TaskError) int { return a.Index - b.Index })
	m.over = true
	if cause == nil && m.ended {
		cause = causeOf(m.job.ctx) // the last task has, and no other was left to be withdrawn
	}
	m.cause, m.err = cause, joinCause(cause, m.failed)
	return m.err
}

// submitChunk encodes as many arguments as one chunk takes and hands them over.
func (m *mapper[A, R]) submitChunk() {
	start, begun := time.Now(), m.next
	defer func() {
		took := timed(&m.core.encodeTime, start)
		m.job.encodeTime.Store(int64(took) / int64(max(m.next-begun, 1)))
	}()
	most := chunkItems
	if m.cfg.chunk > 0 {
		most = m.cfg.chunk * max(1, chunkItems/m.cfg.chunk)
	}
	first, n := m.next, 0
	body := m.job.body()
	for m.next < len(m.args) && n < most && len(body) < chunkBytes {
		together := m.args[m.next:min(m.next+most-n, len(m.args))]
		out, k, over := m.appendEach(body, together)
		body = out
		n += k
		m.next += k
		if over {
			break
		}
		if k > 0 {
			continue
		}
		out, lent, err := m.lendItem(body, m.next, &m.args[m.next])
		if err != nil {
			m.job.refuse(m.next, err)
			m.next++
			break // the indexes of a chunk are consecutive
		}
		if n > 0 && (lent != nil || len(out)-len(body) > chunkBytes) {
			m.pack.drop()
			break // a long one travels alone; it is encoded again
		}
		body = out
		m.job.carry(m.next, m.pack.take())
		n++
		m.next++
		if lent != nil {
			m.job.submit(first, n, body, lent)
			return
		}
	}
	if n > 0 {
		m.job.submit(first, n, body, nil)
	}
}

// place puts results where they belong.
func (m *mapper[A, R]) place(spans []span) {
	for _, s := range spans {
		m.job.bytes.Add(-s.size())
		whole := s
		var began moment
		if s.sampled {
			began = now()
		}
		for s.n > 0 {
			if n := m.popEach(&s, m.results[s.first:]); n > 0 {
				m.done += n
				continue
			}
			index := s.first
			_, err := m.pop(m.core, &s, &m.results[index])
			m.done++
			if err != nil {
				m.fail(err)
			}
		}
		if whole.sampled {
			whole.takenTogether(m.core, began, now())
		}
		m.job.consumed(&whole)
	}
}

// fail takes the error of one item.
func (m *mapper[A, R]) fail(err error) {
	if endedBy(m.job.ctx, err) {
		m.ended = true
	} else if task, ok := err.(*TaskError); ok {
		m.failed = append(m.failed, task)
	}
}

// meter tells a Progress function how a job gets on, at most ten times a second.
type meter struct {
	f     func(done, failed, total int)
	total int
	last  time.Time
	told  [2]int
}

const meterPeriod = 100 * time.Millisecond

func newMeter(f func(done, failed, total int), total int) *meter {
	return &meter{f: f, total: total, told: [2]int{-1, -1}}
}

func (m *meter) tell(done, failed int, end bool) {
	if m.f == nil {
		return
	}
	now := time.Now()
	if !end && now.Sub(m.last) < meterPeriod || m.told == [2]int{done, failed} {
		return
	}
	m.last, m.told = now, [2]int{done, failed}
	m.f(done, failed, m.total)
}
