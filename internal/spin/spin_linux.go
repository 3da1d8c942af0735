package spin

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const canYield = true

// yield lets others run. It does not tell Go's scheduler, which would take longer than all the rest; the goroutine can be preempted nevertheless.
func yield() {
	_, _, errno := unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
	_ = errno // it never fails
}

// Readable returns what reports whether a pipe or socket in blocking mode has something to be read. It does not see its end.
func Readable(f *os.File) func() bool {
	fd := f.Fd()
	var n int32
	return func() bool {
		_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, fd, unix.TIOCINQ, uintptr(unsafe.Pointer(&n)))
		return errno == 0 && n > 0
	}
}
