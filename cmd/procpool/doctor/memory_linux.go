package doctor

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/internal/cgroup"
)

func probePipes(ctx context.Context, s *system) (f pipeFacts, err error) {
	f.Page = int64(os.Getpagesize())
	f.Max, _ = s.number("proc/sys/fs/pipe-max-size")
	f.SoftQuota, _ = s.number("proc/sys/fs/pipe-user-pages-soft")
	f.HardQuota, _ = s.number("proc/sys/fs/pipe-user-pages-hard")
	f.Privileged = capability(unix.CAP_SYS_RESOURCE) || capability(unix.CAP_SYS_ADMIN)
	f.Wanted = wantedCapacity(s.Workers)
	f.InUse = s.pipesInUse(ctx)
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		f.Reason = err.Error()
		return f, nil
	}
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	n, err := unix.FcntlInt(uintptr(p[0]), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		return f, err
	}
	f.Default, f.Got = int64(n), int64(n)
	if f.Wanted <= f.Default {
		f.Wanted = f.Default
		return f, nil
	}
	if n, err = unix.FcntlInt(uintptr(p[0]), unix.F_SETPIPE_SZ, int(f.Wanted)); err != nil {
		f.Reason = err.Error()
		return f, nil
	}
	f.Got = int64(n)
	return f, nil
}

