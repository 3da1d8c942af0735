package cgroup

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Kill ends every process of the group, wherever in it and in whatever session it is. Where the kernel does it alone (v2,
// since 5.14) nobody escapes, and Kill does not wait for the processes to be gone; elsewhere it returns when none is left,
// or with an error when some are after two seconds.
func (g *Group) Kill() error {
	if g.generation == second && write(g.dir, "cgroup.kill", "1") == nil {
		return nil
	}
	return g.killEach()
}

// killEach repeats, since processes may have forked while the list was read.
func (g *Group) killEach() error {
	deadline := time.Now().Add(g.patience)
	for pause := time.Millisecond; ; pause = longer(pause) {
		left, err := g.signalEach()
		if left == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return complain(g.dir, fmt.Sprintf("SIGKILL has left %d of its processes after %v", left, g.patience), err, "")
		}
		time.Sleep(pause)
	}
}

// signalEach kills the members. It returns how many there were, and why they may be there still.
func (g *Group) signalEach() (left int, err error) {
	held := hold(g.members())
	defer release(held)
	err = unix.EBUSY // killed, and not gone yet
	members := g.members()
	for _, pid := range members {
		// A member after it has been taken hold of: one that got the number of a member that is gone is not touched.
		if p := held[pid]; p != nil {
			err = cmp.Or(p.Kill(), err)
		}
	}
	return len(members), err
}

// hold makes sure, where there are pidfds, that a signal goes to the process that had the number now, or to none.
func hold(pids []int) map[int]*os.Process {
	held := make(map[int]*os.Process)
	for _, pid := range pids {
		if pid == 0 { // to kill(2) that is this process's own group
			continue
		}
		if p, err := os.FindProcess(pid); err == nil {
			held[pid] = p
		}
	}
	return held
}

func release(held map[int]*os.Process) {
	for _, p := range held {
		_ = p.Release()
	}
}

// members are the processes in the group and below it.
func (g *Group) members() (list []int) {
	for _, dir := range directories(g.dir) {
		text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if errors.Is(err, unix.EOPNOTSUPP) {
			// A task may turn its group into a threaded one, which lists no processes. SIGKILL to a thread ends them as well.
			text, _ = os.ReadFile(filepath.Join(dir, "cgroup.threads"))
		}
		list = append(list, pids(string(text))...)
	}
	return list
}
