package doctor

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// probeOrphans starts a program with a pool whose workers ignore everything, kills it as nobody can prepare for, and looks for the workers.
func probeOrphans(ctx context.Context, s *system) (f orphanFacts, err error) {
	if why := s.noPool.Load(); why != nil {
		return f, &noPoolError{text: *why}
	}
	if s.Parent == nil {
		return f, &noPoolError{text: "there is no program to kill"}
	}
	// Whoever starts a process with a death signal must outlive it: the signal comes when the thread ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := s.Parent(ctx)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it must not go on if the doctor ends
	if err := cmd.Start(); err != nil {
		return f, err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	workers := s.awaitChildren(ctx, cmd.Process.Pid)
	f.Workers = len(workers)
	if f.Workers == 0 {
		f.Fault = "the program that was to be killed has started no worker"
		return f, nil
	}
	began := time.Now()
	if err := cmd.Process.Kill(); err != nil {
		f.Fault = err.Error()
		return f, nil
	}
	f.Left = awaitGone(ctx, workers)
	f.Took = int64(time.Since(began))
	return f, nil
}

// awaitChildren returns the children of a process once all that it has are at work, or it takes too long until they are.
func (s *system) awaitChildren(ctx context.Context, pid int) (pids []int) {
	for until := time.Now().Add(3 * time.Second); ctx.Err() == nil && isThere(pid) && time.Now().Before(until); time.Sleep(time.Millisecond) {
		pids = childrenOf(strconv.Itoa(pid))
		if len(pids) > 0 && !slices.ContainsFunc(pids, isResting) {
			return pids
		}
	}
	return pids
}

// isResting reports whether a process has used less than three clock ticks of processor time: a loop has soon used more, a start has not.
func isResting(pid int) bool {
	stat, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 12 {
		return true
	}
	ticks, _ := strconv.Atoi(fields[11]) // utime
	return ticks < 3
}

// awaitGone returns those that are still there after a few seconds.
func awaitGone(ctx context.Context, pids []int) (left []string) {
	for until := time.Now().Add(3 * time.Second); ; time.Sleep(time.Millisecond) {
		left = nil
		for _, pid := range pids {
			if isThere(pid) {
				left = append(left, fmt.Sprintf("process %d", pid))
			}
		}
		if len(left) == 0 || ctx.Err() != nil || time.Now().After(until) {
			return left
		}
	}
}

// isThere reports whether there is a process that is more than a zombie.
func isThere(pid int) bool {
	if unix.Kill(pid, 0) == unix.ESRCH {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	return len(fields) > 0 && fields[0][0] != 'Z' && fields[0][0] != 'X'
}

// childrenOf lists the children of a process, zombies included; "self" is this one.
func childrenOf(pid string) (pids []int) {
	lists, _ := filepath.Glob("/proc/" + pid + "/task/*/children")
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for word := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
