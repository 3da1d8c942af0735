//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/pool"
)

// resources is what this process holds while there is no pool.
type resources struct {
	descriptors, children, goroutines, threads int
	heap, resident                             int64 // bytes
}

func (r *resources) String() string {
	return fmt.Sprintf("%d descriptors, %d children, %d goroutines, %d threads, %.1f MiB of heap, %.1f MiB resident",
		r.descriptors, r.children, r.goroutines, r.threads, mib(r.heap), mib(r.resident))
}

func mib(bytes int64) float64 { return float64(bytes) / mebibyte }

func measure() *resources {
	for range 3 { // caches outlive one collection
		runtime.GC()
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return &resources{
		descriptors: len(leaktest.FDs()), children: len(leaktest.Children(os.Getpid())), goroutines: runtime.NumGoroutine(),
		threads: int(status("Threads:")), heap: int64(m.HeapAlloc), resident: status("VmRSS:") * 1024,
	}
}

// status reads a number of /proc/self/status.
func status(name string) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n
		}
	}
	return 0
}

// baseline is what there is once one pool has come and gone: its first start opens what stays open for ever.
func (s *soak) baseline() *leaktest.Baseline {
	p, err := pool.New(context.Background(), pool.WithWorkers(1))
	if err != nil {
		s.complain(wrong, fmt.Sprintf("New: %v", err), nil)
		return leaktest.Take()
	}
	if _, err := pool.Call(context.Background(), p, whoami, struct{}{}); err != nil {
		s.complain(wrong, fmt.Sprintf("Call: %v", err), nil)
	}
	_ = p.Close()
	return leaktest.Take()
}

// leftovers complains about what an epoch has left behind.
func (s *soak) leftovers(base *leaktest.Baseline) {
	const patience = 10 * time.Second
	if leaks := base.Leaks(patience); len(leaks) > 0 {
		s.complain(leftover, strings.Join(leaks, "\n"), nil)
	}
}

// warmUp is how many epochs may raise what the process holds. Go gives no thread back, and arenas are as large as they once were.
const warmUp = 3

// flat complains if the process holds more at the end than after the warm-up.
func (s *soak) flat(first, last *resources) {
	if first == nil {
		return
	}
	const (
		heap     = 4 * mebibyte
		resident = 64 * mebibyte
		threads  = 16
	)
	if last.heap > first.heap+heap {
		s.complain(leftover, fmt.Sprintf("the heap has grown: after the warm-up %v; now %v", first, last), nil)
	}
	if last.resident > first.resident+resident {
		s.complain(leftover, fmt.Sprintf("memory has grown: after the warm-up %v; now %v", first, last), nil)
	}
	if last.threads > first.threads+threads {
		s.complain(leftover, fmt.Sprintf("threads were left: after the warm-up %v; now %v", first, last), nil)
	}
}

// stacks is what all goroutines are doing.
func stacks() string {
	text := make([]byte, 4*mebibyte)
	return string(text[:runtime.Stack(text, true)])
}
