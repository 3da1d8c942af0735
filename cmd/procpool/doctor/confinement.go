package doctor

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// attempts are what a confined worker tries, and what came of each: "" where it was let, else why it was not.
type attempts struct {
	File    string
	Network string
	Signal  string
}

var try = worker.Register("doctor-try", func(_ context.Context, parent int) (attempts, error) {
	// Everybody may open the root, unless a rule forbids it.
	root, err := os.Open("/")
	root.Close()
	return attempts{File: wrapped(err), Network: wrapped(openSocket()), Signal: wrapped(reachParent(parent))}, nil
})

type confinementFacts struct {
	Rules   []string `json:"rules"`   // in force, of files, network and signals
	Allowed []string `json:"allowed"` // that were in force and forbade nothing
	Fault   string   `json:"fault"`
}

func probeConfinement(ctx context.Context, s *system) (f confinementFacts, err error) {
	p, err := s.startPool(ctx, pool.WithWorkers(1), pool.WithHardening(pool.Hardening{
		Files: pool.BestEffort, Network: pool.BestEffort, Signals: pool.BestEffort,
	}))
	if err != nil {
		return f, err
	}
	defer p.Close()
	got, err := pool.Call(ctx, p, try, os.Getpid())
	if err != nil {
		return confinementFacts{Fault: brief(err)}, nil
	}
	for rule, refusal := range map[string]string{"files": got.File, "network": got.Network, "signals": got.Signal} {
		if !slices.Contains(p.Workers()[0].Hardening, rule) {
			continue
		}
		f.Rules = append(f.Rules, rule)
		if refusal == "" {
			f.Allowed = append(f.Allowed, rule)
		}
	}
	slices.Sort(f.Rules)
	slices.Sort(f.Allowed)
	return f, nil
}

func judgeConfinement(_ *system, f confinementFacts) verdict {
	const does = "Hardening keeps a worker from files, network and signals, as far as the kernel can"
	switch {
	case f.Fault != "":
		return verdict{Problem, f.Fault, does, "see the problems above"}
	case len(f.Allowed) > 0:
		return verdict{Problem, "in force, and without effect: " + join(f.Allowed), does, "the kernel does not do what it says; do not rely on it, use a virtual machine"}
	case len(f.Rules) == 0:
		return verdict{Note, "none of the rules can be had here", does, "see landlock and seccomp above"}
	case len(f.Rules) < 3:
		return verdict{Note, "a worker was refused what it must not do: " + join(f.Rules) + "; the rest cannot be had here", does, "see landlock and seccomp above"}
	}
	return verdict{OK, "a worker was refused to open a directory, to make a socket and to signal this process", does, ""}
}

// census is what there was at one time.
type census struct {
	descriptors map[int]string // and what they refer to; nil where it is not known
	children    []int          // processes; nil where there are none
	unsure      string         // why it is not known whether there are children
}

// since lists what has come since a census and is still there.
func (c census) since(before census) (left []string) {
	for _, pid := range c.children {
		if !slices.Contains(before.children, pid) {
			left = append(left, fmt.Sprintf("process %d", pid))
		}
	}
	for fd, target := range c.descriptors {
		if before.descriptors != nil && before.descriptors[fd] != target {
			left = append(left, fmt.Sprintf("descriptor %d (%s)", fd, target))
		}
	}
	slices.Sort(left)
	return left
}
