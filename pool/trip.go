package pool

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/procpool/procpool/internal/shm"
	"github.com/procpool/procpool/wire"
)

// Timing is what one task cost, and where the time went. Results and Broadcast fill it in for every task, Call and Go where Timed asks for it. It
// costs a task about a microsecond, most of it for CPU, which counts as Held or as Waiting of the next task; tasks that nobody asks about pay nothing.
//
// The twelve stages, from EncodeArg to DecodeResult, follow each other without gap: their sum, Total, is the time from when the argument began to be encoded until its
// result was decoded, less what was spent between (a Future that nobody waits for rests in Pickup). Tasks that travel together share the frame: what one waits
// for another counts as Waiting, Held or Pickup of the one that waits.
//
// Parent and worker read the same clock where they share a page of memory, as they do on Linux. Elsewhere, and with WithCommand, the two ways cannot be told
// apart: Pipe and Held are 0 and Return is the transfer both ways. A worker that tells no times leaves Waiting, DecodeArg, Run and
// EncodeResult 0 as well. Of a task that no worker answered no more is known than EncodeArg and Queued. Where a
// worker died before it sent what it had finished, the way of that is unknown in the same way.
type Timing struct {
	Queued      time.Duration // from its submission until it was sent to a worker; earlier attempts count, where there were any
	Exec        time.Duration // in the worker: decoding, function, encoding
	CPU         time.Duration // CPU time of the worker process meanwhile
	ArgBytes    int           // size of the encoded argument
	ResultBytes int           // size of the encoded result

	// In the parent; then Queued.
	EncodeArg time.Duration // encoding the argument
	Write     time.Duration // until the pipe had taken the frame whole; with a large one, until the worker had read nearly all
	Pipe      time.Duration // until the worker had read it whole: its reader wakes up

	// In the worker.
	Waiting      time.Duration // in the worker's queue, behind the tasks before it
	DecodeArg    time.Duration // decoding the argument
	Run          time.Duration // the function
	EncodeResult time.Duration // encoding the result
	Held         time.Duration // until the worker began to write the frame of the result: results of tiny tasks gather

	// In the parent again.
	Return       time.Duration // the worker's write, the pipe, the parent's read
	Pickup       time.Duration // until whoever waits for the result had woken up and came to it
	DecodeResult time.Duration // decoding the result
}

// Total is the sum of all stages: the round trip.
func (t *Timing) Total() time.Duration {
	return t.EncodeArg + t.Queued + t.Write + t.Pipe +
		t.Waiting + t.DecodeArg + t.Run + t.EncodeResult + t.Held +
		t.Return + t.Pickup + t.DecodeResult
}

// Timed makes Call and Go write into t where the time of the task went, when its result is taken: read t after Call, after Future.Wait or
// in OnDone. Every call needs a t of its own. A task that failed by itself is timed as far as it came. One that no worker answered,
// since its worker died, it was killed or ctx ended, leaves t zero.
//
// Map, GoMap, Stream, StreamUnordered, Results and Broadcast ignore it: Results and Broadcast have the Timing of every task in their Result.
func Timed(t *Timing) CallOption {
	return func(c *callConfig) { c.timing = t }
}

// A moment is a reading of shm.Clock; 0 for none.
type moment int64

func now() moment { return moment(shm.Clock()) }

func (m moment) since(before moment) time.Duration {
	return time.Duration(max(0, m-before))
}

// momentOf is a time, as Go's own clock tells it, as a moment.
func momentOf(t time.Time) moment { return moment(shm.At(t)) }

// between returns the middle of two moments, of which either may be none.
func between(a, b moment) moment {
	if a == 0 || b == 0 {
		return a + b
	}
	return a + (b-a)/2
}

// stamp is when the argument of a task began to be encoded, and when the task was submitted. began is zero where nobody asks, made where the task did not wait either.
type stamp struct{ began, made moment }

// trip is the moments of a batch's way; all zero where nobody asks.
type trip struct {
	given   moment // to the outbox
	written moment // the pipe had taken it

	// Of the frame that answered it, or some of its tasks.
	arrived  moment // at the worker, by the worker's word; 0 where its clock is another
	sent     moment // by the worker; likewise
	received moment // by the parent

	// Of a span: the task that was taken off it last began to be decoded, and was.
	decoding, decoded moment
}

// times is what is known of a call's times when its result is in the parent.
type times struct {
	timing Timing
	trip   trip
	costs  *costs // where the pool writes down how the task is taken; nil where it did not ask
}

// travel is what is known of the way of a batch's tasks.
type travel struct {
	stamps  []stamp      // of a job's tasks, one for each; nil where it is the pool that asks
	sampled bool         // the pool asks: see sampleLocked
	lent    []byte       // then: the beginning of the caller's memory
	trip    trip         // given under core.mu; the rest is of the goroutine that answers for the proc, and of the frame that came last
	written atomic.Int64 // a moment: of the outbox
}

