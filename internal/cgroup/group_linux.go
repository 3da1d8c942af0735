package cgroup

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds Kill and Remove: a killed process may have gigabytes to give back before it leaves its group.
const patience = 2 * time.Second

// A Group is a cgroup of one worker and whatever it starts. Its methods may be called at the same time, but for Remove,
// which comes last.
type Group struct {
	dir        string
	generation *generation
	file       *os.File // the directory, for FD; nil in v1
	patience   time.Duration
}

// New creates a group. Its name must be new: what is there already may hold others' processes.
func (p *Parent) New(name string) (*Group, error) {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\n\x00") {
		return nil, fmt.Errorf("cgroup %s: %q is no name for a group: %w", p.dir, name, unix.EINVAL)
	}
	g := &Group{dir: filepath.Join(p.dir, name), generation: p.generation, patience: patience}
	if err := unix.Mkdir(g.dir, 0o755); err != nil { // as all groups are: whoever looks for memory may read their counts
		if errors.Is(err, fs.ErrExist) {
			return nil, complain(g.dir, "it is there already", err, "remove it, or take another name")
		}
		return nil, cannotCreate(p.dir, err)
	}
	if p.generation == first {
		return g, nil
	}
	f, err := os.Open(g.dir)
	if err != nil {
		return nil, errors.Join(err, g.Remove())
	}
	g.file = f
	return g, nil
}

// SetMemory limits what the processes of the group may use together, swap included where the kernel counts it: where it
// does not, they swap before they die. v2 ends all of them when the limit is reached, since a worker that has lost
// a child of its task is of no use.
func (g *Group) SetMemory(bytes int64) error {
	if bytes <= 0 {
		return fmt.Errorf("cgroup %s: %d is no memory limit: %w", g.dir, bytes, unix.EINVAL)
	}
	set := g.setSecond
	if g.generation == first {
		set = g.setFirst
	}
	if err := set(strconv.FormatInt(bytes, 10)); err != nil {
		return cannotLimit(g, bytes, err)
	}
	return nil
}

func (g *Group) setSecond(bytes string) error {
	return cmp.Or(
		write(g.dir, g.generation.limit, bytes),
		g.writeWhereThere(g.generation.swap, "0"),
		g.writeWhereThere("memory.oom.group", "1"),
	)
}

// setFirst keeps the limit at or below that of memory and swap together, at every moment, as the kernel demands: down
// the one goes first, up the other.
func (g *Group) setFirst(bytes string) error {
	err := write(g.dir, g.generation.limit, bytes)
	if errors.Is(err, unix.EINVAL) && write(g.dir, g.generation.swap, bytes) == nil {
		err = write(g.dir, g.generation.limit, bytes)
	}
	return cmp.Or(
		err,
		g.writeWhereThere(g.generation.swap, bytes),
		// A group inherits oom_kill_disable, with which its processes would freeze at the limit instead of ending.
		g.writeWhereThere(g.generation.events, "0"),
	)
}

func (g *Group) writeWhereThere(file, text string) error {
	if err := write(g.dir, file, text); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func cannotLimit(g *Group, bytes int64, err error) error {
	what := fmt.Sprintf("its memory cannot be limited to %d bytes", bytes)
	switch {
	case errors.Is(err, unix.EBUSY):
		return complain(g.dir, what, err, "it uses more and cannot give it back: set the limit before the first process")
	case errors.Is(err, fs.ErrNotExist):
		return complain(g.dir, what, err, "the memory controller is off, or the group was removed")
	}
	return complain(g.dir, what, err, "")
}

// Add moves a process into the group, with all its threads. Children that it has already stay where they are, and so
// does what it has been charged for.
func (g *Group) Add(pid int) error {
	if pid <= 0 { // 0 would be this process
		return fmt.Errorf("cgroup %s: %d is no process: %w", g.dir, pid, unix.EINVAL)
	}
	if err := write(g.dir, "cgroup.procs", strconv.Itoa(pid)); err != nil {
		return complain(g.dir, fmt.Sprintf("process %d cannot be moved into it", pid), errno(err), "")
	}
	return nil
}

// FD returns a descriptor with which a process can be born in the group, by SysProcAttr.UseCgroupFD. It is valid until
// Remove, and there is none in v1.
func (g *Group) FD() (int, bool) {
	if g.file == nil {
		return -1, false
	}
	fd := int(g.file.Fd())
	return fd, fd >= 0
}

// OOMKills returns how many of its processes the out-of-memory killer has ended, groups that tasks have made included.
func (g *Group) OOMKills() (int64, error) {
	sum, err := OOMKills(g.dir)
	if err != nil || g.generation == second {
		return sum, err
	}
	for _, dir := range directories(g.dir)[1:] {
		if n, err := OOMKills(dir); err == nil {
			sum += n
		}
	}
	return sum, nil
}

// Peak returns the most that was in use at one time, in bytes; 0 where the kernel does not say.
func (g *Group) Peak() int64 {
	n, ok := number(read(g.dir, g.generation.peak))
	if !ok {
		return 0
	}
	return n
}

// Remove removes the group, and those that tasks have made in it. The kernel keeps a group until its processes have
// gone, for a moment after they were reaped too, so Remove tries for a while. It kills nobody.
func (g *Group) Remove() error {
	if g.file != nil {
		g.file.Close()
	}
	deadline := time.Now().Add(g.patience)
	for pause := time.Millisecond; ; pause = longer(pause) {
		err := removeAll(g.dir)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return complain(g.dir, "it cannot be removed", errno(err), "")
		}
		time.Sleep(pause)
	}
}

// removeAll removes the directories only: the files in them go with them.
func removeAll(dir string) error {
	for _, sub := range slices.Backward(directories(dir)) {
		if err := unix.Rmdir(sub); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// directories returns dir and all below it, each after the one that it is in.
func directories(dir string) []string {
	list := []string{dir}
	for i := 0; i < len(list); i++ {
		entries, _ := os.ReadDir(list[i])
		for _, e := range entries {
			if e.IsDir() {
				list = append(list, filepath.Join(list[i], e.Name()))
			}
		}
	}
	return list
}

func longer(pause time.Duration) time.Duration { return min(2*pause, 20*time.Millisecond) }
