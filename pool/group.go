package pool

import (
	"fmt"
	"os"
	"sync/atomic"

	osproc "github.com/procpool/procpool/internal/proc"
)

// groupCount tells the groups of all pools of this process apart.
var groupCount atomic.Int64

// makeGroup makes the cgroup that p is to be in, if there are to be any.
func (p *proc) makeGroup(spec *osproc.Spec) error {
	a := p.core.armor
	if a.groups == nil {
		return nil
	}
	g, err := a.groups.New(fmt.Sprintf("procpool-%d-%s-%d", os.Getpid(), slotArgument(p.slot.id), groupCount.Add(1)))
	if err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	p.group = g
	if limit := p.core.cfg.memoryLimit; limit > 0 {
		if err := g.SetMemory(limit); err != nil {
			return fmt.Errorf("cgroup: %w", err)
		}
	}
	if fd, ok := g.FD(); ok {
		spec.Cgroup = &fd
	}
	return nil
}

// joinGroup moves the process into its cgroup where it could not be born there.
func (p *proc) joinGroup(pid int) error {
	if p.group == nil {
		return nil
	}
	if _, born := p.group.FD(); born {
		return nil
	}
	if err := p.group.Add(pid); err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	return nil
}

// leaveGroup ends what is left in the cgroup of a process that has ended, removes it, and returns how many processes the kernel has killed in it for want of
// memory.
func (p *proc) leaveGroup() (killed int64) {
	if p.group == nil {
		return 0
	}
	killed, _ = p.group.OOMKills() // 0 where it cannot be read any more
	err := p.group.Kill()
	if rerr := p.group.Remove(); err == nil {
		err = rerr
	}
	if err != nil {
		p.core.log.Warn("the cgroup of a worker could not be removed", "slot", p.slotID(), "error", err)
	}
	return killed
}
