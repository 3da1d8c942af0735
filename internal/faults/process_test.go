//go:build linux

package faults

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds. FAULTS_SLACK multiplies them for machines that are slow or shared.
var (
	slack = time.Duration(4 * raceFactor * envInt("FAULTS_SLACK", 1))

	detection = 250 * time.Millisecond * slack // from a death to the answer of its task
	killing   = time.Second * slack            // Close
	orphaning = time.Second * slack            // from the parent's death to the last worker's
	patience  = 20 * time.Second               // for what must happen, where the time is not the point
)

func envInt(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// eventually polls until cond holds. It is for what the system tells nobody about.
func eventually(t testing.TB, within time.Duration, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// A watch sees a process end even if it is somebody else's child and
// even if its number is used again.
type watch struct{ pid, fd int }

// watchPID starts to watch a process that is alive.
func watchPID(t testing.TB, pid int) watch {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("process %d: %v", pid, err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return watch{pid, fd}
}

// ended waits for the end of the process, reaped or not.
func (w watch) ended(t testing.TB, within time.Duration) {
	t.Helper()
	for end := time.Now().Add(within); ; {
		left := time.Until(end)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}}, int(max(left, 0).Milliseconds()))
		switch {
		case n > 0:
			return
		case errors.Is(err, unix.EINTR):
		case left <= 0:
			t.Errorf("process %d (%s) is still there after %v", w.pid, processState(w.pid), within)
			unix.PidfdSendSignal(w.fd, unix.SIGKILL, nil, 0)
			return
		}
	}
}

// running reports whether the process has not ended.
func (w watch) running() bool {
	n, _ := unix.Poll([]unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}}, 0)
	return n == 0
}

func (w watch) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := unix.PidfdSendSignal(w.fd, sig, nil, 0); err != nil {
		t.Fatalf("process %d: %v: %v", w.pid, sig, err)
	}
}

// processState returns the letter that /proc gives for a process, "" if there is none.
func processState(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	return splitStat(string(stat))[0]
}

// splitStat returns the fields of /proc/PID/stat after the name, the state first.
func splitStat(stat string) []string {
	return strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
}

// pipesFull reports whether the process has a pipe open, in the given mode, that takes no more. Bytes are not the
// measure: a pipe of one page is full with the 32 of a header when what follows does not fit into the page.
func pipesFull(pid, mode int) bool {
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		info, _ := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%s", pid, entry.Name()))
		var pos, flags int
		fmt.Sscanf(string(info), "pos: %d\nflags: %o", &pos, &flags)
		target, _ := os.Readlink(dir + entry.Name())
		if !strings.HasPrefix(target, "pipe:") || flags&unix.O_ACCMODE != mode {
			continue
		}
		// Opening it again gives another descriptor of the same pipe.
		pipe, err := unix.Open(dir+entry.Name(), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		room, err := unix.Poll([]unix.PollFd{{Fd: int32(pipe), Events: unix.POLLOUT}}, 0)
		unix.Close(pipe)
		if err == nil && room == 0 {
			return true
		}
	}
	return false
}

// stop stops a process and waits until all its threads have stopped: what the process's own state shows is the first thread's, and
// the others run on for a moment.
func stop(t testing.TB, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "the process stops", func() bool { return stopped(pid) })
}

func stopped(pid int) bool {
	stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, path := range stats {
		if stat, err := os.ReadFile(path); err == nil && splitStat(string(stat))[0] != "T" {
			return false
		}
	}
	return len(stats) > 0
}

// children returns the children of this process in any state.
func children(t testing.TB) []int {
	t.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, list := range lists {
		text, _ := os.ReadFile(list) // a thread may have ended since
		for field := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// marked returns the processes whose initial environment holds the text.
func marked(text string) []int {
	var pids []int
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environs {
		environ, err := os.ReadFile(path) // a zombie's is empty: watch and children see those
		if err == nil && bytes.Contains(environ, []byte(text)) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// descriptors returns what is open, by number.
func descriptors(t testing.TB) map[int]string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	open := map[int]string{}
	for _, entry := range entries {
		fd, _ := strconv.Atoi(entry.Name())
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil {
			open[fd] = target
		}
	}
	return open
}

func threads(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
