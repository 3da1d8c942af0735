package pool

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/internal/blob"
)

// memoryOf reads /proc/PID/status.
func memoryOf(pid int) (memory, error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return memory{}, err
	}
	return memory{anon: kilobytes(status, "RssAnon:"), shared: kilobytes(status, "RssShmem:"), data: kilobytes(status, "VmData:")}, nil
}

// kilobytes returns the value of a line like "VmData:	   40672 kB", in bytes; 0 where there is none, as in a zombie.
func kilobytes(status []byte, key string) int64 {
	_, rest, _ := bytes.Cut(status, append([]byte{'\n'}, key...))
	line, _, _ := bytes.Cut(rest, []byte{'\n'})
	fields := bytes.Fields(line)
	if len(fields) == 0 {
		return 0
	}
	return number(fields[0]) << 10
}

// mappedOf returns how many bytes of certain files a process has in its resident memory, as /proc/PID/smaps tells.
func mappedOf(pid int, is func(blob.FileID) bool) (total int64) {
	file, err := os.Open("/proc/" + strconv.Itoa(pid) + "/smaps")
	if err != nil {
		return 0
	}
	defer file.Close()
	counts := false
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := lines.Bytes()
		if bytes.HasPrefix(line, []byte("Rss:")) {
			if counts {
				total += kilobytes(append([]byte{'\n'}, line...), "Rss:")
			}
			continue
		}
		if fields := bytes.Fields(line); len(fields) >= 5 && !bytes.HasSuffix(fields[0], []byte{':'}) {
			counts = is(fileOf(fields[3], fields[4]))
		}
	}
	return total
}

// fileOf returns the file that a mapping is of: its device is given as in "00:01".
func fileOf(device, inode []byte) (id blob.FileID) {
	major, minor, _ := strings.Cut(string(device), ":")
	a, errA := strconv.ParseUint(major, 16, 32)
	b, errB := strconv.ParseUint(minor, 16, 32)
	if errA != nil || errB != nil {
		return id
	}
	return blob.FileID{Device: unix.Mkdev(uint32(a), uint32(b)), Inode: uint64(number(inode))}
}

// limitData sets RLIMIT_DATA of a running process.
func limitData(pid int, bytes int64) error {
	limit := unix.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)}
	if err := unix.Prlimit(pid, unix.RLIMIT_DATA, &limit, nil); err != nil {
		return fmt.Errorf("prlimit(RLIMIT_DATA): %w", err)
	}
	return nil
}

// traced reports whether a debugger holds the process: it may be stopped for as long as somebody reads.
func traced(pid int) bool {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return false
	}
	_, rest, _ := bytes.Cut(status, []byte("\nTracerPid:"))
	line, _, _ := bytes.Cut(rest, []byte{'\n'})
	return number(bytes.TrimSpace(line)) != 0
}

// dying reports whether a process has begun to end: it is gone, a zombie, or PF_EXITING is among its flags.
func dying(pid int) bool {
	const exiting = 4
	fields := statFields(pid)
	return len(fields) == 0 || len(fields) > 6 && (fields[0][0] == 'Z' || number(fields[6])&exiting != 0)
}

// ownPeak is the largest resident memory that this process has had.
func ownPeak() int64 {
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return usage.Maxrss << 10
}

// canLimit says why resource limits of other processes cannot be set here.
func canLimit() error { return nil }

// canMeasure says why memory limits cannot be had here.
func canMeasure() error { return nil }
