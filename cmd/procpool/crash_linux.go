package main

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// segfault dies of SIGSEGV as a C program does. Go's own handler would turn the bad
// pointer into a panic, and a SIGSEGV from outside into exit code 2; so the signal gets
// its default action back first.
func segfault() {
	noCoreFile()
	var byDefault [64]byte // a struct sigaction of zeros: SIG_DFL, no flags, no mask
	const maskSize = 8
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGSEGV), uintptr(unsafe.Pointer(&byDefault)), 0, maskSize, 0, 0); errno != 0 {
		panic("bug: rt_sigaction: " + errno.Error())
	}
	*nowhere = 1
}

func killSelf() {
	_ = unix.Kill(unix.Getpid(), unix.SIGKILL)
	select {} // until the signal arrives
}

// noCoreFile keeps a crash that was asked for from leaving a core file.
func noCoreFile() { _ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }

// nowhere points to no memory, which the compiler must not know.
var nowhere *int
