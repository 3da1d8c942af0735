package main

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
)

// The types of this file are values of flags. Their errors say what a value may be; the flag and the value
// that was given are put before it by pflag.

// sizeValue is a number of bytes. Zero is "not given".
type sizeValue int64

func (s *sizeValue) Set(text string) error {
	n, err := parseSize(text)
	switch {
	case err != nil:
		return errors.New("want a size such as 64M, 1.5GiB or 100MB")
	case n == 0:
		return errors.New("want more than 0 bytes")
	}
	*s = sizeValue(n)
	return nil
}

func (s *sizeValue) String() string {
	if *s == 0 {
		return ""
	}
	return byteSize(int64(*s))
}

// exact is the size as it can be given again.
func (s *sizeValue) exact() string {
	n, unit := int64(*s), ""
	for _, larger := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, larger
	}
	return strconv.FormatInt(n, 10) + unit
}

func (s *sizeValue) Type() string { return "size" }

// sizeUnits are those of the SI, those of the IEC, and single letters, which are powers of 1024 as for other
// programs that take memory sizes.
var sizeUnits = []struct {
	suffix string
	factor float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
	{"k", 1 << 10}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40},
}

// parseSize reads a size in bytes, with or without a unit.
func parseSize(text string) (uint64, error) {
	number, factor := text, 1.0
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(text, u.suffix); ok {
			number, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	n, err := parseDecimal(number)
	if err != nil || n*factor >= 1<<50 {
		return 0, fmt.Errorf("%s is not a size", quoted(clipped(text, 60)))
	}
	return uint64(n * factor), nil
}

// parseDecimal reads a number that is written with digits, and perhaps a point, alone or with an exponent.
func parseDecimal(text string) (float64, error) {
	if strings.Trim(text, "0123456789.eE+") != "" || strings.HasPrefix(text, "+") {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(text, 64)
}

// workersValue is how many workers there are to be: a number, or more or less than there are CPUs, or a share of
// them. Zero is "not given".
type workersValue int

const maxWorkers = 1 << 16

func (w *workersValue) Set(text string) error {
	n, err := parseWorkers(text, runtime.GOMAXPROCS(0))
	*w = workersValue(n)
	return err
}

func (w *workersValue) String() string {
	if *w == 0 {
		return ""
	}
	return strconv.Itoa(int(*w))
}

func (w *workersValue) Type() string { return "workers" }

// parseWorkers reads N, +N, -N or N%. What is relative to the CPUs comes to one at least, so that a script runs
// on a small machine too.
func parseWorkers(text string, cpus int) (int, error) {
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		share, err := parseDecimal(percent)
		if err != nil || share <= 0 || share*float64(cpus)/100 > maxWorkers {
			return 0, errors.New("want a share of the CPUs such as 50%, more than 0%")
		}
		return max(1, int(share*float64(cpus)/100)), nil
	}
	digits := strings.TrimLeft(text, "+-")
	n, err := strconv.Atoi(digits)
	if err != nil || len(text)-len(digits) > 1 || n > maxWorkers {
		return 0, fmt.Errorf("want N, +N, -N or N%%, and not more than %d", maxWorkers)
	}
	switch {
	case strings.HasPrefix(text, "+"):
		return cpus + n, nil
	case strings.HasPrefix(text, "-"):
		return max(1, cpus-n), nil
	case n == 0:
		return 0, errors.New("must be at least 1")
	}
	return n, nil
}

// cpusValue is where workers run: lists of CPUs, one for all workers or several for workers in turn.
type cpusValue [][]int

const maxCPU = 1023

func (c *cpusValue) Set(text string) error {
	lists, err := parseCPULists(text)
	*c = lists
	return err
}

func (c *cpusValue) String() string { return "" }

func (c *cpusValue) Type() string { return "cpus" }

// parseCPULists reads lists as those of taskset, with slashes between them: 0,2-3/4.
func parseCPULists(text string) ([][]int, error) {
	var lists [][]int
	for list := range strings.SplitSeq(text, "/") {
		cpus, err := parseCPUs(list)
		if err != nil {
			return nil, err
		}
		lists = append(lists, cpus)
	}
	return lists, nil
}

func parseCPUs(list string) ([]int, error) {
	var cpus []int
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, err := parseCPU(from)
		if err != nil {
			return nil, err
		}
		last, err := parseCPU(to)
		if err != nil {
			return nil, err
		}
		if first > last {
			return nil, fmt.Errorf("the range %s runs backwards", part)
		}
		for cpu := first; cpu <= last; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

func parseCPU(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n > maxCPU {
		return 0, fmt.Errorf("want CPUs from 0 to %d as 0,2-3, and a slash between the lists of workers in turn", maxCPU)
	}
	return int(n), nil
}

// limitValue is a number of items, or a share of them. Zero is "not given".
type limitValue struct {
	count   int
	percent float64
}

func (l *limitValue) Set(text string) error {
	v, err := parseLimit(text)
	*l = v
	return err
}

func (l *limitValue) String() string {
	switch {
	case l.percent > 0:
		return strconv.FormatFloat(l.percent, 'g', -1, 64) + "%"
	case l.count > 0:
		return strconv.Itoa(l.count)
	}
	return ""
}

func (l *limitValue) Type() string { return "limit" }

func parseLimit(text string) (limitValue, error) {
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		share, err := parseDecimal(percent)
		if err != nil || share <= 0 || share > 100 {
			return limitValue{}, errors.New("want a share above 0% and up to 100%")
		}
		return limitValue{percent: share}, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return limitValue{}, errors.New("want a number of items of at least 1, or a share such as 5%")
	}
	return limitValue{count: n}, nil
}

// isGiven tells whether there is a limit.
func (l limitValue) isGiven() bool { return l != limitValue{} }
