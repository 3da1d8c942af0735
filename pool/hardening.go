package pool

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/procpool/procpool/internal/cgroup"
	"github.com/procpool/procpool/internal/harden"
	osproc "github.com/procpool/procpool/internal/proc"
)

// Level says how much a measure of Hardening matters.
type Level int

// The levels. With Default a measure that costs nothing (see Hardening) is tried as with BestEffort, any other is off.
const (
	Default    Level = iota
	Off              // not wanted
	BestEffort       // as far as the system can
	Required         // New fails with the reason where the system cannot
)

// String returns the name of the level.
func (l Level) String() string {
	switch l {
	case Default:
		return "Default"
	case Off:
		return "Off"
	case BestEffort:
		return "BestEffort"
	case Required:
		return "Required"
	}
	return fmt.Sprintf("Level(%d)", int(l))
}

// Hardening is what worker processes, and all that they start, are kept from; the pool's own process never is. What is in force is in WorkerInfo.Hardening.
//
// The first three cost nothing and are tried by default. The rules about files, network and signals are for workers that read what nobody trusts: a worker of the
// same user can otherwise signal this process, read its memory and open every file that it may open. They are Landlock and seccomp, on Linux, and need no privilege;
// workers that have one (root) keep what their capabilities give them. Where even the kernel is not trusted, run the pool inside a virtual machine.
type Hardening struct {
	NoNewPrivs Level // set-user-ID programs (sudo, ping) give a task no privileges. By default tried
	NoCore     Level // no core dumps: they hold what the memory held. By default tried
	OOMFirst   Level // when the machine runs out of memory, workers are killed before this process. By default tried

	Files     Level    // no file is opened, made, moved or executed but below the paths listed and what a program needs to run at all. Linux 5.13
	ReadOnly  []string // absolute paths of files and directories that may be read and executed
	ReadWrite []string // absolute paths where everything is allowed

	Network Level // no sockets but Unix ones. seccomp; with Linux 6.7 no TCP on sockets handed over either
	Signals Level // no signals to processes outside, no looking into them. Linux 6.15, or a corrected 6.12

	// Resource limits of each process; 0 leaves them alone. They are Required unless Limits says otherwise.
	Limits    Level
	CPUTime   time.Duration // of a process in its whole life, rounded up to seconds; then it is killed. RLIMIT_CPU
	FileSize  int64         // bytes; longer files cannot be written. RLIMIT_FSIZE
	OpenFiles int           // descriptors. RLIMIT_NOFILE
	Processes int           // threads of the user, of all his programs together. RLIMIT_NPROC

	// Cgroup is a cgroup directory that was delegated to this user; each worker gets a group of its own in it, with the limit of WithMemoryLimit, and everything in the group
	// is killed with the worker, whatever it has done to its process group. Placing is Required unless InCgroup says otherwise.
	Cgroup   string
	InCgroup Level
}

// WithHardening sets what workers are kept from. New names every measure that is Required and cannot be had, with the reason. The default is Hardening{}.
func WithHardening(h Hardening) Option {
	return option("WithHardening", func(c *config) { c.hardening = h })
}

// oomScoreAdd makes a worker the better choice for the out-of-memory killer: a fifth of all memory better.
const oomScoreAdd = 200

// armor is a Hardening as far as it can be had here.
type armor struct {
	rules    harden.Rules
	limits   harden.Limits
	oomScore int
	groups   *cgroup.Parent
	cannot   []error // what was wanted as far as possible, and is not possible
}

func (l Level) or(standard Level) Level {
	if l == Default {
		return standard
	}
	return l
}

func (l Level) wanted() bool { return l == BestEffort || l == Required }

// complaints names what is wrong with the fields themselves.
func (h *Hardening) complaints() (all []error) {
	bad := func(format string, args ...any) {
		all = append(all, fmt.Errorf("procpool: WithHardening: "+format, args...))
	}
	for name, l := range map[string]Level{
		"NoNewPrivs": h.NoNewPrivs, "NoCore": h.NoCore, "OOMFirst": h.OOMFirst, "Files": h.Files, "Network": h.Network, "Signals": h.Signals,
		"Limits": h.Limits, "InCgroup": h.InCgroup,
	} {
		if l < Default || l > Required {
			bad("%s is %v; want Off, BestEffort or Required", name, l)
		}
	}
	for _, path := range append(append([]string(nil), h.ReadOnly...), h.ReadWrite...) {
		switch _, err := os.Stat(path); {
		case !strings.HasPrefix(path, "/"):
			bad("the path %q is not absolute", path)
		case err != nil:
			bad("%v", err)
		}
	}
	if len(h.ReadOnly)+len(h.ReadWrite) > 0 && !h.Files.wanted() {
		bad("paths are given and Files is %v", h.Files)
	}
	if h.CPUTime < 0 || h.FileSize < 0 || h.OpenFiles < 0 || h.Processes < 0 {
		bad("a limit is negative")
	}
	if h.OpenFiles > 0 && h.OpenFiles < leastOpenFiles {
		bad("OpenFiles is %d; a worker needs %d", h.OpenFiles, leastOpenFiles)
	}
	if h.Cgroup == "" && h.InCgroup.wanted() {
		bad("InCgroup is %v and Cgroup names no directory", h.InCgroup)
	}
	return all
}

