package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

type kernelFacts struct {
	OS      string `json:"os"`
	Arch    string `json:"arch"`
	Release string `json:"release"` // "" where it is not known
	Major   int    `json:"major"`
	Minor   int    `json:"minor"`
	Go      string `json:"go"`
}

func probeKernel(context.Context, *system) (kernelFacts, error) {
	f := kernelFacts{OS: runtime.GOOS, Arch: runtime.GOARCH, Release: kernelRelease(), Go: runtime.Version()}
	f.Major, f.Minor = parseRelease(f.Release)
	return f, nil
}

// parseRelease reads "6.18.44-generic".
func parseRelease(release string) (major, minor int) {
	first, rest, _ := strings.Cut(release, ".")
	second := strings.FieldsFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	major, _ = strconv.Atoi(first)
	if len(second) > 0 {
		minor, _ = strconv.Atoi(second[0])
	}
	return major, minor
}

func judgeKernel(_ *system, f kernelFacts) verdict {
	found := strings.TrimSpace(f.OS+" "+f.Release) + ", " + f.Arch + ", " + f.Go
	switch {
	case f.OS == "windows":
		return verdict{Problem, found, "worker processes are refused; pool.WithInline works", "run it in Linux, WSL 2 included"}
	case f.OS != "linux":
		return verdict{Note, found, "everything but what only Linux has: the status page, the life pipe, affinity, memory limits and hardening", "run it in Linux, where all of it works"}
	case f.Major == 0:
		return verdict{Note, found + "; the version is not known", "what the kernel has is tried, not guessed from its version", "a sandbox that allows uname"}
	case f.Major < 5 || f.Major == 5 && f.Minor < 13:
		return verdict{
			Note, found, "works, without what newer kernels have: pidfds (5.4), close_range (5.11), Landlock (5.13)",
			"a kernel of 5.13 or later, best 6.15, brings all that procpool can use",
		}
	}
	return verdict{OK, found, "what the kernel has is tried, not guessed from its version", ""}
}

type containerFacts struct {
	Container string `json:"container"` // what kind; "" for none that shows
	Machine   string `json:"machine"`   // the hypervisor; "" for none that shows
}

func judgeContainer(_ *system, f containerFacts) verdict {
	const does = "counts the processors that the group may use, and reads the group's memory limit"
	switch {
	case f.Container != "" && f.Machine != "":
		return verdict{OK, "a container (" + f.Container + ") in a virtual machine (" + f.Machine + ")", does, ""}
	case f.Container != "":
		return verdict{OK, "a container (" + f.Container + ")", does, ""}
	case f.Machine != "":
		return verdict{OK, "a virtual machine (" + f.Machine + "); waking a processor that sleeps costs more than on bare metal", does, ""}
	}
	return verdict{OK, "no container and no virtual machine that shows", does, ""}
}

type procFacts struct {
	ReadOnly bool   `json:"read_only"`
	HidePID  string `json:"hidepid"`  // the mount option; "" for none
	Status   bool   `json:"status"`   // /proc/self/status can be read
	Exe      bool   `json:"exe"`      // /proc/self/exe leads to this program
	Children bool   `json:"children"` // the kernel lists the children of a process
	Reason   string `json:"reason"`   // why something is missing
}

func judgeProc(_ *system, f procFacts) verdict {
	switch {
	case !f.Status:
		return verdict{
			Problem, "/proc is not there or not readable: " + f.Reason,
			"no worker starts: what a worker is started from, and whether it is the same program, is found out there",
			"mount it: mount -t proc proc /proc; in a container or sandbox, allow it",
		}
	case !f.Exe:
		return verdict{
			Note, "/proc is there, without /proc/self/exe: " + f.Reason,
			"starts workers by the name of the program, which must not be replaced meanwhile", "mount a whole proc",
		}
	}
	found := "mounted and readable"
	if f.ReadOnly {
		found += ", for reading only"
	}
	if f.HidePID != "" {
		found += ", other users' processes are hidden (hidepid=" + f.HidePID + ")"
	}
	does := "reads memory and CPU time of workers there, and starts them from /proc/self/exe"
	if f.ReadOnly {
		return verdict{
			Note, found, does + "; workers cannot be made the first to go when memory runs out (oom_score_adj)",
			"mount it writable",
		}
	}
	return verdict{OK, found, does, ""}
}

type executableFacts struct {
	Path     string `json:"path"`
	Deleted  bool   `json:"deleted"`  // the file is gone, or another has its name
	NoExec   bool   `json:"noexec"`   // its file system forbids to execute
	Allowed  bool   `json:"allowed"`  // this user may execute it
	SelfExe  bool   `json:"self_exe"` // it can be started by /proc/self/exe
	ReadOnly bool   `json:"read_only"`
	Reason   string `json:"reason"`
}

func probeExecutable(_ context.Context, s *system) (executableFacts, error) {
	path, err := os.Executable()
	if err != nil {
		return executableFacts{Reason: err.Error()}, nil //nolint:nilerr // the reason is a fact
	}
	f := executableFacts{Path: path}
	s.lookAtExecutable(&f)
	return f, nil
}

