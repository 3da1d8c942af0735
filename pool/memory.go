package pool

import (
	"bytes"
	"fmt"
	"regexp"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/procpool/procpool/internal/oom"
	"github.com/procpool/procpool/wire"
)

// memory is what a process has, in bytes, as the kernel counts it.
type memory struct {
	anon   int64 // resident private memory: heaps, stacks
	shared int64 // resident shared memory that is no file's: the status page, what a task maps shared
	data   int64 // private memory that is mapped, used or not: what RLIMIT_DATA limits
}

// memoryHeadroom is what WithMemoryLimit must leave to tasks, above what a ready worker has.
const memoryHeadroom = 32 << 20

// limitMemory sets the hard memory limit of a process that has said hello, in the kernel.
//
// RLIMIT_DATA counts what is mapped, and the Go runtime maps some 40 MiB more than it ever uses. What a fresh process has mapped and not used is
// therefore added: else a small limit could not be met at all, and a larger one would strike before the collector has tried. Where there is C, each thread
// maps a stack of 8 MiB and uses some kilobytes of it; room for a few more of them is added as well.
//
// The kernel looks at the limit when something is mapped, but passes over what replaces a reservation, as Go's heap does when it grows. So one large
// allocation can go far beyond the limit; the next mapping fails then, whatever it is for, and the process ends. Until then sampleMemory stands guard.
func (p *proc) limitMemory() error {
	limit := p.core.cfg.memoryLimit
	m, err := p.checkMemory()
	if err != nil || limit <= 0 || p.core.cfg.inline || p.group != nil {
		return err // a group has its limit from the beginning
	}
	if err := limitData(p.child.PID(), limit+max(0, m.data-m.anon)+p.stackRoom()); err != nil {
		return fmt.Errorf("WithMemoryLimit: %w", err)
	}
	return nil
}

// threadStack is what a thread maps where there is C, and moreThreads how many of them a worker may start before they count.
const (
	threadStack = 8 << 20
	moreThreads = 6
)

func (p *proc) stackRoom() int64 {
	if len(p.core.cfg.command) == 0 && !hasC() {
		return 0
	}
	return moreThreads * threadStack
}

// hasC reports whether this program was built with cgo.
var hasC = sync.OnceValue(func() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return true
	}
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "CGO_ENABLED", Value: "1"})
})

