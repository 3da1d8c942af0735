package cgroup

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Value returns the number that follows key in a text of lines "key number": memory.events, memory.oom_control, vmstat.
func Value(text, key string) (n int64, found bool) {
	for line := range strings.Lines(text) {
		if name, rest, ok := strings.Cut(line, " "); ok && name == key {
			return number(rest)
		}
	}
	return 0, false
}

// number is false for what is none, "max" included, and for what an int64 does not hold.
func number(text string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return n, err == nil && n >= 0
}

// pids reads cgroup.procs. A process that cannot be seen from this PID namespace is in it as 0.
func pids(text string) (list []int) {
	for word := range strings.FieldsSeq(text) {
		if pid, err := strconv.Atoi(word); err == nil && pid >= 0 {
			list = append(list, pid)
		}
	}
	return list
}

// A membership is a line of /proc/PID/cgroup: "0::/user.slice" in v2, "4:memory:/user.slice" in v1.
type membership struct {
	controllers string // empty in v2
	path        string
}

func memberships(text string) (list []membership) {
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) == 3 {
			list = append(list, membership{fields[1], fields[2]})
		}
	}
	return list
}

// generation is nil for a v1 hierarchy that has no memory controller.
func (m membership) generation() *generation {
	switch {
	case m.controllers == "":
		return second
	case hasWord(m.controllers, "memory"):
		return first
	}
	return nil
}

// A mount is what matters of a line of /proc/PID/mountinfo.
type mount struct {
	root       string // the part of the hierarchy that is mounted
	point      string // where
	generation *generation
}

// mounts returns those of cgroup hierarchies with memory, or of v2.
func mounts(text string) (list []mount) {
	for line := range strings.Lines(text) {
		// ID parent major:minor root point options [optional fields] - type source superblock-options
		before, after, ok := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 6 || len(right) < 3 {
			continue
		}
		m := mount{root: unescape(left[3]), point: unescape(left[4])}
		switch {
		case right[0] == "cgroup2":
			m.generation = second
		case right[0] == "cgroup" && hasWord(right[2], "memory"):
			m.generation = first
		default:
			continue
		}
		list = append(list, m)
	}
	return list
}

// locate returns where path, as a membership says it, is below the mount point. What lies outside the mounted part, or
// outside the cgroup namespace ("/../other"), cannot be reached by name.
func (m mount) locate(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(m.root, "/"))
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	rest = strings.TrimLeft(rest, "/")
	if rest != "" && !filepath.IsLocal(rest) || slices.Contains(strings.Split(m.root, "/"), "..") {
		return "", false
	}
	return filepath.Join(m.point, rest), true
}

// unescape undoes the octal escapes of mountinfo: space, tab, newline and backslash.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// hasWord reports whether a list like "cpu,memory" names word.
func hasWord(list, word string) bool { return slices.Contains(strings.Split(list, ","), word) }
