// Package oom tells whether the out-of-memory killer has been at work. Its victims get a SIGKILL like any other and no
// word of explanation; the kernel only counts them, and it does so before it sends the signal.
//
//	where the count is read                               whose kills it counts
//	memory.events of the own cgroup (v2)                  its processes, and those of the groups below
//	memory.oom_control of the own cgroup (v1)             its processes
//	/proc/vmstat, where the own cgroup has no count       all of the machine
//
// Workers share their parent's group unless they were given their own, whose count is package cgroup's affair: in v1 the
// parent's does not contain it.
//
// What no count shows: a daemon that kills for want of memory (systemd-oomd, earlyoom) sends a SIGKILL as anybody may.
package oom

import (
	"os"
	"path/filepath"
	"sync"

	"github.com/procpool/procpool/internal/cgroup"
)

// Count returns how many processes of this process's cgroup, or of the machine where that is not known, the
// out-of-memory killer has ended. It is not known where the system is not Linux, or older than 4.13.
func Count() (n int64, known bool) { return count(counts("/")) }

// A Watch tells whether the killer has struck since it was last asked. Its methods may be called at the same time; a
// kill is told once, so two owners of workers that die together want a Watch each, or Kills.
type Watch struct {
	root string // "/" but in tests

	mu   sync.Mutex
	last map[string]int64 // by the file's place
}

// NewWatch starts from the counts as they are now.
func NewWatch() *Watch { return newWatch("/") }

func newWatch(root string) *Watch { return &Watch{root: root, last: counts(root)} }

// Risen reports whether a count has risen since the last call of Risen or Kills, or since NewWatch.
func (w *Watch) Risen() bool { return w.Kills() > 0 }

// Kills returns by how much.
func (w *Watch) Kills() (n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := counts(w.root)
	for place, count := range now {
		// A count that was not there before says nothing: this process may have been moved to another group.
		if before, ok := w.last[place]; ok && count > before {
			n += count - before
		}
	}
	w.last = now
	return n
}

// counts reads those of the own cgroups, else the machine's.
func counts(root string) map[string]int64 {
	all := make(map[string]int64)
	for _, dir := range cgroup.Own(root) {
		if n, err := cgroup.OOMKills(dir); err == nil {
			all[dir] = n
		}
	}
	if len(all) > 0 {
		return all
	}
	vmstat := filepath.Join(root, "proc/vmstat")
	if text, err := os.ReadFile(vmstat); err == nil {
		if n, ok := cgroup.Value(string(text), "oom_kill"); ok {
			all[vmstat] = n
		}
	}
	return all
}

func count(all map[string]int64) (n int64, known bool) {
	for _, c := range all {
		n += c
	}
	return n, len(all) > 0
}
