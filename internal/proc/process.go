package proc

import (
	"os"
	"sync"

	"github.com/procpool/procpool/internal/harden"
)

// Process is one started child. Its methods may be called from any goroutine.
type Process struct {
	pid   int
	os    *os.Process
	links *links
	watch watch // closed by the waiter, holding mu, when over is set

	mu   sync.Mutex // orders signals and the reap: whoever sends one holds it
	over bool       // the group got its last SIGKILL; from here on its id may become another's

	state  *os.ProcessState // written before exited is closed, read only after
	exited chan struct{}    // closed by the waiter, last of all
}

// Start starts one child and returns when it has executed its image. On an error nothing is left: no process, no
// descriptor; the error is an *Error that keeps the errno.
func Start(spec Spec) (*Process, error) {
	path, err := spec.image()
	if err != nil {
		return nil, stepError("image", err)
	}
	if hook := StartHook; hook != nil {
		if err := hook(spec); err != nil {
			return nil, &Error{Step: "hook", Path: describe(path), Err: err}
		}
	}
	sealInherited()
	links, err := newLinks(spec.Own)
	if err != nil {
		return nil, named(err, path)
	}
	links.enlarge(spec.Capacity)
	p, err := spawn(&spec, path, links)
	links.closeTheirs()
	if err != nil {
		links.closeOurs()
		return nil, named(err, path)
	}
	if err := p.limit(&spec); err != nil {
		p.Kill()
		p.wait()
		links.closeOurs()
		return nil, named(err, path)
	}
	go p.wait()
	return p, nil
}

// limit sets from outside what a child cannot be born with. The child runs already, but it is not reaped before its waiter
// begins, so that its process id means nobody else.
func (p *Process) limit(spec *Spec) error {
	if spec.OOMScore != 0 {
		_ = harden.RaiseOOMScore(p.pid, spec.OOMScore)
	}
	if err := spec.Limits.Apply(p.pid); err != nil {
		return stepError("limit", err)
	}
	return nil
}

func newProcess(child *os.Process, l *links, w watch) *Process {
	return &Process{pid: child.Pid, os: child, links: l, watch: w, exited: make(chan struct{})}
}

// wait is the child's waiter: it returns when the child has ended, its group is dead and it has been reaped.
func (p *Process) wait() {
	var err error
	if p.watch.await(p.pid) {
		p.endGroup()
		// The child is a zombie now, so this does not block, unless a debugger still holds the child; no lock is held
		// here, so that nobody else waits for that.
		p.state, err = p.os.Wait()
	} else {
		// The system cannot tell of an end without forgetting the child. The group id is free for a moment, unless
		// somebody is left in the group, and then it is the right one.
		p.state, err = p.os.Wait()
		p.endGroup()
	}
	if err != nil {
		// Another part of the program reaped our child, and Wait keeps the handle on an error. Nobody uses it after endGroup.
		_ = p.os.Release()
	}
	p.links.life.Close()
	close(p.exited)
}

// endGroup kills what is left of the group while the unreaped leader still keeps the id from being given to others.
func (p *Process) endGroup() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watch.killGroup(p.pid)
	p.over = true
	p.watch.close()
}

// PID is the child's process id, and the id of its process group.
func (p *Process) PID() int { return p.pid }

// In is the parent's write end of the child's descriptor 0.
func (p *Process) In() *os.File { return p.links.in }

// Out is the parent's read end of the child's descriptor 1.
func (p *Process) Out() *os.File { return p.links.out }

// Err is the parent's read end of the child's descriptor 2.
func (p *Process) Err() *os.File { return p.links.err }

// Text is the parent's read end of what an own child's tasks print to stdout; nil for a foreign child.
func (p *Process) Text() *os.File { return p.links.text }

// Blobs is the parent's end of the socket by which an own child passes descriptors; nil for a foreign child. It is in blocking mode
// and not in the runtime's poller.
func (p *Process) Blobs() *os.File { return p.links.blobs }

// Exited is closed when the child has ended, its group has been killed, and it has been reaped. It does not wait for
// descriptors: a grandchild that left the group may still hold the other end of Err or Out.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// State is how the child ended. It is nil before Exited is closed, and stays nil if another part of the program (a
// reaper of all children, say) took the state away.
func (p *Process) State() *os.ProcessState {
	select {
	case <-p.exited:
		return p.state
	default:
		return nil
	}
}

// Kill sends SIGKILL to the child and its process group. It does nothing once the child has ended.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.watch.killGroup(p.pid)
	// The leader may have moved to another group, which nothing forbids.
	_ = p.os.Kill()
}

// Signal sends sig to the child alone, not to its group. It does nothing once the child has ended.
func (p *Process) Signal(sig os.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		_ = p.os.Signal(sig)
	}
}

// Limit sets limits on the living child; zero fields stay as they are. It does nothing once the child has ended.
func (p *Process) Limit(l harden.Limits) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return nil
	}
	return l.Apply(p.pid)
}

// Close closes the parent's pipe ends; reads and writes that are under way end with os.ErrClosed. It may be called more
// than once, and is meant for after Exited: a living child is not stopped by it, though one that reads its stdin sees the end.
func (p *Process) Close() { p.links.closePipes() }
