package pool

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/procpool/procpool/internal/random"
	"github.com/procpool/procpool/internal/shm"
	"github.com/procpool/procpool/wire"
)

// launch starts a process for the slot and sees it through to where it is ready. The error is a *StartError, and no process is left then.
// It waits for its turn first; the start timeout counts from then on.
func (s *slot) launch() (*proc, error) {
	if !s.core.turns.take(s.quit) {
		return nil, errRemoved
	}
	done := s.core.turns.lend(turnTime)
	defer done()
	p, err := s.spawn()
	if err != nil {
		return nil, err
	}
	late := time.AfterFunc(s.core.cfg.startTimeout, func() { p.kill(ReasonUnresponsive, errTooSlow) })
	defer late.Stop()
	before, err := p.greet()
	if err != nil {
		return nil, p.discard(err, before)
	}
	done()
	go p.recv()
	if err := p.initialize(); err != nil {
		return nil, p.initFailed(err)
	}
	s.core.output.stdout.write(wholeLines(before), p.child.Exited())
	return p, nil
}

var errTooSlow = errors.New("not ready within the start timeout (WithStartTimeout)")

// spawn starts the process and its goroutines but recv.
func (s *slot) spawn() (*proc, error) {
	c := s.core
	p := &proc{
		core: c, slot: s, path: c.img.path,
		gone:    make(chan struct{}),
		renew:   make(chan struct{}),
		started: time.Now(),
		quota:   -1,
		text:    newCapture(),
	}
	if c.cfg.maxTasks > 0 {
		p.quota = max(1, c.cfg.maxTasks-int(float64(c.cfg.maxTasks)-c.jittered(float64(c.cfg.maxTasks))))
	}
	if c.cfg.maxMemory > 0 {
		p.fat = int64(c.jittered(float64(c.cfg.maxMemory)))
	}
	cookie := newCookie()
	if err := c.img.start(p, cookie); err != nil {
		if errors.Is(err, syscall.EMFILE) {
			err = tooManyFiles(err)
		}
		return nil, &StartError{Stage: "spawn", Path: p.path, Err: err}
	}
	if !c.cfg.inline {
		p.inheritedRSS = ownPeak() // now that it has executed: it may have grown until then
	}
	p.out = newOutbox(p.child.Pipe(), p.nudge)
	p.in = wire.NewReader(counter{p.child.Wire(), &p.read}, uint64(c.cfg.maxPayload), wire.Kind.FromWorker)
	p.cookie = cookie
	c.procs.Add(1)
	go p.out.run()
	go p.watch()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live[p] = struct{}{}
	p.beginLifeLocked(p.started)
	s.starting = p
	if s.ending || c.closed {
		p.killLocked(ReasonStopped, nil)
	}
	return p, nil
}

func newCookie() string {
	var b [wire.CookieSize / 2]byte
	random.Read(b[:])
	return hex.EncodeToString(b[:])
}

// greet waits for the cookie and the hello, and answers.
func (p *proc) greet() (before []byte, err error) {
	before, err = p.in.Cookie([]byte(p.cookie))
	if err != nil {
		return before, helloError(err)
	}
	f, err := p.in.Next()
	if err != nil {
		return before, helloError(err)
	}
	if p.hello, err = wire.ParseHello(f); err != nil {
		return before, err
	}
	if want := p.core.img.identity; want != "" && p.hello.Build != want {
		return before, &buildError{want: want, got: p.hello.Build}
	}
	if !p.hello.Page {
		p.dropPage()
	}
	p.limitAgain()
	if err := p.limitMemory(); err != nil {
		return before, &limitError{err}
	}
	return before, p.welcome()
}

// limitError is a limit that could not be set, or makes no sense.
type limitError struct{ error }

func (e *limitError) Unwrap() error { return e.error }

// counter counts what is read.
type counter struct {
	io.Reader
	n *atomic.Int64
}

func (c counter) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// dropPage forgets the page that the worker did not map.
func (p *proc) dropPage() {
	if p.page != nil {
		p.page.Close()
		p.page = nil
	}
}

func (p *proc) welcome() error {
	c := p.core
	frame, err := wire.AppendMap(nil, wire.Welcome, 0, 0, &wire.WelcomeBody{
		Version: wire.Version, Slot: p.slot.id, Pool: c.cfg.name, Max: uint64(c.cfg.maxPayload),
		Level: logLevel(c.log), Reports: c.reports != nil, Memory: max(0, c.cfg.memoryLimit), Nudges: p.nudges(),
		Blob: c.cfg.blobThreshold,
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.unlock()
	p.sendLocked(frame)
	next := resting
	if c.cfg.initializer != nil {
		next = initializing
	}
	p.enterLocked(next, time.Now())
	p.greeted = true
	return nil
}

type buildError struct{ want, got string }

func (e *buildError) Error() string {
	return fmt.Sprintf("the worker is another build of the program: %s, this is %s", e.got, e.want)
}

func helloError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errNoHello
	}
	return err
}

var errNoHello = errors.New("it ended before it said hello")

