package harden

import (
	"errors"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Network needs a filter of system calls beside Landlock, which knows plain TCP only. Multipath TCP is not TCP to it, though
// it talks to any TCP peer, and is what Go's own listeners use where they can; UDP, SCTP, VSOCK and others are not either.
// The filter refuses to make sockets but of the families that stay on this machine. It refuses io_uring as a whole, as
// containers do, since that makes sockets without a system call of that name.

// offsets in what a filter looks at: struct seccomp_data.
const (
	dataNumber   = 0
	dataArch     = 4
	dataFirstArg = 16 // its lower half: all architectures below are little-endian
)

// filterArch is what this architecture is called in struct seccomp_data; 0 where there is no filter for it: 32-bit ones
// make sockets by socketcall too, whose arguments a filter cannot see.
func filterArch() uint32 {
	switch runtime.GOARCH {
	case "amd64":
		return unix.AUDIT_ARCH_X86_64
	case "arm64":
		return unix.AUDIT_ARCH_AARCH64
	case "riscv64":
		return unix.AUDIT_ARCH_RISCV64
	case "loong64":
		return unix.AUDIT_ARCH_LOONGARCH64
	}
	return 0
}

// x32 marks the system calls of another ABI on amd64; numbers of no other architecture reach it.
const x32 = 1 << 30

// socketFilter says EACCES to sockets that leave the machine, EPERM to io_uring, and ENOSYS to system calls of another
// architecture, which have other numbers: 32-bit programs do not run.
func socketFilter(arch uint32) []unix.SockFilter {
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	equal := func(k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: yes, Jf: no, K: k}
	}
	answer := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	refuse := func(errno unix.Errno) unix.SockFilter { return answer(unix.SECCOMP_RET_ERRNO | uint32(errno)) }
	return []unix.SockFilter{
		load(dataArch),
		equal(arch, 1, 0),
		refuse(unix.ENOSYS),
		load(dataNumber),
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jt: 0, Jf: 1, K: x32},
		refuse(unix.ENOSYS),
		equal(unix.SYS_IO_URING_SETUP, 0, 1),
		refuse(unix.EPERM),
		equal(unix.SYS_SOCKET, 0, 3),
		load(dataFirstArg),
		equal(unix.AF_UNIX, 1, 0),
		equal(unix.AF_NETLINK, 0, 1), // what interfaces there are
		answer(unix.SECCOMP_RET_ALLOW),
		refuse(unix.EACCES),
	}
}

// filterSockets filters the system calls of the calling thread for the rest of its life. It needs no_new_privs.
func filterSockets() error {
	filter := socketFilter(filterArch())
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
}

// lacksFilter is why there can be no filter; empty if there can.
func lacksFilter() string {
	if filterArch() == 0 {
		return "there is no filter of sockets for " + runtime.GOARCH
	}
	// A kernel that knows filters looks for one at address 0 and finds none.
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, 0, 0, 0); !errors.Is(err, unix.EFAULT) {
		return "needs a kernel with CONFIG_SECCOMP_FILTER, and a sandbox that allows it"
	}
	return ""
}
