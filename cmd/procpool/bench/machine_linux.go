package bench

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func systemFacts() (kernel, cpu string, memory int64) {
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		kernel = unix.ByteSliceToString(name.Release[:])
	}
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			cpu = strings.TrimSpace(value)
			break
		}
	}
	var sys unix.Sysinfo_t
	if unix.Sysinfo(&sys) == nil {
		memory = int64(sys.Totalram * uint64(sys.Unit))
	}
	return kernel, cpu, memory
}

// clockTick is the unit of the times in /proc/stat.
const clockTick = 10 * time.Millisecond

// load is what the machine had done when the measuring began.
type load struct {
	before      float64
	began       time.Time
	busy, stole time.Duration
	own         time.Duration
}

func newLoad() *load {
	l := &load{before: loadAverage(), began: time.Now(), own: ownTime()}
	l.busy, l.stole = systemTime()
	return l
}

// after says what the machine has done since, and who.
func (l *load) after() (average, others, stolen float64) {
	busy, stole := systemTime()
	cpus, _ := os.ReadFile("/proc/stat")
	all := time.Since(l.began) * time.Duration(max(1, strings.Count(string(cpus), "\ncpu")))
	if busy == 0 {
		return loadAverage(), -1, -1
	}
	stolen = float64(stole-l.stole) / float64(all)
	others = float64(busy-l.busy-(ownTime()-l.own))/float64(all) + stolen
	return loadAverage(), max(0, others), max(0, stolen)
}

func loadAverage() float64 {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	average, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return -1
	}
	return average
}

// systemTime is the time that all processors were busy, and what the hypervisor took from them.
func systemTime() (busy, stolen time.Duration) {
	text, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 {
		return 0, 0
	}
	ticks := func(i int) time.Duration {
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		return time.Duration(n) * clockTick
	}
	return ticks(1) + ticks(2) + ticks(3) + ticks(6) + ticks(7), ticks(8) // user, nice, system, irq, softirq; steal
}

// ownTime is the processor time of this process, its children that have ended, and those that run.
func ownTime() time.Duration {
	total := time.Duration(0)
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var usage unix.Rusage
		if unix.Getrusage(who, &usage) == nil {
			total += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		}
	}
	return total + descendants(os.Getpid())
}

// descendants is the processor time of the living descendants of a process, and of theirs that have ended.
func descendants(pid int) (total time.Duration) {
	tasks, _ := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	for _, task := range tasks {
		children, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/task/" + task.Name() + "/children")
		for field := range strings.FieldsSeq(string(children)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				continue
			}
			total += processTime(child) + descendants(child)
		}
	}
	return total
}

func processTime(pid int) (total time.Duration) {
	stat, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, rest, _ := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " ")
	fields := strings.Fields(rest)
	for i := 11; i < 15 && i < len(fields); i++ { // utime, stime, and those of its children that have ended
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		total += time.Duration(n) * clockTick
	}
	return total
}

// privateBytes is the memory that a process shares with no other.
func privateBytes(pid int) (total int64) {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[0], "Private_") {
			n, _ := strconv.ParseInt(fields[1], 10, 64)
			total += n << 10
		}
	}
	return total
}
