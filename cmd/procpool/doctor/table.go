package doctor

import "time"

// The groups, in the order of the report.
const (
	groupSystem     = "system"
	groupProcesses  = "processes"
	groupPipes      = "pipes and memory files"
	groupMemory     = "memory"
	groupIsolation  = "isolation"
	groupProcessors = "processors"
	groupCosts      = "what it costs"
	groupDebugging  = "debugging"
	groupLive       = "live"
)

// liveLimit bounds a live check, which may wait for a loaded machine.
const liveLimit = 10 * time.Second

// allChecks are all there are, in the order of the report.
func allChecks() []check {
	return []check{
		newCheck("kernel", groupSystem, "the system, its version and that of Go", probeKernel, judgeKernel),
		newCheck("container", groupSystem, "whether this is a container or a virtual machine", probeContainer, judgeContainer),
		newCheck("proc", groupSystem, "/proc: mounted, readable, complete", probeProc, judgeProc),
		newCheck("executable", groupSystem, "whether this program can be started again", probeExecutable, judgeExecutable),
		newCheck("temp-dir", groupSystem, "the directory for temporary files", probeTempDir, judgeTempDir),
		newCheck("environment", groupSystem, "variables that change how Go and procpool work", probeEnvironment, judgeEnvironment),

		newCheck("processes", groupProcesses, "how many processes and threads this user may have", probeProcesses, judgeProcesses),
		newCheck("descriptors", groupProcesses, "how many files this process may have open", probeDescriptors, judgeDescriptors),
		newCheck("life-pipe", groupProcesses, "whether workers end with their parent, whatever it dies of", probeLifePipe, judgeLifePipe),
		newCheck("pidfd", groupProcesses, "whether the end of a process can be awaited without a thread", probePidfd, judgePidfd),

		newCheck("pipes", groupPipes, "how much fits into a pipe, and the user's quota", probePipes, judgePipes),
		newCheck("sharing", groupPipes, "sealed memory files and their way to another process", probeSharing, judgeSharing),

		newCheck("memory", groupMemory, "how much memory there is, for the machine and for this group", probeMemory, judgeMemory),
		newCheck("overcommit", groupMemory, "whether memory may be reserved that is not used", probeOvercommit, judgeOvercommit),
		newCheck("cgroup", groupMemory, "whether workers can have control groups of their own", probeCgroup, judgeCgroup),
		newCheck("huge-pages", groupMemory, "whether large memory gets large pages", probeHugePages, judgeHugePages),

		newCheck("landlock", groupIsolation, "rules about files and signals", probeLandlock, judgeLandlock),
		newCheck("seccomp", groupIsolation, "filters of system calls, those upon this process too", probeSeccomp, judgeSeccomp),
		newCheck("no-new-privs", groupIsolation, "whether programs can be kept from gaining privileges", probeNoNewPrivs, judgeNoNewPrivs),

		newCheck("processors", groupProcessors, "processors against the quota and GOMAXPROCS", probeProcessors, judgeProcessors),
		newCheck("clock", groupProcessors, "where the time comes from, and what reading it costs", probeClock, judgeClock),

		newCheck("start-cost", groupCosts, "the start of a process of this program", probeStartCost, judgeStartCost).within(10 * time.Second),
		newCheck("pipe-cost", groupCosts, "waking another thread through a pipe, and being woken", probePipeCost, judgePipeCost),
		newCheck("futex-cost", groupCosts, "the same by a futex", probeFutexCost, judgeFutexCost),

		newCheck("tracing", groupDebugging, "whether a debugger and a profiler can look into a worker", probeTracing, judgeTracing),
		newCheck("core-dumps", groupDebugging, "what becomes of the memory of a process that crashes", probeCoreDumps, judgeCoreDumps),

		newCheck("start", groupLive, "a pool starts", probeStart, judgeStart).within(liveLimit),
		newCheck("tasks", groupLive, "tasks are answered, each with its own result", probeTasks, judgeTasks).within(liveLimit),
		newCheck("death", groupLive, "a worker that is killed costs its own task and no other", probeDeath, judgeDeath).within(liveLimit),
		newCheck("timeout", groupLive, "a task that hangs is ended, and its stack is kept", probeTimeout, judgeTimeout).within(liveLimit),
		newCheck("memory-limit", groupLive, "a task that takes too much memory is ended", probeMemoryLimit, judgeMemoryLimit).within(liveLimit),
		newCheck("confinement", groupLive, "a worker that is confined cannot do what it must not", probeConfinement, judgeConfinement).within(liveLimit),
		newCheck("orphans", groupLive, "no worker outlives a parent that is killed", probeOrphans, judgeOrphans).within(liveLimit),
		newCheck("leftovers", groupLive, "nothing is left when pools have closed", probeLeftovers, judgeLeftovers).within(liveLimit),
	}
}
