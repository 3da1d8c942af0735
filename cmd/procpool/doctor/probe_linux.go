package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func kernelRelease() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return ""
	}
	return unix.ByteSliceToString(name.Release[:])
}

func probeContainer(_ context.Context, s *system) (containerFacts, error) {
	return containerFacts{Container: s.container(), Machine: s.machine()}, nil
}

// container looks for what the common runtimes leave.
func (s *system) container() string {
	exists := func(path string) bool {
		_, err := os.Lstat(filepath.Join(s.root, path))
		return err == nil
	}
	switch {
	case exists(".dockerenv"):
		return "docker"
	case exists("run/.containerenv"):
		return "podman"
	case exists("run/systemd/container"):
		return s.read("run/systemd/container")
	case os.Getenv("KUBERNETES_SERVICE_HOST") != "":
		return "kubernetes"
	}
	groups := s.read("proc/self/cgroup")
	for _, mark := range []string{"kubepods", "docker", "containerd", "libpod", "lxc"} {
		if strings.Contains(groups, mark) {
			return mark
		}
	}
	return ""
}

// machine names the hypervisor.
func (s *system) machine() string {
	if name := s.read("sys/hypervisor/type"); name != "" {
		return name
	}
	if name := strings.TrimSpace(s.read("sys/class/dmi/id/sys_vendor") + " " + s.read("sys/class/dmi/id/product_name")); name != "" && s.hypervised() {
		return name
	}
	if s.hypervised() {
		return "its name does not show"
	}
	return ""
}

func (s *system) hypervised() bool {
	return strings.Contains(value(s.read("proc/cpuinfo"), "flags")+" ", "hypervisor ")
}

func probeProc(_ context.Context, s *system) (f procFacts, err error) {
	proc := filepath.Join(s.root, "proc")
	var fs unix.Statfs_t
	if unix.Statfs(proc, &fs) == nil {
		f.ReadOnly = fs.Flags&unix.ST_RDONLY != 0
	}
	if _, err := os.ReadFile(filepath.Join(proc, "self/status")); err != nil {
		f.Reason = reason(err)
	} else {
		f.Status = true
	}
	if _, err := os.Readlink(filepath.Join(proc, "self/exe")); err != nil {
		f.Reason = reason(err)
	} else {
		f.Exe = true
	}
	self := s.read("proc/self/stat")
	pid, _, _ := strings.Cut(self, " ")
	_, err = os.Stat(filepath.Join(proc, "self/task", pid, "children"))
	f.Children = err == nil
	f.HidePID = hidePID(s.read("proc/self/mountinfo"))
	return f, nil
}

// hidePID returns the option of that name of the mount at /proc.
func hidePID(mounts string) (option string) {
	for line := range strings.Lines(mounts) {
		left, right, _ := strings.Cut(line, " - ")
		if fields := strings.Fields(left); len(fields) < 5 || fields[4] != "/proc" {
			continue
		}
		option = ""
		for word := range strings.FieldsFuncSeq(right, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' }) {
			if text, ok := strings.CutPrefix(word, "hidepid="); ok {
				option = text
			}
		}
	}
	if option == "0" || option == "off" {
		return ""
	}
	return option
}

func (s *system) lookAtExecutable(f *executableFacts) {
	const self = "/proc/self/exe"
	name := strings.TrimSuffix(f.Path, " (deleted)")
	if _, err := os.Readlink(self); err == nil {
		f.SelfExe = true
		f.Deleted = !sameFile(self, name)
	} else if _, err := os.Stat(name); err != nil {
		f.Deleted = true
	}
	f.Path = name
	image := name
	if f.SelfExe {
		image = self
	}
	var fs unix.Statfs_t
	if unix.Statfs(image, &fs) == nil {
		f.NoExec = fs.Flags&unix.ST_NOEXEC != 0
		f.ReadOnly = fs.Flags&unix.ST_RDONLY != 0
	}
	err := unix.Faccessat(unix.AT_FDCWD, image, unix.X_OK, unix.AT_EACCESS)
	f.Allowed = err == nil
	if err != nil {
		f.Reason = err.Error()
	}
}

func freeSpace(dir string) int64 {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return -1
	}
	return int64(fs.Bavail) * fs.Bsize
}