// leastOpenFiles is how many descriptors a worker must be able to have: its own lie at 10 and above.
const leastOpenFiles = 32

// fit finds out what of a Hardening can be had here.
func (h *Hardening) fit() (*armor, error) {
	a := &armor{}
	var missing []error
	lacks := func(l Level, err error) {
		if l == Required {
			missing = append(missing, err)
		} else {
			a.cannot = append(a.cannot, err)
		}
	}
	a.fitRules(h, lacks)
	a.fitLimits(h, lacks)
	if h.Cgroup != "" && h.InCgroup != Off {
		var err error
		if a.groups, err = cgroup.Open(h.Cgroup); err != nil {
			a.groups = nil
			lacks(h.InCgroup.or(Required), fmt.Errorf("cgroup: %w", err))
		}
	}
	for i, err := range missing {
		missing[i] = fmt.Errorf("procpool: WithHardening: Required, but not to be had here: %w", err)
	}
	return a, errors.Join(missing...)
}

func (a *armor) fitRules(h *Hardening, lacks func(Level, error)) {
	levels := map[string]Level{
		"no_new_privs": h.NoNewPrivs.or(BestEffort), "files": h.Files, "network": h.Network, "signals": h.Signals,
	}
	rules := harden.Rules{
		NoNewPrivs: levels["no_new_privs"].wanted(), Files: h.Files.wanted(), Network: h.Network.wanted(), Signals: h.Signals.wanted(),
		ReadOnly: h.ReadOnly, ReadWrite: h.ReadWrite,
	}
	possible, missing := rules.Supported()
	for _, m := range missing {
		if m.Rule != "no_new_privs" || h.NoNewPrivs != Default { // what nobody asked for is not missed
			lacks(levels[m.Rule], m)
		}
	}
	a.rules = possible
}

func (a *armor) fitLimits(h *Hardening, lacks func(Level, error)) {
	wanted := h.limits()
	if wanted != (harden.Limits{}) && h.Limits != Off {
		a.limits = wanted
	}
	a.limits.NoCore = h.NoCore.or(BestEffort).wanted()
	if h.OOMFirst.or(BestEffort).wanted() {
		a.oomScore = oomScoreAdd
	}
	if err := canLimit(); err != nil {
		a.oomScore = 0
		if h.OOMFirst.wanted() {
			lacks(h.OOMFirst, fmt.Errorf("oom_score_adj: %w", err))
		}
		if h.NoCore.wanted() || a.limits != (harden.Limits{NoCore: a.limits.NoCore}) {
			lacks(max(h.NoCore, h.Limits.or(Required)), fmt.Errorf("resource limits: %w", err))
		}
		a.limits = harden.Limits{}
	}
}

func (h *Hardening) limits() harden.Limits {
	return harden.Limits{CPU: h.CPUTime, FileSize: h.FileSize, OpenFiles: uint64(max(0, h.OpenFiles)), Processes: uint64(max(0, h.Processes))}
}

// names says what is in force, for WorkerInfo.
func (a *armor) names(grouped bool) (names []string) {
	add := func(on bool, name string) {
		if on {
			names = append(names, name)
		}
	}
	add(a.rules.Any(), "no_new_privs")
	add(a.rules.Files, "files")
	add(a.rules.Network, "network")
	add(a.rules.Signals, "signals")
	add(a.limits.NoCore, "no core dumps")
	add(a.limits.CPU > 0, "cpu time")
	add(a.limits.FileSize > 0, "file size")
	add(a.limits.OpenFiles > 0, "open files")
	add(a.limits.Processes > 0, "processes")
	add(a.oomScore > 0, "oom first")
	add(grouped, "cgroup")
	return names
}

// overCPUTime says that a process was probably killed for having used its processor time; nil where it was not. The kernel's limit counts whole clock ticks,
// what is known of the process is exact and may be much less.
func (p *proc) overCPUTime(state *os.ProcessState) error {
	limit := p.core.armor.limits.CPU
	used := state.UserTime() + state.SystemTime()
	if limit <= 0 || !isKill(signalOf(state)) || used < limit/2 {
		return nil
	}
	return fmt.Errorf("probably at Hardening.CPUTime, %v: it had used %v", limit, used)
}

// dress completes what a process is started with.
func (a *armor) dress(spec *osproc.Spec) {
	spec.Rules, spec.Limits, spec.OOMScore = a.rules, a.limits, a.oomScore
}
