package pool

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	osproc "github.com/procpool/procpool/internal/proc"
)

// process is a child of the operating system.
type process struct {
	*osproc.Process
	pipe filePipe
}

// startProcess starts the process of p and the pumps of its text.
func (p *proc) startProcess(spec osproc.Spec) error {
	started, err := osproc.Start(spec)
	if err != nil {
		p.dropPage()
		return err
	}
	conn, err := started.In().SyscallConn()
	if err != nil { // only a closed file has none
		started.Kill()
		<-started.Exited()
		started.Close()
		p.dropPage()
		return fmt.Errorf("pipe to the worker: %w", err)
	}
	p.child = &process{started, filePipe{started.In(), conn}}
	out := p.core.output
	p.text.pumps.Go(func() { pump(started.Err(), out.stderr, p.text) })
	if text := started.Text(); text != nil {
		p.text.pumps.Go(func() { pump(text, out.stdout, nil) })
	}
	return nil
}

// Wire implements child.
func (p *process) Wire() io.Reader { return p.Out() }

// Pipe implements child.
func (p *process) Pipe() pipe { return p.pipe }

// Bound implements child: of what the parent reads from the process, text included.
func (p *process) Bound(d time.Duration) {
	at := time.Time{}
	if d > 0 {
		at = time.Now().Add(d)
	}
	for _, f := range []*os.File{p.Out(), p.Err(), p.Text()} {
		if f != nil {
			_ = f.SetReadDeadline(at) // fails on a closed file alone, and nobody reads that
		}
	}
}

// filePipe is the parent's end of a real pipe.
type filePipe struct {
	*os.File
	conn syscall.RawConn
}

// TryWrite implements pipe.
func (p filePipe) TryWrite(b []byte) (n int, err error) {
	connErr := p.conn.Write(func(fd uintptr) bool {
		n, err = writeNow(fd, b)
		return true // never wait
	})
	if connErr != nil {
		return 0, connErr
	}
	return n, err
}
