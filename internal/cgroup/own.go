package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// A generation is what the two interfaces call the same things.
type generation struct {
	limit  string
	swap   string // memory and swap together in v1, swap alone in v2
	peak   string
	events string
}

var (
	first = &generation{
		limit: "memory.limit_in_bytes", swap: "memory.memsw.limit_in_bytes",
		peak: "memory.max_usage_in_bytes", events: "memory.oom_control",
	}
	second = &generation{limit: "memory.max", swap: "memory.swap.max", peak: "memory.peak", events: "memory.events"}
)

// Own returns the directories of the cgroups of this process, v2 or of v1's memory hierarchy, that it can see. The files
// of the system are read below root, which is "/" but in tests.
func Own(root string) (dirs []string) {
	for _, own := range ownGroups(root) {
		dirs = append(dirs, own.dir)
	}
	return dirs
}

type place struct {
	dir        string
	generation *generation
}

func ownGroups(root string) (places []place) {
	mounted := readMounts(root)
	for _, group := range memberships(read(root, "proc/self/cgroup")) {
		for _, m := range mounted {
			if m.generation != group.generation() {
				continue
			}
			// Several mounts may show the same hierarchy, and another mount may hide them: one that is there is enough.
			if dir, ok := m.locate(group.path); ok && isDir(filepath.Join(root, dir)) {
				places = append(places, place{filepath.Join(root, dir), m.generation})
				break
			}
		}
	}
	return places
}

func readMounts(root string) []mount { return mounts(read(root, "proc/self/mountinfo")) }

// OOMKills returns how many processes of the cgroup dir the kernel's out-of-memory killer has ended: in v2 with those of
// the groups below it, in v1 without. The count rises before the victim gets its SIGKILL, so whoever has reaped it reads the new one.
func OOMKills(dir string) (int64, error) {
	for _, g := range []*generation{second, first} {
		text, err := os.ReadFile(filepath.Join(dir, g.events))
		if err != nil {
			continue
		}
		if n, ok := Value(string(text), "oom_kill"); ok {
			return n, nil
		}
	}
	return 0, fmt.Errorf("cgroup %s: no count of out-of-memory kills: %w", dir, errors.ErrUnsupported)
}

// read returns what is in a file, nothing where it cannot be read.
func read(dir, file string) string {
	text, _ := os.ReadFile(filepath.Join(dir, file))
	return string(text)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
