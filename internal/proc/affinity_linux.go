package proc

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// cpuSet is cpus as the kernel wants them.
func cpuSet(cpus []int) (set unix.CPUSet, err error) {
	for _, cpu := range cpus {
		if cpu < 0 {
			return set, stepError("affinity", errNoCPU)
		}
		if set.Set(cpu); !set.IsSet(cpu) {
			return set, stepError("affinity", errNoCPU)
		}
	}
	return set, nil
}

// Confine moves the living child to other processors: all its threads, and those that they will start. What it has started itself stays where it
// is. It does nothing once the child has ended.
func (p *Process) Confine(cpus []int) error {
	set, err := cpuSet(cpus)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return nil
	}
	moved := map[int]bool{}
	for more := true; more; { // a thread that was not moved yet may have started another
		if more, err = moveThreads(p.pid, &set, moved); err != nil {
			return stepError("affinity", err)
		}
	}
	return nil
}

// moveThreads moves the threads of a process that are not in moved, and reports whether there were any.
func moveThreads(pid int, set *unix.CPUSet, moved map[int]bool) (more bool, err error) {
	threads, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "task"))
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
		return false, err
	}
	for _, t := range threads {
		tid, err := strconv.Atoi(t.Name())
		if err != nil || moved[tid] {
			continue
		}
		if err := unix.SchedSetaffinity(tid, set); err != nil && !errors.Is(err, unix.ESRCH) {
			return false, err
		}
		moved[tid], more = true, true
	}
	return more, nil
}
