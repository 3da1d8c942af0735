package leaktest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// Children lists the child processes of pid, zombies included.
func Children(pid int) []int {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(lists) == 0 {
		return childrenByParent(pid)
	}
	var pids []int
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // that thread has ended, and its children are listed with another
		}
		pids = append(pids, numbers(string(text))...)
	}
	return sorted(pids)
}

// childrenByParent is Children where the kernel keeps no such list: every process is asked for its parent.
func childrenByParent(pid int) (pids []int) {
	for _, other := range processes() {
		if st, ok := readStat(other); ok && st.parent == pid {
			pids = append(pids, other)
		}
	}
	return sorted(pids)
}

// Alive reports whether there is a process pid that is more than a zombie.
func Alive(pid int) bool {
	st, ok := readStat(pid)
	return ok && st.state != "Z" && st.state != "X"
}

// ScanCookie lists the processes, other than this one, that were started with an environment that contains text: the cookie
// of a worker, say, or "NAME=value". It finds orphans wherever they are now; zombies have no environment any more.
func ScanCookie(text string) (pids []int) {
	for _, pid := range processes() {
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err == nil && pid != os.Getpid() && bytes.Contains(env, []byte(text)) {
			pids = append(pids, pid)
		}
	}
	return sorted(pids)
}

// FDs lists the open descriptors of this process and what they refer to, without those that belong to the Go runtime.
func FDs() map[int]string {
	fds := make(map[int]string)
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		// The directory's own descriptor is closed by now and so is no longer a link.
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil || isRuntimes(target) {
			continue
		}
		if fd, err := strconv.Atoi(e.Name()); err == nil {
			fds[fd] = target
		}
	}
	return fds
}

// isRuntimes reports whether the Go runtime keeps target open for good: its poller, and its cgroup's CPU limit.
func isRuntimes(target string) bool {
	switch target {
	case "anon_inode:[eventpoll]", "anon_inode:[eventfd]":
		return true
	}
	return strings.HasPrefix(target, "/sys/fs/cgroup/")
}

// stat is what /proc/PID/stat says.
type stat struct {
	state  string
	parent int
	group  int
}

// readStat reads past the name, which may contain anything, parentheses included.
func readStat(pid int) (stat, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, false
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 3 {
		return stat{}, false
	}
	parent, _ := strconv.Atoi(fields[1])
	group, _ := strconv.Atoi(fields[2])
	return stat{state: fields[0], parent: parent, group: group}, true
}

// describe names a process for people.
func describe(pid int) string {
	st, ok := readStat(pid)
	if !ok {
		return fmt.Sprintf("%d (gone by now)", pid)
	}
	args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	command := strings.ReplaceAll(strings.TrimRight(string(args), "\x00"), "\x00", " ")
	return fmt.Sprintf("%d, state %s, parent %d, group %d: %.200s", pid, st.state, st.parent, st.group, command)
}

func processes() (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func numbers(text string) (ns []int) {
	for field := range strings.FieldsSeq(text) {
		if n, err := strconv.Atoi(field); err == nil {
			ns = append(ns, n)
		}
	}
	return ns
}

func sorted(ns []int) []int {
	sort.Ints(ns)
	return ns
}
