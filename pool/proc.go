package pool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/procpool/procpool/internal/blob"
	"github.com/procpool/procpool/internal/cgroup"
	"github.com/procpool/procpool/internal/shm"
	"github.com/procpool/procpool/internal/spin"
	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

// child is a process as the pool sees it: one of the operating system, or the pretence of one inside the parent.
type child interface {
	PID() int
	Wire() io.Reader         // what the worker sends
	Pipe() pipe              // what it is sent
	Exited() <-chan struct{} // closed when it has ended and is reaped
	State() *os.ProcessState // after Exited; nil where there is none
	Bound(d time.Duration)   // makes reads of Wire fail that would wait longer than d from now; 0 lifts it
	Kill()
	Signal(os.Signal)
	Quit()  // makes it write down what it is doing, as far as it can, and end
	Close() // frees what the parent holds of it, after Exited
}

// proc is one worker process, one incarnation of a slot.
//
// Its goroutines: recv, the reader (ends when the wire does, buries the proc); outbox.run, the writer of what has to
// wait (ends when the outbox does); watch (ends with the process); two pumps of the output (end with their
// pipes). A leaving proc has farewell besides.
type proc struct {
	core   *core
	slot   *slot // of a spare its place, until a slot takes it, under core.mu
	child  child
	group  *cgroup.Group // nil if it has none of its own
	page   *shm.Page     // nil if the worker sees none
	in     *wire.Reader
	out    *outbox
	text   *capture // what it wrote to standard error, and where tasks began in it
	path   string
	cookie string
	hello  wire.HelloBody

	link   blob.Link // nil where there is none
	offers int       // of recv: shared memory that came for results which have not come yet

	saidBye bool         // of recv
	noise   throttle     // of recv
	weighed time.Time    // of who takes results: when its memory was last measured
	read    atomic.Int64 // bytes that came from it
	telling atomic.Bool  // recv is in the user's logger, and reads nothing

	fat          int64 // memory from which on it is renewed; 0 for none
	inheritedRSS int64 // peak memory of this process when it was started: see maxRSS

	spinner spin.Spinner // of who waits for the page
	reading sync.RWMutex // held by who waits for the page, without core.mu
	deaf    bool         // nobody may any more

	gone  chan struct{} // closed when it is buried: reaped, accounted for
	renew chan struct{} // closed when a replacement is wanted

	// Under core.mu.
	greeted  bool // it has been told Welcome: it reads
	ready    bool
	inspect  inspections
	hoard    int                     // its place among the hoarders, from 1 on; 0 where it is none
	heard    time.Time               // when it last answered something, or got the first batch of those that are in flight
	dirty    bool                    // is in core.dirty
	reserve  bool                    // was a spare
	inflight []*batch                // in the order in which they were sent; the worker answers in this order
	fetched  map[blob.Token]struct{} // shared memory that it may have mapped
	lastID   uint64
	received uint64 // bytes of ring items that came by the pipe
	quota    int    // tasks that it may still be given; counts only where tasks are limited
	tasks    int    // tasks started, as far as results tell
	retiring bool   // gets no more tasks; a replacement is being started
	replaced bool   // the replacement is there
	leaving  bool   // gets no more tasks and will be told to stop
	bye      bool   // announced that it leaves
	heart    heart
	life     life
	watchdog watchdog
	overdue  *overdue
	noticed  int64      // when the running task was announced, by shm.Clock; from a worker without a page
	recalls  int        // Recalls that are not answered
	killed   bool       // by the pool
	reason   ExitReason // why the pool ended it; "" if it did not
	cause    error      // what made the pool kill it
	parting  ExitReason // what reason was when KillWorker struck
	quiet    chan struct{}
	pending  *batch // an initializer or finalizer is in flight: who waits for it
	verdict  chan error
	stopSent bool
	started  time.Time
	head     []byte // memory for the next frame's header and head
	mark     int64  // position in standard error where the running task began, as far as the parent can tell
}

// drainTime is how long the parent reads on after a process has ended. What the process wrote is there already; the bound is for
// a grandchild that holds the pipe open.
const drainTime = 250 * time.Millisecond

// dyingTime is how long a process may take to die once it has begun to: on a loaded machine its descriptors are closed long before
// it can be waited for.
const dyingTime = 10 * time.Second

