package doctor

import (
	"fmt"

	"github.com/procpool/procpool/cmd/procpool/numeral"
)

type pipeFacts struct {
	Default    int64  `json:"default_bytes"` // the capacity that a new pipe has
	Max        int64  `json:"max_bytes"`     // to which a user may enlarge one: fs.pipe-max-size
	SoftQuota  int64  `json:"soft_quota"`    // in pages, of all pipes of a user; 0 is none: fs.pipe-user-pages-soft
	HardQuota  int64  `json:"hard_quota"`    // fs.pipe-user-pages-hard
	Page       int64  `json:"page_bytes"`
	Privileged bool   `json:"privileged"` // quotas do not count for this process
	InUse      int64  `json:"in_use"`     // pipes of this user, as far as they show; -1 where that is not known
	Wanted     int64  `json:"wanted_bytes"`
	Got        int64  `json:"got_bytes"` // what a pipe got that asked for Wanted
	Reason     string `json:"reason"`    // why it got less
}

const usualPipe = 64 << 10

// wantedCapacity is what a pool of so many workers asks for its wires: a power of two of at most 1 MiB, of all together 16 MiB; what the system gives
// where that is no more than usual.
func wantedCapacity(workers int) int64 {
	capacity := int64(1 << 20)
	for capacity > usualPipe && 2*int64(workers)*capacity > 16<<20 {
		capacity /= 2
	}
	return capacity
}

func judgePipes(s *system, f pipeFacts) verdict {
	if f.Default == 0 {
		return verdict{Problem, "a pipe cannot be made: " + f.Reason, "no worker starts: all that parent and worker say to each other goes through pipes", "raise the limit of descriptors, or allow pipe2 in the sandbox around this process"}
	}
	found := fmt.Sprintf("%s by default, up to %s", size(f.Default), size(f.Max))
	switch {
	case f.SoftQuota == 0 && f.HardQuota == 0:
		found += ", no quota"
	case f.SoftQuota == 0:
		found += ", quota " + size(f.HardQuota*f.Page)
	default:
		found += ", quota " + size(f.SoftQuota*f.Page)
	}
	if f.Privileged {
		found += " (does not count for a privileged process)"
	}
	if f.InUse >= 0 {
		found += fmt.Sprintf("; %s of this user in use, %s at the usual size", numeral.Of(f.InUse, "pipe"), size(f.InUse*usualPipe))
	}
	does := fmt.Sprintf("the two wires of each of %s hold %s", numeral.Of(int64(s.Workers), "worker"), size(f.Got))
	switch {
	case f.Default < usualPipe:
		return verdict{
			Note, found, "works, but large values travel in small pieces: the quota of this user is used up, so new pipes hold " + size(f.Default),
			"close what holds many pipes, or raise it: sysctl fs.pipe-user-pages-soft",
		}
	case f.Got < f.Wanted:
		return verdict{
			Note, found, fmt.Sprintf("%s instead of %s (%s): values over %s travel in more pieces", does, size(f.Wanted), f.Reason, size(f.Got)),
			"raise fs.pipe-max-size, or the quota fs.pipe-user-pages-soft",
		}
	}
	return verdict{OK, found, does, ""}
}

type sharingFacts struct {
	Memfd  string `json:"memfd"`  // why memory files cannot be made; "" where they can
	Seal   string `json:"seal"`   // why they cannot be sealed
	Map    string `json:"map"`    // why they cannot be mapped
	Pass   string `json:"pass"`   // why a descriptor cannot be passed over a Unix socket
	NoExec int64  `json:"noexec"` // vm.memfd_noexec; -1 where it is not known
}

func judgeSharing(_ *system, f sharingFacts) verdict {
	switch {
	case f.Memfd != "" || f.Seal != "":
		why := "memfd_create: " + f.Memfd
		if f.Memfd == "" {
			why = "sealing a memory file: " + f.Seal
		}
		return verdict{
			Note, why, "workers send a notice before each task (slower tiny tasks), and a shared value is an unlinked temporary file that is read, not mapped, where it comes from a worker",
			"Linux 3.17 or later, and a sandbox that allows memfd_create and its seals",
		}
	case f.Map != "":
		return verdict{Problem, "mapping a memory file: " + f.Map, "shared values (p.Share) fail", "allow mmap in the sandbox around this process"}
	case f.Pass != "":
		return verdict{Problem, "passing a descriptor over a Unix socket: " + f.Pass, "workers do not start: the link for shared memory is missing", "allow socketpair and SCM_RIGHTS in the sandbox around this process"}
	}
	return verdict{OK, "memory files (memfd) can be made, sealed, mapped and passed on", "workers share a status page with the parent, and values by p.Share are mapped, not copied", ""}
}
