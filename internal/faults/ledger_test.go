//go:build linux

package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A ledger is a file to which every execution of a task appends a line when it
// starts and one when it ends: the proof, from outside the pool, of what ran.
type ledger string

func newLedger(t testing.TB) ledger {
	t.Helper()
	return ledger(filepath.Join(t.TempDir(), "ledger"))
}

// enter appends one line. O_APPEND makes each write whole and final, also if the
// process is killed right after it.
func (l ledger) enter(event byte, index int) error {
	if l == "" {
		return nil
	}
	fd, err := syscall.Open(string(l), syscall.O_WRONLY|syscall.O_CREAT|syscall.O_APPEND|syscall.O_CLOEXEC, 0o666)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	_, err = syscall.Write(fd, fmt.Appendf(nil, "%c %d %d\n", event, index, os.Getpid()))
	return err
}

// history is how often each index was started and ended.
type history struct{ started, ended map[int]int }

func (l ledger) read(t testing.TB) history {
	t.Helper()
	h := history{started: map[int]int{}, ended: map[int]int{}}
	text, err := os.ReadFile(string(l))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var event byte
		var index, pid int
		if _, err := fmt.Sscanf(line, "%c %d %d\n", &event, &index, &pid); err != nil {
			t.Fatalf("ledger line %q: %v", line, err)
		}
		if event == 'S' {
			h.started[index]++
		} else {
			h.ended[index]++
		}
	}
	return h
}

// last is the task that a process started last. It need not have the highest index of those that it started: idle workers take tasks from
// busy ones, from the end.
func (l ledger) last(t testing.TB, process int) (index int) {
	t.Helper()
	text, err := os.ReadFile(string(l))
	if err != nil {
		t.Fatal(err)
	}
	index = -1
	for line := range strings.Lines(string(text)) {
		var event byte
		var i, pid int
		if n, _ := fmt.Sscanf(line, "%c %d %d\n", &event, &i, &pid); n == 3 && event == 'S' && pid == process {
			index = i
		}
	}
	return index
}

// check verifies that tasks 0 to n-1 ran once each, from start to end, except for
// the lost ones, which may have run once at most and not to the end.
func (l ledger) check(t testing.TB, n int, lost ...int) {
	t.Helper()
	h := l.read(t)
	isLost := map[int]bool{}
	for _, index := range lost {
		isLost[index] = true
	}
	for i := range n {
		switch s, e := h.started[i], h.ended[i]; {
		case isLost[i] && (s > 1 || e > 0):
			t.Errorf("task %d was reported lost, but it started %d times and ended %d times", i, s, e)
		case !isLost[i] && (s != 1 || e != 1):
			t.Errorf("task %d started %d times and ended %d times, want once each", i, s, e)
		}
	}
	for i := range h.started {
		if i < 0 || i >= n {
			t.Errorf("task %d ran, but there are only %d", i, n)
		}
	}
}
