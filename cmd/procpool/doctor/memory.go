package doctor

import "fmt"

// workerMemory is what a worker of this program has for itself when it is ready.
const workerMemory = 2 << 20

type memoryFacts struct {
	Total      int64  `json:"total_bytes"`
	Available  int64  `json:"available_bytes"`
	SwapFree   int64  `json:"swap_free_bytes"`
	GroupLimit int64  `json:"group_limit_bytes"` // memory.max of the control group, or one above it
	GroupUsed  int64  `json:"group_used_bytes"`  // by that group
	GroupDir   string `json:"group_dir"`         // whose limit it is; "" for none
}

// free is what may still be used.
func (f *memoryFacts) free() int64 {
	if f.GroupDir == "" {
		return f.Available
	}
	return min(f.Available, max(0, f.GroupLimit-f.GroupUsed))
}

func judgeMemory(s *system, f memoryFacts) verdict {
	found := fmt.Sprintf("%s, %s available", size(f.Total), size(f.Available))
	if f.GroupDir != "" {
		found += fmt.Sprintf("; the control group may have %s, has %s", size(f.GroupLimit), size(f.GroupUsed))
	} else {
		found += "; no limit of a control group"
	}
	does := fmt.Sprintf("a worker that is ready has about %s for itself; kills for want of memory are told as such, and hit workers before the parent", size(workerMemory))
	each := f.free() / int64(max(1, s.Workers))
	switch {
	case f.Total == 0:
		return verdict{Note, "it is not known how much there is", does, "mount /proc"}
	case each < 2*workerMemory:
		return verdict{Problem, found, does, fmt.Sprintf("%s are left for each of %d workers: start fewer, or free memory", size(each), s.Workers)}
	case each < 64<<20:
		return verdict{Note, found, does, fmt.Sprintf("%s are left for each of %d workers: mind what tasks take", size(each), s.Workers)}
	}
	return verdict{OK, found, does, ""}
}

type overcommitFacts struct {
	Mode        int64 `json:"mode"`            // vm.overcommit_memory: 0 heuristic, 1 always, 2 never; -1 where it is not known
	CommitLimit int64 `json:"commit_limit"`    // bytes; counts in mode 2
	Committed   int64 `json:"committed_bytes"` // by all processes
	Data        int64 `json:"rlimit_data"`     // RLIMIT_DATA of this process
	Space       int64 `json:"rlimit_as"`       // RLIMIT_AS of this process
}

// reserved is what a worker reserves of private memory, used or not; a program with C reserves more, for stacks.
const reserved = 140 << 20

func judgeOvercommit(s *system, f overcommitFacts) verdict {
	modes := map[int64]string{0: "as the kernel sees fit", 1: "always", 2: "never beyond the commit limit"}
	found := "memory is promised beyond what there is: " + modes[f.Mode]
	if modes[f.Mode] == "" {
		found = "it is not known whether memory is promised beyond what there is"
	}
	if f.Data != unlimited {
		found += "; RLIMIT_DATA " + size(f.Data)
	}
	if f.Space != unlimited {
		found += "; RLIMIT_AS " + size(f.Space)
	}
	does := fmt.Sprintf("a worker reserves up to %s and uses a fraction of it; pool.WithMemoryLimit works by RLIMIT_DATA", size(reserved))
	left := f.CommitLimit - f.Committed
	switch {
	case f.Space != unlimited && f.Space < 2<<30:
		return verdict{Problem, found, does, "a Go program reserves gigabytes of address space, and ends where it may not: ulimit -v unlimited"}
	case f.Data != unlimited && f.Data < reserved:
		return verdict{Problem, found, does, "a worker cannot start with so little: ulimit -d unlimited"}
	case f.Mode == 2 && left < int64(s.Workers)*reserved:
		return verdict{Problem, fmt.Sprintf("%s; %s of it are left", found, size(max(0, left))), does, "sysctl vm.overcommit_memory=0, or raise vm.overcommit_ratio"}
	case f.Mode == 2:
		return verdict{Note, fmt.Sprintf("%s; %s of it are left", found, size(left)), does, fmt.Sprintf("each worker takes up to %s of it: sysctl vm.overcommit_memory=0 lifts that", size(reserved))}
	case f.Data != unlimited || f.Space != unlimited:
		return verdict{Note, found, does, "workers inherit these limits: an allocation beyond them ends the worker"}
	}
	return verdict{OK, found, does, ""}
}

type cgroupFacts struct {
	Version     int      `json:"version"`     // 1 or 2 of the hierarchy with memory; 0 where no group shows
	Dir         string   `json:"dir"`         // of the group of this process
	Controllers []string `json:"controllers"` // that could be used for groups in it
	Writable    bool     `json:"writable"`    // groups can be made in it
	Occupied    bool     `json:"occupied"`    // version 2: this process is in it, and has to move before its groups get controllers
	Reason      string   `json:"reason"`      // why not
}

func judgeCgroup(_ *system, f cgroupFacts) verdict {
	const (
		without = "memory limits work by RLIMIT_DATA, for the worker alone and not for what it starts; a worker is killed by its process group"
		with    = "Hardening.Cgroup can give each worker a group of its own: a memory limit for all that it starts, and no escape from being killed"
		improve = "have one delegated: systemd-run --user --scope -p Delegate=yes PROGRAM"
	)
	switch {
	case f.Version == 0:
		return verdict{Note, "no control group with memory shows: " + f.Reason, without, "mount cgroup2 at /sys/fs/cgroup"}
	case !f.Writable:
		return verdict{Note, fmt.Sprintf("v%d, %s is not this user's: %s", f.Version, f.Dir, f.Reason), without, improve}
	case f.Occupied:
		return verdict{
			OK, fmt.Sprintf("v%d, %s is this user's, with %s", f.Version, f.Dir, join(f.Controllers)), with + "; this process has to move to a group of its own in it first",
			"mkdir " + f.Dir + "/main && echo $$ >" + f.Dir + "/main/cgroup.procs, before the program is started",
		}
	}
	return verdict{OK, fmt.Sprintf("v%d, groups can be made in %s", f.Version, f.Dir), with, ""}
}

type hugePageFacts struct {
	Anonymous string `json:"anonymous"` // always, madvise or never; "" where it is not known
	Shared    string `json:"shared"`    // the same for memory files: always, within_size, advise, never, ...
}

func judgeHugePages(_ *system, f hugePageFacts) verdict {
	if f.Anonymous == "" && f.Shared == "" {
		return verdict{OK, "this kernel has no transparent huge pages", "works with pages of the usual size", ""}
	}
	found := "private memory: " + f.Anonymous
	if f.Shared != "" {
		found += ", memory files: " + f.Shared
	}
	v := verdict{OK, found, "leaves it to the kernel; shared values are mapped in pages of the usual size", ""}
	if f.Anonymous == "always" {
		v.does = "leaves it to the kernel; a worker with a small heap may hold up to 2 MiB more than it uses"
	}
	return v
}