// discard ends a process that never said hello, and explains.
func (p *proc) discard(cause error, stdout []byte) error {
	stage, reason := "hello", ReasonProtocol
	var build *buildError
	var limit *limitError
	switch {
	case errors.Is(cause, wire.ErrVersion) || errors.As(cause, &build):
		stage = "version"
	case errors.As(cause, &limit):
		stage, reason, cause = "init", ReasonStopped, limit.error
	}
	if errors.Is(cause, errNoHello) { // it is ending, or has closed the wire alone
		select {
		case <-p.child.Exited():
		case <-time.After(drainTime):
		}
	}
	p.kill(reason, cause)
	<-p.child.Exited()
	p.core.bury(p)
	p.core.procs.Done()
	return p.startError(stage, cause, stdout)
}

const isItAWorker = "does the program speak the protocol of package wire? An ordinary command cannot be a worker"

// startError explains a failed start. The process is buried.
func (p *proc) startError(stage string, cause error, stdout []byte) error {
	c := p.core
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case errors.Is(p.cause, errKilled):
		cause = errKilled
	case errors.Is(p.cause, errTooSlow) && stage == "hello" && len(c.cfg.command) > 0:
		cause = fmt.Errorf("%w: %v; %s", errTooSlow, c.cfg.startTimeout, isItAWorker)
	case errors.Is(p.cause, errTooSlow) && stage == "hello":
		cause = fmt.Errorf("%w: %v; it has not reached worker.Main: something before that, in main or in an init function, waits or takes long", errTooSlow, c.cfg.startTimeout)
	case errors.Is(p.cause, errTooSlow) && c.cfg.initializer != nil:
		cause = fmt.Errorf("%w: %v; the initializer %s has not returned", errTooSlow, c.cfg.startTimeout, c.cfg.initializer.fn)
	case errors.Is(p.cause, errTooSlow):
		cause = fmt.Errorf("%w: %v", errTooSlow, c.cfg.startTimeout)
	case errors.Is(cause, errNoHello) && p.child.State() != nil && len(c.cfg.command) == 0:
		cause = fmt.Errorf("%w: %s; a worker is this program with the arguments \"procpool-worker N\": it must reach worker.Main before it looks at them", cause, p.child.State())
	case errors.Is(cause, errNoHello) && p.child.State() != nil:
		cause = fmt.Errorf("%w: %s; %s", cause, p.child.State(), isItAWorker)
	}
	return &StartError{Stage: stage, Path: p.path, Stdout: bytes.Clone(stdout), Stderr: p.text.tail(), Err: cause}
}

// initialize runs the pool's initializer.
func (p *proc) initialize() error {
	if p.core.cfg.initializer == nil {
		return nil
	}
	if err := p.runHook(p.core.cfg.initializer, wire.IsInitializer); err != nil {
		return err
	}
	p.core.mu.Lock()
	if p.life.phase == initializing {
		p.enterLocked(resting, time.Now())
	}
	p.core.mu.Unlock()
	_, err := p.checkMemory()
	return err
}

// initFailed ends a process whose initializer failed, and explains.
func (p *proc) initFailed(cause error) error {
	p.kill(ReasonStopped, nil)
	<-p.gone
	return p.startError("init", cause, nil)
}

// runHook runs an initializer or finalizer and waits for it, or for the end of the process.
func (p *proc) runHook(h *hook, flag wire.TaskFlags) error {
	c := p.core
	verdict := make(chan error, 1) // capacity 1 so that recv never waits
	c.mu.Lock()
	b := &batch{n: 1, body: h.item, head: wire.TasksHead{Func: h.fn, First: -1, Attempt: 1, Flags: flag}}
	p.pending, p.verdict = b, verdict
	p.giveLocked(b)
	c.unlock()
	select {
	case err := <-verdict:
		return err
	case <-p.gone:
	}
	select {
	case err := <-verdict:
		return err
	default:
		c.mu.Lock()
		defer c.mu.Unlock()
		return hookError(h.fn, p.exitErrorLocked())
	}
}

// hookDone takes the answer to an initializer or finalizer.
func (p *proc) hookDone(items []byte) {
	r, _, _ := wire.CutResult(items) // the frame was checked
	c := p.core
	c.mu.Lock()
	defer c.mu.Unlock()
	b, verdict := p.pending, p.verdict
	p.pending, p.verdict = nil, nil
	p.tasks = 0 // it is no task: a process that ends now has done nothing
	if p.quota >= 0 {
		p.quota++
	}
	if r.Outcome == wire.Value {
		verdict <- nil
		return
	}
	verdict <- hookError(b.head.Func, wireFailure(r.Outcome, r.Value, "its argument", "its result"))
}

// hookError names the function. It is no *TaskError: no task failed.
func hookError(fn string, err error) error { return fmt.Errorf("%s: %w", fn, err) }

// newPage returns a page that the worker can map; nil where the system has none to share.
func newPage() *shm.Page {
	page, err := shm.New()
	if err != nil {
		return nil
	}
	return page
}