// checkMemory verifies that a worker leaves tasks some room below the limit, if there is one, and returns what it has.
func (p *proc) checkMemory() (memory, error) {
	limit := p.core.cfg.memoryLimit
	if limit <= 0 || p.core.cfg.inline {
		return memory{}, nil
	}
	m, err := memoryOf(p.child.PID())
	if err != nil {
		return m, fmt.Errorf("WithMemoryLimit: %w", err)
	}
	if least := m.anon + memoryHeadroom; limit < least {
		return m, &LowLimitError{Limit: limit, Used: m.anon, Least: least}
	}
	return m, nil
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// sampleMemory ends a process that has more than the limit although the kernel's has not struck: in shared mappings, which that does not count, or by
// one large allocation.
func (p *proc) sampleMemory() {
	limit := p.core.cfg.memoryLimit
	m, err := memoryOf(p.child.PID())
	if err != nil || m.anon+m.shared <= limit {
		return
	}
	// Not before now is it worth some milliseconds to find out how much of it are Blobs, which do not count.
	if used := m.anon + max(0, m.shared-p.blobsMapped()); used > limit {
		p.kill(ReasonMemoryLimit, overLimit(limit, used))
	}
}

// blobsMapped returns how much of the pool's shared memory the process has in its own.
func (p *proc) blobsMapped() int64 {
	if n, _ := p.core.blobs.count(); n == 0 {
		return 0
	}
	return mappedOf(p.child.PID(), p.core.blobs.has)
}

func overLimit(limit, measured int64) error {
	return fmt.Errorf("it had %s, the limit is %s (WithMemoryLimit)", mebibytes(measured), mebibytes(limit))
}

// overMemoryLimitLocked reports whether a process ended because the kernel gave it no more memory, and takes note of the cause.
func (p *proc) overMemoryLimitLocked() bool {
	limit := p.core.cfg.memoryLimit
	if limit <= 0 {
		return false
	}
	rss := p.maxRSS() // 0 where it is not known: then only what is certain counts
	said := p.text.all(p.mark)
	has := func(mark string) bool { return bytes.Contains(said, []byte(mark)) }
	// What Go's runtime and cgo say is certain. Others may say the like for other reasons, so they must have had much.
	certain := slices.ContainsFunc(goMarks, has) || runtimeCrash().Match(said)
	if !certain && (rss < limit/2 || !slices.ContainsFunc(memoryMarks, has)) {
		return false
	}
	p.cause = allocationFailed(limit, rss)
	return true
}

// allocationFailed is the cause of death of a process that got no more memory. most is the largest that it had, 0 where that is not known.
func allocationFailed(limit, most int64) error {
	if most == 0 {
		return fmt.Errorf("an allocation beyond the limit of %s failed (WithMemoryLimit)", mebibytes(limit))
	}
	return fmt.Errorf("an allocation beyond the limit of %s failed (WithMemoryLimit); it had %s at the most", mebibytes(limit), mebibytes(most))
}

// runtimeCrash is a fault inside of Go's runtime: not all of it looks whether it got the memory that it asked for. A signal that somebody sent has the
// code 0 or, as a number without a sign, an enormous one.
var runtimeCrash = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?m)^SIG(SEGV|BUS): .*\nPC=.* sigcode=[1-9]\d{0,3}( .*)?\n\ngoroutine .*\nruntime\.`)
})

// goMarks is what Go says when it gets no more memory, cgo when there is none for a thread's stack, memoryMarks what C++ and C do.
var (
	goMarks = []string{
		"fatal error: runtime: out of memory", "fatal error: runtime: cannot allocate memory", "fatal error: out of memory",
		"runtime/cgo: ", // pthread_create failed, malloc failed, ...
	}
	memoryMarks = []string{"bad_alloc", "out of memory", "annot allocate memory"}
)

// maxRSS is the largest resident memory that the process ever had, 0 where that is not known: the kernel counts for a new process what its
// parent had when it was started.
func (p *proc) maxRSS() int64 {
	state := p.child.State()
	if state == nil {
		return 0
	}
	if rss := maxRSS(state); rss > p.inheritedRSS+p.inheritedRSS/64+countSlack {
		return rss
	}
	return 0
}

// countSlack is by how much two readings of a process's memory may differ: the kernel counts by processor.
const countSlack = 4 << 20

// renewIfFatLocked retires a worker whose memory is over the soft limit. It is measured after results, at most once a millisecond unless the worker has
// nothing more to do: reading it takes some microseconds.
func (p *proc) renewIfFatLocked(m memory) {
	if m.anon > p.fat {
		p.core.retireLocked(p)
		p.recallAllLocked()
	}
}

// measure returns what the process has, if the soft limit asks for a look now.
func (p *proc) measure(f wire.Frame) (m memory) {
	if p.fat <= 0 || !p.finishedBy(f) && time.Since(p.weighed) < time.Millisecond {
		return memory{}
	}
	m, _ = memoryOf(p.child.PID()) // a process that is gone has nothing
	p.weighed = time.Now()
	return m
}

// finishedBy reports whether a Results frame answers all that the process has.
func (p *proc) finishedBy(f wire.Frame) bool {
	p.core.mu.Lock()
	defer p.core.mu.Unlock()
	return len(p.inflight) == 1 && p.inflight[0].got+int(f.Count) >= p.inflight[0].limit
}

// killCounter attributes kills by the system's out-of-memory killer, of which there is only a count, to the processes that died of SIGKILL.
type killCounter struct {
	mu     sync.Mutex
	watch  *oom.Watch
	over   bool      // nothing is counted any more
	unused int64     // kills that no process was blamed for
	since  time.Time // when the last of them was seen
}

// killWindow is how long after a death, at the most, the count of the killer is looked at.
const killWindow = 2 * time.Second

// begin starts the count. Finding out where it is read takes as long as a call does, so it is not done while the workers start.
func (k *killCounter) begin() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.over {
		k.watch = oom.NewWatch()
	}
}

// end waits until nobody reads the count, and makes it that nobody will.
func (k *killCounter) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.watch, k.over = nil, true
}

func (k *killCounter) lookLocked() {
	if k.watch == nil {
		return
	}
	if time.Since(k.since) > killWindow {
		k.unused = 0
	}
	if n := k.watch.Kills(); n > 0 {
		k.unused += n
		k.since = time.Now()
	}
}

// forget passes over what was killed before now.
func (k *killCounter) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lookLocked()
}

// take reports whether the killer has struck once more than it was blamed for.
func (k *killCounter) take() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lookLocked()
	if k.unused == 0 {
		return false
	}
	k.unused--
	return true
}
