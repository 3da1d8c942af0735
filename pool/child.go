package pool

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/procpool/procpool/internal/blob"
	osproc "github.com/procpool/procpool/internal/proc"
)

// process is a child of the operating system.
type process struct {
	*osproc.Process
	pipe *filePipe
	wire io.Reader
}

// startProcess starts the process of p and the pumps of its text.
func (p *proc) startProcess(spec osproc.Spec) error {
	p.core.armor.dress(&spec)
	child, err := p.begin(&spec)
	if err != nil {
		p.dropPage()
		p.leaveGroup()
		return err
	}
	p.child = child
	if socket := child.Blobs(); socket != nil {
		p.link = blob.NewLink(socket, false)
	}
	out := p.core.output
	p.text.pumps.Go(func() { pump(child.Err(), out.stderr, p.text, child.Exited()) })
	if text := child.Text(); text != nil {
		p.text.pumps.Go(func() { pump(text, out.stdout, nil, child.Exited()) })
	}
	return nil
}

// begin starts the process in its cgroup. On an error none is left.
func (p *proc) begin(spec *osproc.Spec) (*process, error) {
	if err := p.makeGroup(spec); err != nil {
		return nil, err
	}
	started, err := osproc.Start(*spec)
	if err != nil {
		return nil, err
	}
	conn, err := started.In().SyscallConn()
	if err != nil { // only a closed file has none
		err = fmt.Errorf("pipe to the worker: %w", err)
	} else {
		err = p.joinGroup(started.PID())
	}
	if err != nil {
		started.Kill()
		<-started.Exited()
		started.Close()
		return nil, err
	}
	child := &process{started, newFilePipe(started.In(), conn), started.Out()}
	if p.core.cfg.isTrusted() {
		child.wire, child.pipe.raw = newWire(started.Out()), true
	}
	return child, nil
}

// limitAgain repeats what the start of a privileged Go program may have undone: its runtime raises the number of descriptors.
func (p *proc) limitAgain() {
	if child, ok := p.child.(*process); ok && p.core.armor.limits.OpenFiles > 0 {
		_ = child.Limit(p.core.armor.limits) // it succeeded before
	}
}

// Wire implements child.
func (p *process) Wire() io.Reader { return p.wire }

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
	file *os.File
	conn syscall.RawConn
	try  func(fd uintptr) bool // made once: it calls step
	raw  bool                  // short writes go past the Go runtime

	// Of the goroutine in Send.
	fd   uintptr
	wait bool
	step func(vectorWriter) bool
}

func newFilePipe(f *os.File, conn syscall.RawConn) *filePipe {
	p := &filePipe{file: f, conn: conn}
	p.try = func(fd uintptr) bool {
		p.fd = fd
		return p.step(p) || !p.wait
	}
	return p
}

// Send implements pipe.
func (p *filePipe) Send(wait bool, step func(vectorWriter) bool) error {
	if !wait && !canTry {
		return nil
	}
	p.wait, p.step = wait, step
	return p.conn.Write(p.try)
}

// Close implements pipe.
func (p *filePipe) Close() error { return p.file.Close() }
