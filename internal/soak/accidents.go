//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/procpool/procpool/internal/proc"
	"github.com/procpool/procpool/pool"
)

// An accident comes from outside and happens to workers, whatever they are doing.
type accident struct {
	name   string
	weight int
	happen func(r *round, rng *rand.Rand) bool // whether it did
}

var accidents = []accident{
	{"SIGKILL from outside", 10, func(r *round, rng *rand.Rand) bool { return r.strike(rng, 1, syscall.SIGKILL, killed) }},
	{"SIGKILL of two at once", 4, func(r *round, rng *rand.Rand) bool { return r.strike(rng, 2, syscall.SIGKILL, killed) }},
	{"SIGTERM from outside", 5, func(r *round, rng *rand.Rand) bool { return r.strike(rng, 1, syscall.SIGTERM, terminated) }},
	{"SIGSEGV from outside", 3, func(r *round, rng *rand.Rand) bool { return r.strike(rng, 1, syscall.SIGSEGV, crashed) }},
	{"SIGSTOP and SIGCONT", 6, (*round).pause},
	{"SIGSTOP and SIGKILL", 3, (*round).pauseForEver},
	{"SIGINT from outside", 2, func(r *round, rng *rand.Rand) bool { return r.strike(rng, 1, syscall.SIGINT, "") }},
	{"Resize", 5, (*round).resize},
	{"starts refused with EAGAIN", 2, func(r *round, rng *rand.Rand) bool { return r.soak.scarcity.begin(rng, syscall.EAGAIN) }},
	{"starts refused with EMFILE", 2, func(r *round, rng *rand.Rand) bool { return r.soak.scarcity.begin(rng, syscall.EMFILE) }},
}

// befall lets accidents happen until the load stops.
func (r *round) befall(rng *rand.Rand) {
	every := 30 + rng.IntN(600)
	for {
		select {
		case <-r.stop:
			return
		case <-time.After(millis(rng, 1, 2*every)):
		}
		a := pick(rng, accidents, func(a accident) int { return a.weight })
		if a.happen(r, rng) {
			r.soak.fault(a.name)
		}
	}
}

// victims are up to n workers of the pool, by a handle that cannot become another's.
func (r *round) victims(rng *rand.Rand, n int) (victims []*os.Process) {
	workers := r.pool.Workers()
	rng.Shuffle(len(workers), func(i, k int) { workers[i], workers[k] = workers[k], workers[i] })
	for _, w := range workers {
		if w.PID == 0 || len(victims) == n {
			continue
		}
		p, err := os.FindProcess(w.PID)
		if err != nil || !ours(w.PID) { // asked after there is a handle
			continue
		}
		if w.State == pool.StateStarting {
			r.book.shaken.Store(true) // a start that fails
		}
		victims = append(victims, p)
	}
	return victims
}

// ours reports whether pid is a child of this process.
func ours(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	return len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid())
}

// strike sends a signal to n workers. What it looks like is put down before, since it may be seen at once.
func (r *round) strike(rng *rand.Rand, n int, s syscall.Signal, looks outcome) (struck bool) {
	for _, p := range r.victims(rng, n) {
		if looks != "" {
			r.book.accident(looks, 1)
		}
		if err := p.Signal(s); err == nil {
			struck = true
		} else if looks != "" {
			r.book.accident(looks, -1)
		}
		_ = p.Release()
	}
	return struck
}

func (r *round) pause(rng *rand.Rand) bool {
	stopped := false
	for _, p := range r.victims(rng, 1) {
		stopped = p.Signal(syscall.SIGSTOP) == nil
		time.Sleep(millis(rng, 1, 400))
		_ = p.Signal(syscall.SIGCONT)
		_ = p.Release()
	}
	return stopped
}

func (r *round) pauseForEver(rng *rand.Rand) bool {
	struck := false
	for _, p := range r.victims(rng, 1) {
		r.book.accident(killed, 1)
		_ = p.Signal(syscall.SIGSTOP)
		time.Sleep(millis(rng, 1, 400))
		if struck = p.Signal(syscall.SIGKILL) == nil; !struck {
			r.book.accident(killed, -1)
		}
		_ = p.Release()
	}
	return struck
}

func (r *round) resize(rng *rand.Rand) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	n := 1 + rng.IntN(5)
	err := r.pool.Resize(ctx, n)
	var failed *pool.StartError
	switch {
	case err == nil, errors.Is(err, pool.ErrClosed) && r.book.closing.Load():
		return err == nil
	case errors.As(err, &failed), errors.Is(err, pool.ErrBroken):
		if r.scarce() || r.book.shaken.Load() {
			return true
		}
	}
	if text := err.Error(); strings.Contains(text, "signal:") || strings.Contains(text, "exit status") {
		return true // an accident hit a worker that was starting
	}
	r.complain(wrong, fmt.Sprintf("Resize(%d): %v", n, err))
	return true
}

// A scarcity refuses a few starts, of whichever pool, and counts them.
type scarcity struct {
	left    atomic.Int64
	errno   atomic.Int64
	refused atomic.Int64
	last    atomic.Int64 // when it began, in seconds
}

// begin refuses the next few starts, unless it has done so lately: what is meant are single failures, not the end of pools.
func (s *scarcity) begin(rng *rand.Rand, errno syscall.Errno) bool {
	now, last := time.Now().Unix(), s.last.Load()
	if now-last < 5 || !s.last.CompareAndSwap(last, now) {
		return false
	}
	s.errno.Store(int64(errno))
	s.left.Store(1 + int64(rng.IntN(3)))
	return true
}

// hook is proc.StartHook.
func (s *scarcity) hook(proc.Spec) error {
	for {
		n := s.left.Load()
		if n <= 0 {
			return nil
		}
		if s.left.CompareAndSwap(n, n-1) {
			s.refused.Add(1)
			return syscall.Errno(s.errno.Load())
		}
	}
}