// watch bounds the reading once the process has ended. One goroutine of each proc.
func (p *proc) watch() {
	<-p.child.Exited()
	p.core.mu.Lock()
	p.diedLocked(time.Now())
	p.core.mu.Unlock()
	p.child.Bound(drainTime)
}

// recv reads what the worker sends until the wire ends, then buries the proc. It never waits for anything but the wire. One
// goroutine of each ready proc.
func (p *proc) recv() {
	defer p.core.procs.Done()
	err := p.listen()
	if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, os.ErrClosed) {
		p.kill(ReasonProtocol, err)
	}
	p.awaitExit(err)
	p.core.bury(p)
}

// awaitExit waits until the process has ended. A wire that ended before the process did cannot be used any more.
func (p *proc) awaitExit(err error) {
	for range dyingTime / drainTime {
		select {
		case <-p.child.Exited():
			return
		case <-time.After(drainTime):
		}
		if p.core.cfg.inline || !dying(p.child.PID()) {
			break
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = &wire.ProtocolError{Reason: "the worker closed its end of the wire and lives"}
	}
	p.kill(ReasonProtocol, err)
	<-p.child.Exited()
}

func (p *proc) listen() error {
	for {
		f, err := p.in.Next()
		if err != nil {
			return err
		}
		if err := p.handle(f); err != nil {
			return err
		}
	}
}

func (p *proc) handle(f wire.Frame) error {
	if f.Kind != wire.Log && f.Kind != wire.Finding && p.hasLeft() {
		return illegal(f, "it came after Bye")
	}
	switch f.Kind {
	case wire.Results:
		return p.results(f)
	case wire.Started:
		return p.startedNotice(f)
	case wire.Recalled:
		return p.recalledNotice(f)
	case wire.Report:
		p.noise.pass(len(f.Payload))
		p.report(f)
		return nil
	case wire.Log:
		p.noise.pass(len(f.Payload))
		p.record(f)
		return nil
	case wire.Beat:
		return p.beatNotice()
	case wire.Bye:
		return p.byeNotice()
	case wire.Fetch:
		return p.fetchNotice(f)
	case wire.Offer:
		return p.offerNotice(f)
	case wire.Finding:
		return p.finding(f)
	default:
		return illegal(f, "it is not legal now")
	}
}

func illegal(f wire.Frame, format string, args ...any) error {
	return &wire.ProtocolError{Reason: fmt.Sprintf("%v: %s", f.Header, fmt.Sprintf(format, args...))}
}

// results takes a Results frame: counts it, gives the worker more to do, then hands the results to who waits for them.
func (p *proc) results(f wire.Frame) error {
	head, items, err := wire.ParseResultsHead(f.Payload)
	if err != nil {
		return err
	}
	n := int(f.Count)
	failed, err := wire.CheckResults(items, n)
	if err != nil {
		return err
	}
	m := p.measure(f)
	c := p.core
	c.mu.Lock()
	b, err := p.matchLocked(f)
	if err != nil {
		c.mu.Unlock()
		return err
	}
	from := b.got
	hook := p.acceptLocked(b, &head, items, n, failed)
	heard := p.heard
	if !hook {
		p.renewIfFatLocked(m)
	}
	p.answeredLocked()
	c.refillLocked(p)
	c.unlock()
	if offers := b.countOffers(from, n); offers > 0 {
		p.offers -= offers // by the pipe alone, and so of recv
	}
	if hook {
		p.hookDone(items)
		b.dropOffers()
		return nil
	}
	b.endTrip(&head, p.page != nil)
	if b.sampled() {
		c.sampled(b, from, n, items, heard)
	}
	b.from.deliver(b, from, n, items, f.Owned)
	return nil
}

// acceptLocked counts n answers to b, and reports whether that is an initializer or finalizer.
func (p *proc) acceptLocked(b *batch, head *wire.ResultsHead, items []byte, n, failed int) (hook bool) {
	c := p.core
	from := b.got
	b.got += n
	p.hushLocked(b)
	p.received += ringBytes(items, n)
	p.tasks += n
	p.heard = time.Now()
	p.mark = p.text.position()
	b.leg.acceptLocked(head, items, n, failed)
	c.stats.BytesReceived += int64(len(items)) + wire.HeaderSize
	if b == p.pending {
		return true
	}
	if failed > 0 && b.head.Soft > 0 {
		c.stats.TimedOut += countOverdue(items, n)
	}
	failed = c.countLocked(b, from, n, failed)
	c.speedOf(b).add(head.Exec, n)
	p.noteLocked(b, from, n, failed, head.Exec, items)
	return false
}

// matchLocked finds the batch that a Results frame answers: the oldest that is not answered.
func (p *proc) matchLocked(f wire.Frame) (*batch, error) {
	if len(p.inflight) == 0 || p.inflight[0].id != f.ID {
		return nil, illegal(f, "no such batch is to be answered now")
	}
	b := p.inflight[0]
	switch {
	case f.Count == 0:
		return nil, illegal(f, "no results")
	case int(f.Arg) != b.got:
		return nil, illegal(f, "offset %d is to be answered next", b.got)
	case int(f.Count) > b.limit-b.got:
		return nil, illegal(f, "only %d tasks are to be answered", b.limit-b.got)
	}
	return b, nil
}

// dropAnsweredLocked takes the batches off the list that need no answer any more, since they were taken back.
func (p *proc) dropAnsweredLocked() {
	if had := len(p.inflight) > 0; p.shortenLocked() && had {
		p.restLocked(time.Now())
	}
}

// answeredLocked is dropAnsweredLocked where an answer has come.
func (p *proc) answeredLocked() {
	if p.shortenLocked() {
		p.restLocked(p.heard)
	}
}

// shortenLocked takes the batches off the list that need no answer any more, and reports whether none is left.
func (p *proc) shortenLocked() bool {
	for len(p.inflight) > 0 && p.inflight[0].got >= p.inflight[0].limit {
		p.inflight[0].leg.endLocked()
		p.inflight = slices.Delete(p.inflight, 0, 1)
	}
	if len(p.inflight) == 0 && p.quiet != nil {
		close(p.quiet)
		p.quiet = nil
	}
	return len(p.inflight) == 0
}

// startedNotice notes which task runs in a worker that shares no page.
func (p *proc) startedNotice(f wire.Frame) error {
	c := p.core
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.page != nil {
		return illegal(f, "this worker has a page")
	}
	if len(p.inflight) == 0 || p.inflight[0].id != f.ID || int(f.Arg) != p.inflight[0].got || int(f.Arg) >= p.inflight[0].limit {
		return illegal(f, "that task is not the next")
	}
	p.inflight[0].started = int(f.Arg) + 1
	p.noticed = shm.Clock()
	p.mark = p.text.position()
	return nil
}

// recalledNotice takes back what a worker without a page has agreed not to start.
func (p *proc) recalledNotice(f wire.Frame) error {
	c := p.core
	c.mu.Lock()
	defer c.unlock()
	if p.recalls == 0 {
		return illegal(f, "nobody asked")
	}
	p.recalls--
	for _, b := range p.inflight {
		if b.id == f.ID && b.recalling {
			b.recalling = false
			p.takeBackLocked(b, max(int(f.Arg), b.got, b.started))
			break
		}
	}
	p.dropAnsweredLocked()
	c.refillLocked(p)
	c.pumpLocked() // what came back may be for others
	return nil
}

// takeBackLocked returns the tasks of b from offset from on to where they came from.
func (p *proc) takeBackLocked(b *batch, from int) {
	if from >= b.limit {
		return
	}
	if b.from != nil { // a hook goes nowhere else
		b.from.putBack(b, from)
	}
	if p.quota >= 0 {
		p.quota += b.limit - from
	}
	b.limit = from
}

// recallLocked takes back what has not started of b, from offset from on. A worker without a page is asked.
func (p *proc) recallLocked(b *batch, from int) {
	if from >= b.limit || b.recalling {
		return
	}
	if p.page != nil {
		p.takeBackLocked(b, max(from, p.page.Recall(b.id, from))) // whatever the worker has written there
		return
	}
	b.recalling = true
	p.recalls++
	p.sendLocked(wire.AppendControl(nil, wire.Recall, b.id, uint32(from), nil))
}

// recallAllLocked takes back all that has not started.
func (p *proc) recallAllLocked() {
	for _, b := range slices.Clone(p.inflight) {
		p.recallLocked(b, b.got)
	}
}

// startedLocked returns how many tasks of b have started, as far as can be known.
func (p *proc) startedLocked(b *batch) int {
	if p.page != nil {
		return min(max(p.page.Started(b.id), b.got), b.limit) // the page may claim less than the worker has answered
	}
	return max(b.started, b.got)
}

// cancelLocked ends a task that nobody waits for any more. What stands behind it in its batch goes elsewhere.
func (p *proc) cancelLocked(b *batch, offset int) {
	if offset < b.got || offset >= b.limit {
		return
	}
	p.recallLocked(b, offset)
	if offset < b.limit {
		p.cancelRunningLocked(b, offset)
	}
	p.dropAnsweredLocked()
	p.core.refillLocked(p)
	p.core.pumpLocked()
}

// cancelRunningLocked asks a running task to end, and kills the process if it has not within the stop grace.
func (p *proc) cancelRunningLocked(b *batch, offset int) {
	p.sendLocked(wire.AppendControl(nil, wire.Cancel, b.id, uint32(offset), nil))
	if b.doomed == offset+1 {
		return
	}
	b.doomed = offset + 1
	p.awaitEndLocked(b, offset, p.core.cfg.stopGrace)
}

// awaitEndLocked kills the process if a cancelled task has not ended in time.
func (p *proc) awaitEndLocked(b *batch, offset int, grace time.Duration) {
	time.AfterFunc(grace, func() {
		p.core.mu.Lock()
		defer p.core.unlock()
		switch {
		case !slices.Contains(p.inflight, b) || offset < b.got || offset >= b.limit || !p.mayRunLocked(b, offset):
		case p.isBehindLocked(b, offset):
			p.awaitEndLocked(b, offset, max(grace, termGrace))
		default:
			p.killLocked(ReasonCancelled, errors.New("the task was cancelled and did not end within the stop grace"))
		}
	})
}

// mayRunLocked reports whether a task that has not been answered may be the one that p runs. One that has ended, its answer being on its
// way, does not cost the next one its process.
func (p *proc) mayRunLocked(b *batch, offset int) bool {
	if p.page == nil {
		return true
	}
	running, at, _ := p.runningLocked()
	return running == b && at == offset
}

// isBehindLocked reports whether a task waits behind one that somebody wants, in a worker without a page that has not answered a Recall yet:
// some answer it only between tasks.
func (p *proc) isBehindLocked(b *batch, offset int) bool {
	return p.page == nil && offset > b.got && b.started <= offset && b.from.unwanted(b, b.got, 1) == 0
}

// withdrawLocked ends everything of a job that this proc has.
func (p *proc) withdrawLocked(j *job) {
	for _, b := range slices.Clone(p.inflight) {
		if b.from != source(j) {
			continue
		}
		p.recallLocked(b, b.got)
		if b.got < b.limit { // the last that has started runs; those before it are finished, though their results may be on their way
			p.cancelRunningLocked(b, max(b.got, p.startedLocked(b)-1))
		}
	}
	p.dropAnsweredLocked()
	p.core.refillLocked(p)
}

// readAhead is the length from which on a batch is read by a worker while it runs the one before: shorter ones wait in the pipe.
const readAhead = 32 << 10

// giveLocked sends a batch.
func (p *proc) giveLocked(b *batch) {
	p.lastID++
	b.id, b.limit = p.lastID, b.n
	b.got, b.started, b.doomed, b.recalling = 0, 0, 0, false
	b.sent, b.rest, b.left = time.Now(), b.body, b.n
	b.origin = origin{slot: p.slot.id, pid: p.child.PID(), attempt: b.head.Attempt}
	b.leg.beginLocked(p)
	for i, c := range b.calls {
		c.batch, c.offset, c.proc = b, int32(i), p
	}
	if !b.due.IsZero() {
		b.head.Deadline = max(time.Until(b.due), 1)
	}
	if p.page != nil {
		p.page.Arm(b.id, b.n)
	}
	p.core.sampleLocked(b)
	if b.n == 1 && b.calls != nil && b.calls[0].listens {
		p.expectLocked(b)
	}
	if len(p.inflight) == 0 {
		p.mark = p.text.position()
		p.heard = b.sent
		p.busyLocked(b)
	}
	p.inflight = append(p.inflight, b)
	if b.head.Hard > 0 {
		p.armWatchdogLocked(b.sent.Add(b.head.Hard))
	}
	if p.quota >= 0 {
		p.quota -= b.n
	}
	frame := b.head.Append(append(p.head[:0], make([]byte, wire.HeaderSize)...))
	p.head = frame
	wire.Header{
		Kind: wire.Tasks, Count: uint32(b.n), ID: b.id, Length: uint64(len(frame) - wire.HeaderSize + len(b.body) + len(b.lent)),
	}.Put(frame)
	b.beginTrip(p.out, len(frame)+len(b.body)+len(b.lent))
	p.out.add(frame, b.body, b.lent, b.lender)
	if len(p.inflight) > 1 && len(b.body)+len(b.lent) > readAhead {
		p.nudge() // before it is written: the pipe may be too short for it
	}
	p.sentLocked(len(frame) + len(b.body) + len(b.lent))
}

// sendLocked sends a frame that a worker should read at once, whether it is busy or not.
func (p *proc) sendLocked(frame []byte) {
	if len(p.inflight) > 0 {
		p.out.addUrgent(frame)
	} else {
		p.out.add(frame, nil, nil, nil)
	}
	p.sentLocked(len(frame))
}

// nudges reports whether a busy worker reads only when it is nudged.
func (p *proc) nudges() bool { return p.page != nil && shm.CanNudge && !p.core.cfg.inline }

// nudge makes a busy worker read.
func (p *proc) nudge() {
	if p.nudges() {
		p.page.Nudge()
	}
}

// sentLocked takes note that the outbox has something.
func (p *proc) sentLocked(n int) {
	p.core.stats.BytesSent += int64(n)
	if !p.dirty {
		p.dirty = true
		p.core.dirty = append(p.core.dirty, p)
	}
}

// kill ends the process. The first reason stands.
func (p *proc) kill(reason ExitReason, cause error) {
	p.core.mu.Lock()
	defer p.core.mu.Unlock()
	p.killLocked(reason, cause)
}

func (p *proc) killLocked(reason ExitReason, cause error) {
	select {
	case <-p.child.Exited():
		return // it ended by itself
	default:
	}
	if !p.killed && (p.reason == "" || reason != ReasonStopped) {
		p.reason, p.cause = reason, cause
	}
	p.killed = true
	p.child.Kill()
}

// hasLeft reports whether the worker has taken its leave and has nothing more to answer.
func (p *proc) hasLeft() bool {
	if !p.saidBye { // of recv alone: no lock for a frame that is not the last
		return false
	}
	p.core.mu.Lock()
	defer p.core.mu.Unlock()
	return len(p.inflight) == 0
}

// byeNotice lets a worker go that leaves by itself: what it has not started goes elsewhere.
func (p *proc) byeNotice() error {
	c := p.core
	c.mu.Lock()
	defer c.unlock()
	if p.bye {
		return illegal(wire.Frame{Header: wire.Header{Kind: wire.Bye}}, "it came before")
	}
	p.bye, p.saidBye = true, true
	if p.reason == "" {
		p.reason = ReasonRetired
	}
	c.retireLocked(p)
	for _, b := range slices.Clone(p.inflight) {
		p.takeBackLocked(b, p.startedLocked(b))
	}
	p.dropAnsweredLocked()
	c.pumpLocked()
	return nil
}

// report passes on a progress event, if its task is not answered.
func (p *proc) report(f wire.Frame) {
	c := p.core
	if c.reports == nil || !validValue(f.Payload) {
		return
	}
	c.mu.Lock()
	info, ok := p.taskLocked(f)
	c.mu.Unlock()
	if ok {
		c.reports.send(report{info, append(worker.Raw(nil), f.Payload...)})
	}
}

// taskLocked says which task a Report or Log speaks of.
func (p *proc) taskLocked(f wire.Frame) (worker.TaskInfo, bool) {
	for _, b := range p.inflight {
		if b.id == f.ID && int(f.Arg) < b.limit {
			return worker.TaskInfo{
				Func: b.head.Func, Slot: p.slot.id, PID: p.child.PID(),
				Index: b.head.Index(int(f.Arg)), Attempt: b.head.Attempt, Deadline: b.due,
			}, int(f.Arg) >= b.got
		}
	}
	return worker.TaskInfo{}, false
}

// signalOf returns the signal that ended a process, nil if it exited.
func signalOf(state *os.ProcessState) os.Signal {
	if state == nil {
		return nil
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal()
	}
	return nil
}

func isKill(s os.Signal) bool { return s == syscall.SIGKILL }
