package doctor

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/internal/harden"
)

// onThread runs f on a thread that ends afterwards, so that nothing of what it does to its thread stays.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- f()
	}()
	return <-done
}

// measureFor bounds each measurement of waking.
const measureFor = 120 * time.Millisecond

// probePipeCost has two threads answer each other through two pipes, as parent and worker do. The switch of the address space is not in it, which is the
// smaller part.
func probePipeCost(_ context.Context, s *system) (wakeFacts, error) {
	var there, back [2]int
	if err := unix.Pipe2(there[:], unix.O_CLOEXEC); err != nil {
		return wakeFacts{}, err
	}
	defer unix.Close(there[0])
	if err := unix.Pipe2(back[:], unix.O_CLOEXEC); err != nil {
		unix.Close(there[1])
		return wakeFacts{}, err
	}
	defer unix.Close(back[0])
	echoed := make(chan error, 1)
	go func() {
		echoed <- onThread(func() error {
			defer unix.Close(back[1])
			return answer(there[0], back[1])
		})
	}()
	var each []time.Duration
	err := onThread(func() error {
		defer unix.Close(there[1]) // ends the other thread
		b := []byte{0}
		for began := time.Now(); time.Since(began) < measureFor; {
			lap := time.Now()
			if _, err := unix.Write(there[1], b); err != nil {
				return err
			}
			if n, err := readByte(back[0], b); n != 1 {
				return err
			}
			each = append(each, time.Since(lap))
		}
		return nil
	})
	if other := <-echoed; err == nil {
		err = other
	}
	return s.withIdle(wakes(each)), err
}

// answer sends back each byte until there are no more.
func answer(in, out int) error {
	b := []byte{0}
	for {
		n, err := readByte(in, b)
		if n != 1 {
			return err
		}
		if _, err := unix.Write(out, b); err != nil {
			return err
		}
	}
}

// readByte reads through interruptions.
func readByte(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Read(fd, b)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// probeFutexCost has two threads wake each other by one futex word.
func probeFutexCost(_ context.Context, s *system) (wakeFacts, error) {
	var word atomic.Uint32 // whose turn it is: even ours, odd theirs; over is nobody's
	const over = math.MaxUint32
	theirs := make(chan error, 1)
	go func() {
		theirs <- onThread(func() error {
			for {
				turn := word.Load()
				switch {
				case turn == over:
					return nil
				case turn%2 == 0:
					if err := futexWait(&word, turn); err != nil {
						return err
					}
				default:
					if word.CompareAndSwap(turn, turn+1) {
						futexWake(&word)
					}
				}
			}
		})
	}()
	var each []time.Duration
	err := onThread(func() error {
		defer func() {
			word.Store(over)
			futexWake(&word)
		}()
		for began := time.Now(); time.Since(began) < measureFor; {
			lap := time.Now()
			turn := word.Add(1)
			futexWake(&word)
			for word.Load() == turn {
				if err := futexWait(&word, turn); err != nil {
					return err
				}
			}
			each = append(each, time.Since(lap))
		}
		return nil
	})
	if other := <-theirs; err == nil {
		err = other
	}
	return s.withIdle(wakes(each)), err
}

const (
	futexWaitPrivate = 128 // FUTEX_WAIT | FUTEX_PRIVATE_FLAG
	futexWakePrivate = 129
)

// futexWait waits while the word is what it was, for a second at the most.
func futexWait(word *atomic.Uint32, was uint32) error {
	second := unix.Timespec{Sec: 1}
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWaitPrivate, uintptr(was), uintptr(unsafe.Pointer(&second)), 0, 0)
	switch errno {
	case 0, unix.EAGAIN, unix.EINTR, unix.ETIMEDOUT:
		return nil
	}
	return errno
}

func futexWake(word *atomic.Uint32) {
	//nolint:dogsled // whether somebody was woken does not matter
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWakePrivate, 1, 0, 0, 0)
}

func (s *system) withIdle(f wakeFacts) wakeFacts {
	f.Idle, f.Governor = s.read("sys/devices/system/cpu/cpuidle/current_driver"), s.read("sys/devices/system/cpu/cpuidle/current_governor")
	return f
}

func (s *system) lookAtProcessors(f *processorFacts) {
	f.Online = countRange(s.read("sys/devices/system/cpu/online"))
	switch s.read("sys/devices/system/cpu/smt/active") {
	case "1":
		f.SMT = "on"
	case "0":
		f.SMT = "off"
	}
	for _, dir := range s.groups("cpu") {
		if quota := s.quotaOf(dir); quota > 0 && (f.Quota == 0 || quota < f.Quota) {
			f.Quota = quota
		}
	}
}

// quotaOf returns how many processors' worth of time a control group may use; 0 where it may use all.
func (s *system) quotaOf(dir string) float64 {
	quota, period := s.read(filepath.Join(dir, "cpu.cfs_quota_us")), s.read(filepath.Join(dir, "cpu.cfs_period_us"))
	if quota == "" {
		quota, period, _ = strings.Cut(s.read(filepath.Join(dir, "cpu.max")), " ")
	}
	a, errA := strconv.ParseFloat(quota, 64)
	b, errB := strconv.ParseFloat(period, 64)
	if errA != nil || errB != nil || a <= 0 || b <= 0 {
		return 0
	}
	return a / b
}

// countRange counts what a list such as "0-3,8" names.
func countRange(text string) (n int) {
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		a, errA := strconv.Atoi(first)
		b, errB := strconv.Atoi(last)
		switch {
		case errA == nil && !isRange:
			n++
		case errA == nil && errB == nil && b >= a:
			n += b - a + 1
		}
	}
	return n
}

func probeSeccomp(_ context.Context, s *system) (f seccompFacts, err error) {
	f.Network = lacks(harden.Rules{Network: true})
	status := s.read("proc/self/status")
	mode, known := parseNumber(value(status, "Seccomp"))
	if f.Mode = int(mode); !known {
		f.Mode = -1
	}
	if f.Filters, known = parseNumber(value(status, "Seccomp_filters")); !known {
		f.Filters = -1
	}
	return f, nil
}

func probeNoNewPrivs(context.Context, *system) (f noNewPrivsFacts, err error) {
	set, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err != nil {
		f.Reason = err.Error()
		return f, nil //nolint:nilerr // the reason is a fact
	}
	f.Supported, f.Set = true, set == 1
	return f, nil
}

func probeTracing(_ context.Context, s *system) (f tracingFacts, err error) {
	f.Yama, f.PerfParanoid = -1, -1
	if n, known := s.number("proc/sys/kernel/yama/ptrace_scope"); known {
		f.Yama = n
	}
	if text := s.read("proc/sys/kernel/perf_event_paranoid"); text != "" {
		if n, err := strconv.Atoi(text); err == nil {
			f.PerfParanoid = int64(max(n, 0))
		}
	}
	f.Privileged = capability(unix.CAP_SYS_PTRACE)
	f.PerfAllowed = os.Geteuid() == 0 || capability(unix.CAP_PERFMON)
	return f, nil
}

func probeCoreDumps(_ context.Context, s *system) (f coreFacts, err error) {
	f.Pattern = s.read("proc/sys/kernel/core_pattern")
	f.Limit, _ = limitOf(unix.RLIMIT_CORE)
	return f, nil
}