// limitOf reads a resource limit of this process: what counts, and how far it may be raised.
func limitOf(resource int) (soft, hard int64) {
	var limit unix.Rlimit
	if unix.Getrlimit(resource, &limit) != nil {
		return unlimited, unlimited
	}
	return int64(min(limit.Cur, unlimited)), int64(min(limit.Max, unlimited))
}

// capability reports whether this process has one, in effect.
func capability(n int) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return false
	}
	return data[n/32].Effective&(1<<(n%32)) != 0
}

func probeProcesses(ctx context.Context, s *system) (f processFacts, err error) {
	f.UserLimit, _ = limitOf(unix.RLIMIT_NPROC)
	// The kernel exempts the user root and who has one of two capabilities.
	f.Privileged = unix.Getuid() == 0 || capability(unix.CAP_SYS_RESOURCE) || capability(unix.CAP_SYS_ADMIN)
	f.UserThreads, f.Threads = s.threads(ctx)
	f.GroupLimit, f.GroupCount = s.groupPIDs()
	f.PIDMax, _ = s.number("proc/sys/kernel/pid_max")
	f.ThreadsMax, _ = s.number("proc/sys/kernel/threads-max")
	f.fit()
	if f.WorkersFit < int64(s.Workers) {
		// A Go program that gets no thread ends at once, this one too.
		s.refusePools("there is no room for the threads of so many workers, see processes")
	}
	return f, nil
}

// threads counts those of this user and those of all, as far as they show; -1 where /proc does not tell.
func (s *system) threads(ctx context.Context) (user, all int64) {
	if s.read("proc/self/status") == "" {
		return -1, -1
	}
	uid := strconv.Itoa(unix.Getuid())
	for _, pid := range s.processes() {
		if ctx.Err() != nil {
			break
		}
		status := s.read(filepath.Join("proc", pid, "status"))
		n, _ := parseNumber(value(status, "Threads"))
		all += n
		if owner, _, _ := strings.Cut(value(status, "Uid"), "\t"); owner == uid {
			user += n
		}
	}
	return user, all
}

// processes lists the process ids of /proc.
func (s *system) processes() (pids []string) {
	dir, err := os.Open(filepath.Join(s.root, "proc"))
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		if _, err := strconv.Atoi(name); err == nil {
			pids = append(pids, name)
		}
	}
	return pids
}

// groupPIDs returns the tightest limit of processes of the groups that this process is in, and what counts against it.
func (s *system) groupPIDs() (limit, count int64) {
	limit = unlimited
	for _, dir := range s.groups("pids") {
		if n, known := s.number(filepath.Join(dir, "pids.max")); known && n < limit {
			limit = n
			count, _ = s.number(filepath.Join(dir, "pids.current"))
		}
	}
	return limit, count
}

func probeDescriptors(_ context.Context, s *system) (f descriptorFacts, err error) {
	f.Limit, f.Hard = limitOf(unix.RLIMIT_NOFILE)
	f.Open = openDescriptors()
	f.fit(runtime.GOMAXPROCS(0))
	return f, nil
}

// openDescriptors counts those of this process; -1 where /proc does not tell.
func openDescriptors() int64 {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return int64(len(entries)) - 1 // the directory's own
}

func probeLifePipe(context.Context, *system) (f lifePipeFacts, err error) {
	f.PipeSignal = wrapped(tryPipeSignal())
	f.DeathSignal = wrapped(onThread(func() error {
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
			return err
		}
		return unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0)
	}))
	return f, nil
}

// tryPipeSignal arms a pipe as a life pipe is armed, but with a signal that Go programs ignore, and for this process alone.
func tryPipeSignal() error {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	fd := uintptr(p[0])
	if _, err := unix.FcntlInt(fd, unix.F_SETOWN, unix.Getpid()); err != nil {
		return err
	}
	if _, err := unix.FcntlInt(fd, unix.F_SETSIG, int(unix.SIGURG)); err != nil {
		return err
	}
	_, err := unix.FcntlInt(fd, unix.F_SETFL, unix.O_ASYNC)
	return err
}

func probePidfd(context.Context, *system) (f pidfdFacts, err error) {
	fd, err := unix.PidfdOpen(unix.Getpid(), 0)
	if err != nil {
		f.Reason = err.Error()
		return f, nil
	}
	defer unix.Close(fd)
	if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0); err != nil && !errors.Is(err, unix.EINTR) {
		f.Reason = "poll: " + err.Error()
	}
	return f, nil
}
