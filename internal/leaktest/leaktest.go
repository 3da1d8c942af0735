// Package leaktest is test support: when tests end, nothing of theirs may be left. It looks for goroutines, open
// descriptors, child processes (zombies too) and, since a process may have outlived its parent, for any process that was
// started by the tests at whatever remove.
//
//	func TestMain(m *testing.M) {
//		worker.Main()
//		leaktest.Main(m)
//	}
//
// Processes and descriptors are looked for on Linux only.
//
// A test binary that imports it can be run with pipes of another size than the system gives, on Linux:
//
//	PROCPOOL_TEST_PIPE=4096 go test -count 1 ./pool
//
// (-count 1, because go test's cache does not see what is read before the tests begin.)
package leaktest

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/procpool/procpool/internal/proc"
)

// PipeVar is the variable that sets the capacity in bytes of all pipes between a parent and its workers.
const PipeVar = "PROCPOOL_TEST_PIPE"

// It is read here and not in Main because a test binary may also play other programs that own pools, and these have no Main.
func init() {
	text := os.Getenv(PipeVar)
	if text == "" {
		return
	}
	size, err := strconv.Atoi(text)
	if err != nil || size <= 0 {
		panic(fmt.Sprintf("leaktest: %s=%s: want a number of bytes", PipeVar, text))
	}
	proc.PipeSize = size
}

// patience is how long what is on its way out may take: goroutines that a Close does not wait for, kernel bookkeeping.
const patience = 5 * time.Second

// Option adjusts what counts as a leak.
type Option func(*config)

type config struct {
	goroutines []string
	fds        []string
}

// IgnoreGoroutine forgives goroutines whose stack contains text.
func IgnoreGoroutine(text string) Option {
	return func(c *config) { c.goroutines = append(c.goroutines, text) }
}

// IgnoreFD forgives descriptors whose target (as in /proc/self/fd) contains text.
func IgnoreFD(text string) Option {
	return func(c *config) { c.fds = append(c.fds, text) }
}

func newConfig(opts []Option) *config {
	c := &config{}
	for _, opt := range opts {
		opt(c)
	}
	return c
}

// markName is a variable that every process started under Main inherits, unless its environment is made from nothing.
const markName = "PROCPOOL_LEAKTEST"

// mark is markName=value for this process; empty without Mark. It is written before anything is started.
var mark string

// Mark makes every process that is started from now on count as one of this program's, at whatever remove. Main does it.
func Mark() {
	value := rand.Text()
	os.Setenv(markName, value)
	mark = markName + "=" + value
}

// Main runs the tests and exits: with their code, or with 1 if they passed and left something behind, which it prints.
func Main(m *testing.M, opts ...Option) {
	os.Exit(run(m.Run, os.Stderr, patience, opts...))
}

// run is Main without the exit.
func run(tests func() int, out io.Writer, patience time.Duration, opts ...Option) int {
	Mark()
	before := take(newConfig(opts))
	code := tests()
	if code != 0 {
		return code // what failed tests leave behind says nothing new
	}
	leaks := before.wait(patience)
	if len(leaks) == 0 {
		return code
	}
	fmt.Fprintf(out, "leaktest: the tests passed and left behind:\n%s\n", strings.Join(leaks, "\n"))
	return 1
}

// Check fails tb at its end if something is left that was not there when Check was called. Call it first, before other
// cleanups are registered, and not in tests that run in parallel: a neighbour's goroutines look like leaks.
func Check(tb testing.TB, opts ...Option) {
	tb.Helper()
	before := take(newConfig(opts))
	tb.Cleanup(func() {
		tb.Helper()
		if leaks := before.wait(patience); len(leaks) > 0 {
			tb.Errorf("leaktest: left behind:\n%s", strings.Join(leaks, "\n"))
		}
	})
}

// A Baseline is what there was at one time: for programs that are no tests.
type Baseline struct{ *snapshot }

// Take notes what there is now.
func Take(opts ...Option) *Baseline { return &Baseline{take(newConfig(opts))} }

// Leaks describes what is there and was not, a line or a stack each, once nothing is or patience is over.
func (b *Baseline) Leaks(patience time.Duration) []string { return b.wait(patience) }

// A snapshot is what there was before the tests.
type snapshot struct {
	config     *config
	goroutines map[string]bool
	fds        map[int]string
	processes  map[int]bool
}

func take(c *config) *snapshot {
	s := &snapshot{config: c, goroutines: make(map[string]bool), fds: FDs(), processes: make(map[int]bool)}
	for _, g := range goroutines() {
		s.goroutines[g.id] = true
	}
	for _, pid := range descendants() {
		s.processes[pid] = true
	}
	return s
}

// wait returns what is left after at most d, as soon as nothing is.
func (s *snapshot) wait(d time.Duration) []string {
	deadline := time.Now().Add(d)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		leaks := s.leaks()
		if len(leaks) == 0 || time.Now().After(deadline) {
			return leaks
		}
		time.Sleep(pause)
	}
}

// leaks describes what is there and was not, a line or a stack each.
func (s *snapshot) leaks() (leaks []string) {
	for _, pid := range descendants() {
		if !s.processes[pid] {
			leaks = append(leaks, "process "+describe(pid))
		}
	}
	for fd, target := range FDs() {
		if s.fds[fd] != target && !containsAny(target, s.config.fds) {
			leaks = append(leaks, fmt.Sprintf("descriptor %d: %s", fd, target))
		}
	}
	for _, g := range goroutines() {
		if !s.goroutines[g.id] && !g.expected() && !containsAny(g.stack, s.config.goroutines) {
			leaks = append(leaks, g.stack)
		}
	}
	slices.Sort(leaks)
	return leaks
}

// descendants are the children of this process and whoever carries its mark.
func descendants() []int {
	pids := Children(os.Getpid())
	if mark != "" {
		pids = append(pids, ScanCookie(mark)...)
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

func containsAny(s string, texts []string) bool {
	for _, text := range texts {
		if strings.Contains(s, text) {
			return true
		}
	}
	return false
}