// stampsOf returns the stamps of the tasks from up to to.
func (b *batch) stampsOf(from, to int) []stamp {
	if b.travel == nil || b.travel.stamps == nil {
		return nil
	}
	return b.travel.stamps[from:to:to]
}

// tripNow returns the way of the tasks that the frame answers which came last, nil where nobody asks.
func (b *batch) tripNow() *trip {
	if b.travel == nil {
		return nil
	}
	t := b.travel.trip // the next frame changes it
	return &t
}

// tripOut returns the way out alone.
func (b *batch) tripOut() *trip {
	if b.travel == nil {
		return nil
	}
	return &trip{given: b.travel.trip.given}
}

// beginTrip notes that a worker is given the batch, and has the outbox note when it has left. size is that of the frame, which is queued next.
func (b *batch) beginTrip(out *outbox, size int) {
	if b.travel != nil {
		b.travel.trip = trip{given: now()}
		b.travel.written.Store(0)
		out.mark(size, &b.travel.written)
	}
}

// endTrip notes that results of the batch have come. It is called by the goroutine that answers for the proc.
func (b *batch) endTrip(head *wire.ResultsHead, shared bool) {
	if b.travel == nil {
		return
	}
	t := &b.travel.trip
	t.received, t.arrived, t.sent = now(), 0, 0
	t.written = moment(b.travel.written.Load())
	if shared && head.Arrived > 0 && head.Sent > 0 {
		// What cannot be is cut to what can: the clock is the worker's word. And the worker may have read the frame before the parent's write returned.
		t.arrived = min(max(moment(head.Arrived), t.given), t.received)
		t.sent = min(max(moment(head.Sent), t.arrived), t.received)
	}
	limit := t.received
	if t.arrived > 0 {
		limit = t.arrived
	}
	if t.written == 0 || t.written > limit {
		t.written = limit
	}
}

// timing is what is known when the result is in the parent.
func (t *trip) timing(s stamp, item *wire.Result, argBytes int) Timing {
	out := Timing{ArgBytes: argBytes, ResultBytes: len(item.Value)}
	cost, told := item.Cost()
	elapsed := t.received.since(t.given)
	cost.Exec = min(cost.Exec, elapsed) // the worker's word
	out.Exec, out.CPU = cost.Exec, min(cost.CPU, elapsed*time.Duration(runtime.NumCPU()))
	if s.made > 0 && t.given > 0 {
		out.Queued = t.given.since(s.made)
		if s.began > 0 {
			out.EncodeArg = s.made.since(s.began)
		}
	}
	if t.received == 0 {
		return out
	}
	out.Write = t.written.since(t.given)
	left := t.received.since(t.written)
	spend := func(d time.Duration) time.Duration {
		d = min(max(d, 0), left)
		left -= d
		return d
	}
	if t.arrived > 0 {
		out.Pipe = spend(t.arrived.since(t.written))
	}
	if told {
		out.Waiting = spend(cost.Waiting)
		out.DecodeArg = spend(cost.Decode)
		out.Run = spend(cost.Exec - cost.Decode - cost.Encode)
		out.EncodeResult = spend(cost.Encode)
	}
	if t.sent > 0 {
		out.Held = spend(left - t.received.since(t.sent))
	}
	out.Return = left
	return out
}

// timing is what is known of one task of a span that has just been decoded.
func (s *span) timing(index int, item *wire.Result) Timing {
	if s.trip == nil {
		return Timing{}
	}
	out := s.trip.timing(s.batch.travel.stamps[index-s.batch.head.First], item, s.argBytes)
	s.trip.taken(&out, s.trip.decoding, s.trip.decoded)
	return out
}

// taken completes what is known of a task whose result has been decoded.
func (t *trip) taken(out *Timing, began, ended moment) {
	if t.received > 0 {
		out.Pickup, out.DecodeResult = began.since(t.received), ended.since(began)
	}
}

// mark is where a frame ends in what an outbox writes, and where to note when that has left.
type mark struct {
	end int64
	at  *atomic.Int64
}

// mark has noted when the frame that is queued next, of so many bytes, has been written.
func (o *outbox) mark(size int, at *atomic.Int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ended {
		o.marks = append(o.marks, mark{o.added + int64(size), at})
	}
}

// passMarksLocked notes what has been written. It is called after each write.
func (o *outbox) passMarksLocked() {
	for len(o.marks) > 0 && o.written.Load() >= o.marks[0].end {
		o.marks[0].at.Store(shm.Clock())
		o.marks[0] = mark{} // the array lives on
		o.marks = o.marks[1:]
	}
}
