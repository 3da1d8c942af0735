package serve_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/internal/registry"
	"github.com/procpool/procpool/internal/remote"
	"github.com/procpool/procpool/internal/serve"
	"github.com/procpool/procpool/internal/shm"
	"github.com/procpool/procpool/wire"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

func TestMain(m *testing.M) { leaktest.Main(m) }

// pipe is a pipe in memory that takes everything at once.
type pipe struct {
	mu     sync.Mutex
	more   *sync.Cond
	buf    []byte
	closed bool
}

func newPipe() *pipe {
	p := &pipe{}
	p.more = sync.NewCond(&p.mu)
	return p
}

func (p *pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.buf = append(p.buf, b...)
	p.more.Broadcast()
	return len(b), nil
}

func (p *pipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.buf) == 0 && !p.closed {
		p.more.Wait()
	}
	if len(p.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.buf)
	p.buf = p.buf[n:]
	return n, nil
}

func (p *pipe) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.more.Broadcast()
}

// peer plays the parent of one server.
type peer struct {
	t    *testing.T
	down *pipe
	up   *pipe
	in   *wire.Reader
	page *shm.Page // as the parent sees it; the worker's own if the page is not shared
	ran  chan error
	next uint64
}

// start serves until the test ends.
func start(t *testing.T, shared bool, welcome wire.WelcomeBody) *peer {
	t.Helper()
	p := &peer{t: t, down: newPipe(), up: newPipe(), page: shm.NewLocal(), ran: make(chan error, 1)}
	cookie := "0123456789abcdef0123456789abcdef"
	server := serve.New(serve.Config{
		In: p.down, Out: p.up, Cookie: cookie, Page: p.page, Shared: shared,
		Hello:  wire.HelloBody{Version: wire.Version, PID: 4711, Functions: registry.Names(), Page: shared},
		Nudged: true,
	})
	go func() { p.ran <- server.Run() }()
	p.in = wire.NewReader(p.up, 1<<30, wire.Kind.FromWorker)
	before, err := p.in.Cookie([]byte(cookie))
	require.NoError(t, err)
	require.Empty(t, before)
	hello, err := wire.ParseHello(p.frame())
	require.NoError(t, err)
	require.Equal(t, 4711, hello.PID)
	require.Contains(t, hello.Functions, "echo")
	welcome.Version = wire.Version
	if welcome.Max == 0 {
		welcome.Max = 1 << 20
	}
	frame, err := wire.AppendMap(nil, wire.Welcome, 0, 0, &welcome)
	require.NoError(t, err)
	p.send(frame)
	t.Cleanup(p.down.end)
	return p
}

func (p *peer) send(frame []byte) { _, _ = p.down.Write(frame) }

func (p *peer) control(kind wire.Kind, id uint64, arg int) {
	p.send(wire.AppendControl(nil, kind, id, uint32(arg), nil))
	p.page.Nudge()
}

// tasks sends a batch and returns its id.
func (p *peer) tasks(head wire.TasksHead, args ...[]byte) uint64 {
	p.next++
	if head.Attempt == 0 {
		head.Attempt = 1
	}
	p.page.Arm(p.next, len(args))
	payload := head.Append(nil)
	for _, arg := range args {
		payload = wire.AppendItem(payload, arg)
	}
	frame := wire.Header{Kind: wire.Tasks, Count: uint32(len(args)), ID: p.next, Length: uint64(len(payload))}.Append(nil)
	p.send(append(frame, payload...))
	return p.next
}

// frame returns the next frame that the worker sends.
func (p *peer) frame() wire.Frame {
	p.t.Helper()
	got := make(chan wire.Frame, 1)
	failed := make(chan error, 1)
	go func() {
		f, err := p.in.Next()
		if err != nil {
			failed <- err
			return
		}
		f.Payload = append([]byte(nil), f.Payload...)
		got <- f
	}()
	select {
	case f := <-got:
		return f
	case err := <-failed:
		p.t.Fatalf("the worker's frames ended: %v", err)
	case <-time.After(patience):
		p.t.Fatal("the worker sent nothing")
	}
	panic("unreachable")
}

// result is one answered task.
type result struct {
	batch   uint64
	offset  int
	outcome wire.Outcome
	value   []byte
	timed   bool
	cost    wire.Cost
	head    wire.ResultsHead
}

// results reads frames until n tasks are answered, and returns how many Results frames that took.
func (p *peer) results(n int) (all []result, frames int) {
	p.t.Helper()
	for len(all) < n {
		f := p.frame()
		if f.Kind != wire.Results {
			require.Contains(p.t, []wire.Kind{wire.Started, wire.Log, wire.Report}, f.Kind)
			continue
		}
		frames++
		head, items, err := wire.ParseResultsHead(f.Payload)
		require.NoError(p.t, err)
		_, err = wire.CheckResults(items, int(f.Count))
		require.NoError(p.t, err)
		for i := range int(f.Count) {
			r, rest, _ := wire.CutResult(items)
			items = rest
			cost, timed := r.Cost()
			all = append(all, result{f.ID, int(f.Arg) + i, r.Outcome, r.Value, timed, cost, head})
		}
	}
	return all, frames
}

func (p *peer) ended() error {
	p.t.Helper()
	select {
	case err := <-p.ran:
		return err
	case <-time.After(patience):
		p.t.Fatal("Run did not return")
		return nil
	}
}

// failure reads the text of a failed task.
func failure(t *testing.T, r result) *remote.Error {
	t.Helper()
	e, err := remote.Parse(r.value)
	require.NoError(t, err)
	return e
}

// The functions that the tests call. Their arguments and results are single bytes unless they say otherwise.

func register(name string, f func(ctx context.Context, arg []byte) ([]byte, error)) {
	registry.Register(name, registry.Types{}, func() registry.Invoke {
		return func(ctx context.Context, arg []byte, _ registry.How, dst []byte) ([]byte, []byte, wire.Outcome, error) {
			value, err := f(ctx, arg)
			if err != nil {
				return dst, nil, wire.Failed, err
			}
			return append(dst, value...), nil, wire.Value, nil
		}
	})
}

var errTest = errors.New("as it should")

func init() {
	register("echo", func(_ context.Context, arg []byte) ([]byte, error) { return arg, nil })
	register("fail", func(context.Context, []byte) ([]byte, error) { return nil, errTest })
}