func judgeExecutable(_ *system, f executableFacts) verdict {
	again := "workers are this program, started again from the image that runs"
	switch {
	case f.Path == "":
		return verdict{Problem, "the path of this program is not known: " + f.Reason, again, "mount /proc"}
	case f.Deleted && !f.SelfExe:
		return verdict{Problem, f.Path + " has been removed or replaced, and /proc/self/exe is not there", "workers cannot be started", "start the program anew"}
	case f.Deleted:
		return verdict{Note, f.Path + " has been removed or replaced since this program was started", again + ", so parent and workers stay one version", "start the program anew to get the new version"}
	case f.NoExec:
		return verdict{Problem, f.Path + " lies on a file system that forbids to execute (noexec)", "workers cannot be started", "move it to another file system, or mount -o remount,exec"}
	case !f.Allowed:
		return verdict{Problem, f.Path + " may not be executed by this user: " + f.Reason, "workers cannot be started", "chmod a+rx, the directories above included"}
	}
	return verdict{OK, f.Path + ", can be started again", again + ": replacing or removing the file does no harm", ""}
}

type tempDirFacts struct {
	Path      string `json:"path"`
	Writable  bool   `json:"writable"`
	FreeBytes int64  `json:"free_bytes"` // -1 where it is not known
	Reason    string `json:"reason"`
}

func probeTempDir(context.Context, *system) (tempDirFacts, error) {
	f := tempDirFacts{Path: os.TempDir(), FreeBytes: freeSpace(os.TempDir())}
	file, err := os.CreateTemp("", "procpool-doctor-")
	if err != nil {
		f.Reason = reason(err)
		return f, nil
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString("procpool")
	if err = errors.Join(err, file.Close()); err != nil {
		f.Reason = reason(err)
		return f, nil
	}
	f.Writable = true
	return f, nil
}

// reason is an error without what the sentence around it says already.
func reason(err error) string {
	if pathErr, ok := errors.AsType[*os.PathError](err); ok {
		return pathErr.Err.Error()
	}
	return err.Error()
}

func judgeTempDir(_ *system, f tempDirFacts) verdict {
	const does = "needs it only where memory files (memfd) are missing: shared values are unlinked files there"
	if !f.Writable {
		return verdict{Note, f.Path + " cannot be written: " + f.Reason, does, "set TMPDIR to a directory that can"}
	}
	if f.FreeBytes < 0 {
		return verdict{OK, f.Path + " can be written", does, ""}
	}
	return verdict{OK, fmt.Sprintf("%s can be written, %s are free", f.Path, size(f.FreeBytes)), does, ""}
}

type environmentFacts struct {
	Variables map[string]string `json:"variables"` // those that matter and are set
}

// variables that matter to Go or to procpool.
var variables = []string{
	"GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GODEBUG", "GOTRACEBACK", "TMPDIR", "LD_PRELOAD", "NO_COLOR", "CLICOLOR_FORCE", "FORCE_COLOR",
}

func probeEnvironment(context.Context, *system) (environmentFacts, error) {
	f := environmentFacts{Variables: map[string]string{}}
	for _, kv := range os.Environ() {
		name, text, _ := strings.Cut(kv, "=")
		if slices.Contains(variables, name) || strings.HasPrefix(name, "PROCPOOL_") {
			f.Variables[name] = text
		}
	}
	return f, nil
}

func judgeEnvironment(_ *system, f environmentFacts) verdict {
	const does = "workers inherit all variables but GOMAXPROCS, which the pool sets for them (pool.WithWorkerProcs, 2 by default)"
	if len(f.Variables) == 0 {
		return verdict{OK, "no variable is set that changes how Go or procpool work", does, ""}
	}
	var set []string
	for name, text := range f.Variables {
		set = append(set, name+"="+strconv.Quote(text))
	}
	slices.Sort(set)
	v := verdict{OK, strings.Join(set, " "), does, ""}
	if doubts := f.doubts(); len(doubts) > 0 {
		v.state, v.improve = Note, strings.Join(doubts, "; ")
	}
	return v
}

// doubts are what about the variables is probably not meant.
func (f *environmentFacts) doubts() (all []string) {
	if text, set := f.Variables["GOMAXPROCS"]; set && text != "" {
		if n, err := strconv.Atoi(text); err != nil || n < 1 {
			all = append(all, "GOMAXPROCS is no number above 0, so Go ignores it: unset it")
		}
	}
	if f.Variables["GOGC"] == "off" && f.Variables["GOMEMLIMIT"] == "" {
		all = append(all, "GOGC=off without GOMEMLIMIT: parent and workers never collect garbage; unset it, or set both")
	}
	if strings.Contains(f.Variables["GODEBUG"], "asyncpreemptoff=1") {
		all = append(all, "GODEBUG=asyncpreemptoff=1: a busy loop cannot be interrupted, so a task that hangs leaves no stack; unset it")
	}
	if f.Variables["LD_PRELOAD"] != "" {
		all = append(all, "LD_PRELOAD: whatever it names runs in each worker as well; unset it if that is not meant")
	}
	return all
}

// sameFile reports whether two paths lead to one file.
func sameFile(a, b string) bool {
	first, err := os.Stat(filepath.Clean(a))
	if err != nil {
		return false
	}
	second, err := os.Stat(filepath.Clean(b))
	return err == nil && os.SameFile(first, second)
}
