package pool

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/procpool/procpool/internal/boot"
	osproc "github.com/procpool/procpool/internal/proc"
)

// image is what a pool's workers are started from.
type image struct {
	path     string // for errors
	identity string // what a worker's hello must say that it is; "" where that is not asked for
	start    func(p *proc, cookie string) error
}

// maxDepth is how many pools may stand on each other: a worker may have a pool of its own, but a function that starts a pool and calls
// itself in it must end somewhere.
const maxDepth = 10

// findImage finds out what to start, and refuses what would go wrong in every worker.
func findImage(cfg *config) (image, error) {
	switch {
	case cfg.inline:
		return image{path: "(inline)", start: startInline}, nil
	case len(cfg.command) > 0:
		return foreignImage(cfg)
	default:
		return ownImage(cfg)
	}
}

func ownImage(cfg *config) (image, error) {
	path, err := os.Executable()
	if err != nil {
		path = os.Args[0]
	}
	if !boot.MainCalled() {
		return image{}, &StartError{Stage: "main", Path: path, Err: ErrNoMain}
	}
	if err := checkDepth(path); err != nil {
		return image{}, err
	}
	identity, err := osproc.SelfIdentity()
	if err != nil {
		return image{}, &StartError{Stage: "spawn", Path: path, Err: err}
	}
	return image{path: path, identity: identity, start: func(p *proc, cookie string) error {
		p.page = newPage()
		marker := boot.Marker{Cookie: cookie, Slot: p.slot.id, Depth: boot.Depth() + 1, Page: p.page != nil, Procs: cfg.procs}
		spec := cfg.spec(marker, p.slot.id)
		spec.Argv = []string{os.Args[0], "procpool-worker", slotArgument(p.slot.id)}
		spec.Own = true
		if p.page != nil {
			spec.Page = p.page.File()
		}
		return p.startProcess(spec)
	}}, nil
}

func foreignImage(cfg *config) (image, error) {
	path, err := exec.LookPath(cfg.command[0])
	if err != nil {
		return image{}, &StartError{Stage: "spawn", Path: cfg.command[0], Err: err}
	}
	if err := checkDepth(path); err != nil {
		return image{}, err
	}
	return image{path: path, start: func(p *proc, cookie string) error {
		marker := boot.Marker{Cookie: cookie, Slot: p.slot.id, Depth: boot.Depth() + 1}
		if cfg.set["WithWorkerProcs"] {
			marker.Procs = cfg.procs
		}
		spec := cfg.spec(marker, p.slot.id)
		spec.Argv = cfg.command
		spec.Path = path
		return p.startProcess(spec)
	}}, nil
}

func checkDepth(path string) error {
	if boot.Depth() >= maxDepth {
		return &StartError{Stage: "spawn", Path: path, Err: fmt.Errorf("this is a worker of a worker, %d deep, and no deeper one is allowed", boot.Depth())}
	}
	return nil
}

// spec is what the options say of every process.
func (c *config) spec(marker boot.Marker, slot int) osproc.Spec {
	env := c.env
	if !c.cleanEnv {
		env = append(os.Environ(), c.env...)
	}
	spec := osproc.Spec{Env: marker.Apply(lastOfEach(env)), Dir: c.dir, Nice: c.nice, SetNice: c.niceSet, Capacity: pipeCapacity(c.workers + c.spare)}
	if len(c.cpus) > 0 && slot != noSlot {
		spec.CPUs = c.cpusOf(slot)
	}
	return spec
}

// cpusOf is where WithCPUAffinity puts a slot.
func (c *config) cpusOf(slot int) []int { return c.cpus[slot%len(c.cpus)] }

// slotArgument is what tools show of a worker. A spare puts its slot there when it has one.
func slotArgument(slot int) string {
	if slot == noSlot {
		return "spare"
	}
	return strconv.Itoa(slot)
}

// A longer pipe saves switches between the two processes while large values travel: an echo of 1 MiB went half as fast again through pipes of 1 MiB as
// through the system's 64 KiB. All pipes of a user share a quota, 64 MiB by default, and who is over it gets pipes of two pages: a pool takes a
// quarter.
const (
	mostCapacity  = 1 << 20
	leastCapacity = 64 << 10
	allCapacity   = 16 << 20
)

// pipeCapacity is what each of a worker's two pipes should hold, a power of two; 0 for what the system gives.
func pipeCapacity(workers int) int {
	capacity := mostCapacity
	for capacity > leastCapacity && 2*workers*capacity > allCapacity {
		capacity /= 2
	}
	if capacity == leastCapacity {
		return 0
	}
	return capacity
}

// lastOfEach keeps the last of variables that are set more than once: getenv in C and in Go returns the first.
func lastOfEach(env []string) []string {
	last := map[string]int{}
	for i, kv := range env {
		last[nameOf(kv)] = i
	}
	out := make([]string, 0, len(env))
	for i, kv := range env {
		if last[nameOf(kv)] == i {
			out = append(out, kv)
		}
	}
	return out
}

func nameOf(kv string) string {
	for i := 1; i < len(kv); i++ { // from 1: Windows has variables that begin with =
		if kv[i] == '=' {
			return kv[:i]
		}
	}
	return kv
}
