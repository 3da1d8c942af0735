package pool

import (
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/procpool/procpool/internal/blob"
	"github.com/procpool/procpool/internal/registry"
	"github.com/procpool/procpool/internal/serve"
	"github.com/procpool/procpool/internal/shm"
	"github.com/procpool/procpool/wire"
)

// inlineChild is a worker on goroutines of this process. The frames go through buffers in memory, everything else
// is the code that real workers run.
type inlineChild struct {
	down, up *memPipe // to the worker, from the worker
	link     blob.Link
	exited   chan struct{}
	once     sync.Once
}

func startInline(p *proc, cookie string) error {
	p.page = shm.NewLocal()
	c := &inlineChild{down: newMemPipe(), up: newMemPipe(), exited: make(chan struct{})}
	p.child = c
	p.link, c.link = blob.Pair()
	server := serve.New(serve.Config{
		In: c.down, Out: c.up, Cookie: cookie, Page: p.page, Shared: true, Link: c.link, Inline: true,
		Hello: wire.HelloBody{Version: wire.Version, PID: os.Getpid(), Functions: registry.Names(), Page: true, Inspect: true},
	})
	go func() {
		_ = server.Run() // whatever ended it, the parent sees the end of the pipe
		c.Kill()
	}()
	return nil
}

func (c *inlineChild) PID() int                { return os.Getpid() }
func (c *inlineChild) Wire() io.Reader         { return c.up }
func (c *inlineChild) Pipe() pipe              { return c.down }
func (c *inlineChild) Exited() <-chan struct{} { return c.exited }
func (c *inlineChild) State() *os.ProcessState { return nil }
func (c *inlineChild) Bound(time.Duration)     {}
func (c *inlineChild) Signal(os.Signal)        { c.Kill() }
func (c *inlineChild) Quit()                   { c.Kill() }
func (c *inlineChild) Close()                  {}

// Kill ends the conversation. A task that is running is abandoned: a goroutine cannot be killed.
func (c *inlineChild) Kill() {
	c.once.Do(func() {
		_ = c.up.Close() // first: what the task makes of the end is not heard. It never fails
		_ = c.down.Close()
		_ = c.link.Close()
		close(c.exited)
	})
}

// warnInline says which options have no effect without processes.
func (c *core) warnInline() {
	var ignored []string
	for _, name := range []string{
		"WithEnv", "WithCleanEnv", "WithDir", "WithNice", "WithCPUAffinity", "WithSpare", "WithWorkerProcs", "WithStdout", "WithStderr",
		"WithHeartbeat", "WithMaxWorkerMemory", "WithMemoryLimit", "WithHardening", "WithBlobThreshold",
	} {
		if c.cfg.set[name] {
			ignored = append(ignored, name)
		}
	}
	if len(ignored) > 0 {
		c.log.Warn("options that need a process are ignored by WithInline", "options", strings.Join(ignored, ", "))
	}
}

// memPipe is a pipe in memory that takes everything at once.
type memPipe struct {
	mu     sync.Mutex
	more   *sync.Cond
	buf    []byte
	closed bool
}

func newMemPipe() *memPipe {
	p := &memPipe{}
	p.more = sync.NewCond(&p.mu)
	return p
}

// Write implements io.Writer.
func (p *memPipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, io.ErrClosedPipe
	}
	p.buf = append(p.buf, b...)
	p.more.Signal()
	return len(b), nil
}

// Send implements pipe.
func (p *memPipe) Send(_ bool, step func(vectorWriter) bool) error {
	step(p)
	return nil
}

// writeVector implements vectorWriter.
func (p *memPipe) writeVector(pieces [][]byte) (n int, err error) {
	for _, b := range pieces {
		m, err := p.Write(b)
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Read waits for bytes. What was written before Close is still read.
func (p *memPipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.buf) == 0 && !p.closed {
		p.more.Wait()
	}
	if len(p.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.buf)
	p.buf = p.buf[:copy(p.buf, p.buf[n:])]
	return n, nil
}

// Close ends the pipe for both sides.
func (p *memPipe) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.more.Broadcast()
	return nil
}
