package shm

import (
	"errors"
	"math"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// CanNudge says that Nudge reaches a worker that waits.
const CanNudge = true

// The operations of futex(2), not those that are private to a process.
const (
	futexWait = 0
	futexWake = 1
)

func (p *Page) nudge() *uint32 { return (*uint32)(unsafe.Pointer(&p.mem[offNudge])) }

// Nudge makes AwaitNudge return in the worker. It costs a system call.
func (p *Page) Nudge() {
	word := p.nudge()
	atomic.AddUint32(word, 1)
	wake(word)
}

// wake wakes everybody who waits for a word.
func wake(word *uint32) {
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWake, math.MaxInt32, 0, 0, 0)
	_ = errno // the address is good
}

// Nudges returns how often Nudge was called, for AwaitNudge.
func (p *Page) Nudges() uint32 { return atomic.LoadUint32(p.nudge()) }

// AwaitNudge waits until Nudge has been called more often than seen says. It takes a thread.
func (p *Page) AwaitNudge(seen uint32) {
	word := p.nudge()
	for atomic.LoadUint32(word) == seen {
		_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWait, uintptr(seen), 0, 0, 0)
		if errno != 0 && !errors.Is(errno, unix.EAGAIN) && !errors.Is(errno, unix.EINTR) {
			panic("procpool: futex: " + errno.Error()) // the address is good: it cannot be
		}
	}
}
