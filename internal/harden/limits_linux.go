package harden

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Apply sets the limits on the process pid, soft and hard alike. The caller vouches that pid has not been reaped. An error
// names the limit and keeps the errno; limits before it in the order of the fields are set by then.
func (l Limits) Apply(pid int) error {
	if err := l.check(); err != nil {
		return err
	}
	for _, limit := range []struct {
		set      bool
		name     string
		resource int
		value    uint64
	}{
		{l.CPU > 0, "CPU seconds (RLIMIT_CPU)", unix.RLIMIT_CPU, wholeSeconds(l.CPU)},
		{l.FileSize > 0, "file size (RLIMIT_FSIZE)", unix.RLIMIT_FSIZE, uint64(l.FileSize)},
		{l.OpenFiles > 0, "open files (RLIMIT_NOFILE)", unix.RLIMIT_NOFILE, l.OpenFiles},
		{l.Processes > 0, "processes (RLIMIT_NPROC)", unix.RLIMIT_NPROC, l.Processes},
		{l.NoCore, "core size (RLIMIT_CORE)", unix.RLIMIT_CORE, 0},
		{l.Data > 0, "data size (RLIMIT_DATA)", unix.RLIMIT_DATA, l.Data},
	} {
		if !limit.set {
			continue
		}
		if err := lower(pid, limit.resource, limit.value); err != nil {
			return fmt.Errorf("%s to %d: %w", limit.name, limit.value, err)
		}
	}
	return nil
}

// wholeSeconds rounds up, since the kernel takes 0 for 1 and the limit should not come early.
func wholeSeconds(d time.Duration) uint64 { return uint64(math.Ceil(d.Seconds())) }

// lower leaves a hard limit below value alone: a privileged process could raise it.
func lower(pid, resource int, value uint64) error {
	var old unix.Rlimit
	if err := unix.Prlimit(pid, resource, nil, &old); err != nil {
		return err
	}
	value = min(value, old.Max)
	return unix.Prlimit(pid, resource, &unix.Rlimit{Cur: value, Max: value}, nil)
}

// maxOOMScore makes a process the first to be killed.
const maxOOMScore = 1000

// RaiseOOMScore adds to how likely the kernel is to kill the process pid when memory runs out: in thousandths of all memory,
// as if the process used so much more, up to 1000. The caller vouches that pid has not been reaped.
func RaiseOOMScore(pid, add int) error {
	path := fmt.Sprintf("/proc/%d/oom_score_adj", pid)
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0) // and no os.File, which asks the poller first: this is done for each start
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var text [16]byte
	n, err := unix.Read(fd, text[:])
	if err != nil {
		return &os.PathError{Op: "read", Path: path, Err: err}
	}
	score, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if _, err := unix.Pwrite(fd, strconv.AppendInt(text[:0], int64(min(score+add, maxOOMScore)), 10), 0); err != nil {
		return &os.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}