// pipesInUse counts the pipes that processes of this user have open, as far as they show; -1 where /proc does not tell.
func (s *system) pipesInUse(ctx context.Context) int64 {
	seen := map[string]bool{}
	uid := uint32(unix.Getuid())
	for _, pid := range s.processes() {
		dir := filepath.Join(s.root, "proc", pid, "fd")
		var st unix.Stat_t
		if unix.Stat(filepath.Dir(dir), &st) != nil || st.Uid != uid {
			continue
		}
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if target, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && strings.HasPrefix(target, "pipe:") {
				seen[target] = true
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	if len(seen) == 0 && openDescriptors() < 0 {
		return -1
	}
	return int64(len(seen))
}

func probeSharing(context.Context, *system) (f sharingFacts, err error) {
	f.NoExec = -1
	fd, err := unix.MemfdCreate("procpool-doctor", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		f.Memfd = err.Error()
		return f, nil
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, 4096); err != nil {
		f.Memfd = err.Error()
		return f, nil
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		f.Seal = err.Error()
	}
	mem, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		f.Map = err.Error()
	} else {
		_ = unix.Munmap(mem)
	}
	f.Pass = wrapped(passOn(fd))
	return f, nil
}

// passOn sends a descriptor to this process itself.
func passOn(fd int) error {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	if err := unix.Sendmsg(p[0], []byte{0}, unix.UnixRights(fd), nil, 0); err != nil {
		return err
	}
	room := make([]byte, unix.CmsgSpace(4))
	//nolint:dogsled // the byte, the flags and the sender do not matter
	_, n, _, _, err := unix.Recvmsg(p[1], make([]byte, 1), room, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return err
	}
	messages, err := unix.ParseSocketControlMessage(room[:n])
	if err != nil || len(messages) == 0 {
		return unix.ENOMSG
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	for _, fd := range fds {
		unix.Close(fd)
	}
	return err
}

func probeMemory(_ context.Context, s *system) (f memoryFacts, err error) {
	info := s.read("proc/meminfo")
	f.Total, f.Available, f.SwapFree = kilobytes(info, "MemTotal"), kilobytes(info, "MemAvailable"), kilobytes(info, "SwapFree")
	if f.Total == 0 {
		var sys unix.Sysinfo_t
		if err := unix.Sysinfo(&sys); err != nil {
			return f, err
		}
		unit := int64(max(sys.Unit, 1))
		f.Total, f.Available, f.SwapFree = int64(sys.Totalram)*unit, int64(sys.Freeram+sys.Bufferram)*unit, int64(sys.Freeswap)*unit
	}
	f.GroupLimit = unlimited
	for _, dir := range s.groups("memory") {
		for _, names := range [][2]string{{"memory.max", "memory.current"}, {"memory.limit_in_bytes", "memory.usage_in_bytes"}} {
			// A limit above all there is limits nothing: v1 says so for none.
			if n, known := s.number(filepath.Join(dir, names[0])); known && n < f.GroupLimit && n < f.Total {
				f.GroupLimit, f.GroupDir = n, dir
				f.GroupUsed, _ = s.number(filepath.Join(dir, names[1]))
			}
		}
	}
	return f, nil
}

func probeOvercommit(_ context.Context, s *system) (f overcommitFacts, err error) {
	mode, known := s.number("proc/sys/vm/overcommit_memory")
	if f.Mode = mode; !known {
		f.Mode = -1
	}
	info := s.read("proc/meminfo")
	f.CommitLimit, f.Committed = kilobytes(info, "CommitLimit"), kilobytes(info, "Committed_AS")
	f.Data, _ = limitOf(unix.RLIMIT_DATA)
	f.Space, _ = limitOf(unix.RLIMIT_AS)
	return f, nil
}

// probeCgroup changes nothing but for a moment: in version 1 it makes a group and removes it, in version 2 it only looks, since a controller that is turned on
// stays on.
func probeCgroup(_ context.Context, s *system) (f cgroupFacts, err error) {
	dirs := cgroup.Own(s.root)
	if len(dirs) == 0 {
		f.Reason = "none is mounted that this process is in"
		return f, nil
	}
	// Where version 2 is there without memory, version 1 has it.
	for _, dir := range dirs {
		controllers := strings.Fields(s.readAt(dir, "cgroup.controllers"))
		switch {
		case exists(dir, "memory.limit_in_bytes"):
			f = cgroupFacts{Version: 1, Dir: dir, Controllers: []string{"memory"}}
			_, err := cgroup.Open(dir)
			f.Writable = err == nil
			if err != nil {
				f.Reason = wrapped(err)
			}
			return f, nil
		case exists(dir, "cgroup.controllers"):
			f = cgroupFacts{Version: 2, Dir: dir, Controllers: controllers}
			f.Reason = wrapped(mayMakeGroups(dir))
			f.Writable, f.Occupied = f.Reason == "", s.readAt(dir, "cgroup.procs") != ""
			if f.Writable && !strings.Contains(" "+strings.Join(controllers, " ")+" ", " memory ") {
				f.Writable, f.Reason = false, "it has no memory controller"
			}
		}
	}
	if f.Version == 2 && len(f.Controllers) == 0 && f.Reason == "" {
		f.Reason = "it has no controllers"
	}
	return f, nil
}

// mayMakeGroups asks, without trying.
func mayMakeGroups(dir string) error {
	for _, path := range []string{dir, filepath.Join(dir, "cgroup.procs"), filepath.Join(dir, "cgroup.subtree_control")} {
		if err := unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS); err != nil {
			return err
		}
	}
	return nil
}

func exists(dir, file string) bool {
	_, err := os.Stat(filepath.Join(dir, file))
	return err == nil
}

// readAt is read for a directory that is not below the root.
func (s *system) readAt(dir, file string) string {
	text, _ := os.ReadFile(filepath.Join(dir, file))
	return strings.TrimSpace(string(text))
}

func probeHugePages(_ context.Context, s *system) (f hugePageFacts, err error) {
	f.Anonymous = chosen(s.read("sys/kernel/mm/transparent_hugepage/enabled"))
	f.Shared = chosen(s.read("sys/kernel/mm/transparent_hugepage/shmem_enabled"))
	return f, nil
}

// chosen is the word in brackets of "always [madvise] never".
func chosen(text string) string {
	_, rest, _ := strings.Cut(text, "[")
	word, _, _ := strings.Cut(rest, "]")
	return word
}
