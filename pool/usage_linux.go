package pool

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// clockTick is the unit of CPU times in /proc: USER_HZ, which is 100 on every architecture that Go runs on.
const clockTick = 10 * time.Millisecond

// usage returns the resident memory and the CPU time of a process, zero where it is gone.
func usage(pid int) (rss int64, cpu time.Duration) {
	fields := statFields(pid)
	if len(fields) < 22 {
		return 0, 0
	}
	utime, stime, pages := number(fields[11]), number(fields[12]), number(fields[21])
	return pages * int64(os.Getpagesize()), time.Duration(utime+stime) * clockTick
}

// statFields returns the fields of /proc/PID/stat from the third, the state, on; none where the process is gone.
func statFields(pid int) [][]byte {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	// The second field, the name, may hold spaces; it ends at the last parenthesis.
	return bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
}

func number(field []byte) int64 {
	n, _ := strconv.ParseInt(string(field), 10, 64)
	return n
}
