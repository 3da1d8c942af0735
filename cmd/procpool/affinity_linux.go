package main

import (
	"errors"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// hasCPU reports whether this process may run on a CPU. Only the attempt tells: a container sees the CPUs of the machine.
func hasCPU(cpu int) bool {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, wanted unix.CPUSet
	if unix.SchedGetaffinity(0, &before) != nil {
		return true // the start of the workers will tell
	}
	defer func() { _ = unix.SchedSetaffinity(0, &before) }()
	wanted.Set(cpu)
	return !errors.Is(unix.SchedSetaffinity(0, &wanted), syscall.EINVAL)
}
