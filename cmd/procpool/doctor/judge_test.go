package doctor

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// twoWorkers is what facts are judged for.
func twoWorkers() *system { return &system{Options: Options{Workers: 2}, root: "/"} }

// judged is facts that are given to their judge.
func judged[F any](judge func(*system, F) verdict, f F) verdict { return judge(twoWorkers(), f) }

// roomy are facts of a system that has enough of all.
var (
	roomyProcesses  = processFacts{UserLimit: 4096, UserThreads: 100, GroupLimit: unlimited, PIDMax: 32768, ThreadsMax: 100000, Threads: 400}
	roomyPipes      = pipeFacts{Default: 64 << 10, Max: 1 << 20, SoftQuota: 16384, Page: 4096, InUse: 12, Wanted: 1 << 20, Got: 1 << 20}
	roomyMemory     = memoryFacts{Total: 16 << 30, Available: 8 << 30, GroupLimit: unlimited}
	roomyOvercommit = overcommitFacts{Data: unlimited, Space: unlimited, CommitLimit: 8 << 30, Committed: 1 << 30}
)

// with changes a copy.
func with[F any](f F, change func(*F)) F {
	change(&f)
	return f
}

func TestFactsAreJudged(t *testing.T) {
	fitted := func(f processFacts) processFacts { f.fit(); return f }
	descriptors := func(limit, open int64) descriptorFacts {
		f := descriptorFacts{Limit: limit, Open: open}
		f.fit(2)
		return f
	}
	for _, test := range []struct {
		name    string
		verdict verdict
		state   State
		says    string // somewhere in it
	}{
		{"a new kernel", judged(judgeKernel, kernelFacts{OS: "linux", Release: "6.15.1", Major: 6, Minor: 15}), OK, "6.15.1"},
		{"an old kernel", judged(judgeKernel, kernelFacts{OS: "linux", Release: "5.4.0", Major: 5, Minor: 4}), Note, "Landlock (5.13)"},
		{"a kernel that does not say", judged(judgeKernel, kernelFacts{OS: "linux"}), Note, "not known"},
		{"macOS", judged(judgeKernel, kernelFacts{OS: "darwin"}), Note, "life pipe"},
		{"Windows", judged(judgeKernel, kernelFacts{OS: "windows"}), Problem, "WSL"},
		{"bare metal", judged(judgeContainer, containerFacts{}), OK, "no container"},
		{"a container in a machine", judged(judgeContainer, containerFacts{"docker", "KVM"}), OK, "docker"},
		{"no /proc", judged(judgeProc, procFacts{Reason: "no such file"}), Problem, "no such file"},
		{"/proc without exe", judged(judgeProc, procFacts{Status: true, Reason: "denied"}), Note, "must not be replaced"},
		{"/proc for reading", judged(judgeProc, procFacts{Status: true, Exe: true, ReadOnly: true}), Note, "oom_score_adj"},
		{"/proc that hides", judged(judgeProc, procFacts{Status: true, Exe: true, HidePID: "2"}), OK, "hidepid=2"},
		{"a program", judged(judgeExecutable, executableFacts{Path: "/bin/x", Allowed: true, SelfExe: true}), OK, "/bin/x"},
		{"a program of no name", judged(judgeExecutable, executableFacts{Reason: "because"}), Problem, "because"},
		{"a replaced program", judged(judgeExecutable, executableFacts{Path: "/bin/x", Deleted: true, SelfExe: true, Allowed: true}), Note, "one version"},
		{"a lost program", judged(judgeExecutable, executableFacts{Path: "/bin/x", Deleted: true}), Problem, "removed or replaced"},
		{"noexec", judged(judgeExecutable, executableFacts{Path: "/tmp/x", NoExec: true, Allowed: true, SelfExe: true}), Problem, "remount,exec"},
		{"no right to execute", judged(judgeExecutable, executableFacts{Path: "/x", SelfExe: true, Reason: "denied"}), Problem, "chmod"},
		{"a full temp dir", judged(judgeTempDir, tempDirFacts{Path: "/tmp", Reason: "no space"}), Note, "TMPDIR"},
		{"a good temp dir", judged(judgeTempDir, tempDirFacts{Path: "/tmp", Writable: true, FreeBytes: 1 << 30}), OK, "1.0 GiB"},
		{"an empty environment", judged(judgeEnvironment, environmentFacts{}), OK, "no variable"},
		{"a plain environment", judged(judgeEnvironment, environmentFacts{map[string]string{"GOGC": "50"}}), OK, `GOGC="50"`},
		{"GOMAXPROCS=many", judged(judgeEnvironment, environmentFacts{map[string]string{"GOMAXPROCS": "many"}}), Note, "Go ignores it"},
		{"GOGC=off", judged(judgeEnvironment, environmentFacts{map[string]string{"GOGC": "off"}}), Note, "GOMEMLIMIT"},
		{"GOGC=off with a limit", judged(judgeEnvironment, environmentFacts{map[string]string{"GOGC": "off", "GOMEMLIMIT": "1GiB"}}), OK, "GOMEMLIMIT"},
		{"no preemption", judged(judgeEnvironment, environmentFacts{map[string]string{"GODEBUG": "x=1,asyncpreemptoff=1"}}), Note, "stack"},

		{"room for processes", judged(judgeProcesses, fitted(roomyProcesses)), OK, "workers more"},
		{"ulimit -u 20", judged(judgeProcesses, fitted(with(roomyProcesses, func(f *processFacts) { f.UserLimit, f.UserThreads = 20, 7 }))), Problem, "ulimit -u"},
		{"ulimit -u 60", judged(judgeProcesses, fitted(with(roomyProcesses, func(f *processFacts) { f.UserLimit, f.UserThreads = 60, 7 }))), Note, "ulimit -u"},
		{"ulimit -u 20 as root", judged(judgeProcesses, fitted(with(roomyProcesses, func(f *processFacts) { f.UserLimit, f.Privileged = 20, true }))), OK, "privileged"},
		{"pids.max", judged(judgeProcesses, fitted(with(roomyProcesses, func(f *processFacts) { f.GroupLimit, f.GroupCount = 32, 20 }))), Problem, "TasksMax"},
		{"pid_max", judged(judgeProcesses, fitted(with(roomyProcesses, func(f *processFacts) { f.PIDMax = 450 }))), Note, "sysctl"},
		{"no limit of processes", judged(judgeProcesses, fitted(processFacts{UserLimit: unlimited, UserThreads: -1, GroupLimit: unlimited})), OK, "no limit is near"},
		{"descriptors", judged(judgeDescriptors, descriptors(20000, 9)), OK, "2,218 workers"},
		{"descriptors without limit", judged(judgeDescriptors, descriptors(unlimited, -1)), OK, "unlimited"},
		{"ulimit -n 64", judged(judgeDescriptors, descriptors(64, 9)), Note, "enough for some 3 workers"},
		{"ulimit -n 32", judged(judgeDescriptors, descriptors(32, 9)), Problem, "LimitNOFILE"},
		{"a life pipe", judged(judgeLifePipe, lifePipeFacts{}), OK, "outlives"},
		{"no life pipe", judged(judgeLifePipe, lifePipeFacts{PipeSignal: "not permitted"}), Note, "F_SETSIG"},
		{"no death signal", judged(judgeLifePipe, lifePipeFacts{DeathSignal: "not permitted"}), Problem, "no worker starts"},
		{"pidfds", judged(judgePidfd, pidfdFacts{}), OK, "work"},
		{"no pidfds", judged(judgePidfd, pidfdFacts{"not implemented"}), Note, "thread of its own"},

		{"pipes", judged(judgePipes, roomyPipes), OK, "64 KiB by default, up to 1 MiB, quota 64 MiB; 12 pipes"},
		{"no pipes", judged(judgePipes, pipeFacts{Reason: "not permitted"}), Problem, "not permitted"},
		{"a used-up quota", judged(judgePipes, with(roomyPipes, func(f *pipeFacts) { f.Default, f.Got = 8192, 8192 })), Note, "small pieces"},
		{"small pipes only", judged(judgePipes, with(roomyPipes, func(f *pipeFacts) { f.Got, f.Max, f.Reason = 64<<10, 64<<10, "not permitted" })), Note, "instead of 1 MiB"},
		{"pipes without quota", judged(judgePipes, with(roomyPipes, func(f *pipeFacts) { f.SoftQuota = 0 })), OK, "no quota"},
		{"memory files", judged(judgeSharing, sharingFacts{}), OK, "mapped"},
		{"no memory files", judged(judgeSharing, sharingFacts{Memfd: "not permitted"}), Note, "memfd_create: not permitted"},
		{"no seals", judged(judgeSharing, sharingFacts{Seal: "invalid"}), Note, "sealing"},
		{"no descriptors over sockets", judged(judgeSharing, sharingFacts{Pass: "not permitted"}), Problem, "SCM_RIGHTS"},

		{"memory", judged(judgeMemory, roomyMemory), OK, "16.0 GiB, 8.0 GiB available"},
		{"little memory", judged(judgeMemory, with(roomyMemory, func(f *memoryFacts) { f.Available = 64 << 20 })), Note, "32 MiB are left"},
		{"no memory", judged(judgeMemory, with(roomyMemory, func(f *memoryFacts) { f.Available = 4 << 20 })), Problem, "start fewer"},
		{"a tight group", judged(judgeMemory, with(roomyMemory, func(f *memoryFacts) { f.GroupDir, f.GroupLimit, f.GroupUsed = "/g", 128<<20, 64<<20 })), Note, "the control group may have 128 MiB"},
		{"memory that is not known", judged(judgeMemory, memoryFacts{}), Note, "not known"},
		{"overcommit", judged(judgeOvercommit, roomyOvercommit), OK, "as the kernel sees fit"},
		{"strict overcommit", judged(judgeOvercommit, with(roomyOvercommit, func(f *overcommitFacts) { f.Mode = 2 })), Note, "7.0 GiB of it"},
		{"used-up commit limit", judged(judgeOvercommit, with(roomyOvercommit, func(f *overcommitFacts) { f.Mode, f.Committed = 2, 8<<30-1<<20 })), Problem, "overcommit_ratio"},
		{"ulimit -v", judged(judgeOvercommit, with(roomyOvercommit, func(f *overcommitFacts) { f.Space = 512 << 20 })), Problem, "ulimit -v"},
		{"ulimit -d", judged(judgeOvercommit, with(roomyOvercommit, func(f *overcommitFacts) { f.Data = 32 << 20 })), Problem, "ulimit -d"},
		{"a wide ulimit -d", judged(judgeOvercommit, with(roomyOvercommit, func(f *overcommitFacts) { f.Data = 4 << 30 })), Note, "inherit"},
		{"no cgroup", judged(judgeCgroup, cgroupFacts{Reason: "none"}), Note, "RLIMIT_DATA"},
		{"another's cgroup", judged(judgeCgroup, cgroupFacts{Version: 2, Dir: "/g", Reason: "permission denied"}), Note, "Delegate=yes"},
		{"an occupied cgroup", judged(judgeCgroup, cgroupFacts{Version: 2, Dir: "/g", Writable: true, Occupied: true, Controllers: []string{"memory", "pids"}}), OK, "mkdir /g/main"},
		{"a delegated cgroup", judged(judgeCgroup, cgroupFacts{Version: 2, Dir: "/g", Writable: true}), OK, "no escape"},
		{"huge pages", judged(judgeHugePages, hugePageFacts{"always", "never"}), OK, "2 MiB more"},
		{"no huge pages", judged(judgeHugePages, hugePageFacts{}), OK, "no transparent"},

		{"Landlock", judged(judgeLandlock, landlockFacts{ABI: 7, Errata: 7}), OK, "ABI 7, corrections 0x7"},
		{"Landlock without signals", judged(judgeLandlock, landlockFacts{ABI: 4, Signals: "needs Linux 6.12"}), Note, "needs Linux 6.12"},
		{"no Landlock", judged(judgeLandlock, landlockFacts{Files: "switched off"}), Note, "switched off"},
		{"seccomp", judged(judgeSeccomp, seccompFacts{}), OK, "none is upon"},
		{"seccomp within seccomp", judged(judgeSeccomp, seccompFacts{Mode: 2, Filters: 3}), OK, "under 3 filters"},
		{"no seccomp", judged(judgeSeccomp, seccompFacts{Mode: -1, Network: "no filter for mips"}), Note, "no filter for mips"},
		{"no_new_privs", judged(judgeNoNewPrivs, noNewPrivsFacts{Supported: true}), OK, "sudo"},
		{"no_new_privs already", judged(judgeNoNewPrivs, noNewPrivsFacts{Supported: true, Set: true}), OK, "inherit"},
		{"no no_new_privs", judged(judgeNoNewPrivs, noNewPrivsFacts{Reason: "invalid"}), Note, "invalid"},

		{"processors", judged(judgeProcessors, processorFacts{Online: 8, Allowed: 8, GOMAXPROCS: 8, SMT: "on"}), OK, "two threads to a core"},
		{"an affinity", judged(judgeProcessors, processorFacts{Online: 8, Allowed: 4, GOMAXPROCS: 4}), OK, "4 of 8 processors"},
		{"a quota", judged(judgeProcessors, processorFacts{Online: 8, Allowed: 8, GOMAXPROCS: 3, Quota: 2.5}), OK, "a quota of 2.5"},
		{"GOMAXPROCS above the quota", judged(judgeProcessors, processorFacts{Allowed: 8, GOMAXPROCS: 8, Quota: 2, Variable: "8"}), Note, "WithWorkers(2)"},
		{"a runtime that ignores the quota", judged(judgeProcessors, processorFacts{Allowed: 8, GOMAXPROCS: 8, Quota: 2}), Note, "the quota lets 2"},
		{"GOMAXPROCS below", judged(judgeProcessors, processorFacts{Allowed: 8, GOMAXPROCS: 2, Variable: "2"}), Note, "8 could work"},
		{"one processor", judged(judgeProcessors, processorFacts{Allowed: 1, GOMAXPROCS: 1}), Note, "makes nothing faster"},
		{"a fast clock", judged(judgeClock, clockFacts{"tsc", 40}), OK, "tsc: reading it takes 40 ns"},
		{"a slow clock", judged(judgeClock, clockFacts{"hpet", 1200}), Note, "clocksource=tsc"},
		{"a start", judged(judgeStartCost, startCostFacts{9, 4e6, 3e6}), OK, "4 ms from start to end"},
		{"a slow start", judged(judgeStartCost, startCostFacts{1, 400e6, 400e6}), Note, "inittrace"},
		{"a start that was not measured", judged(judgeStartCost, startCostFacts{}), OK, "not measured"},
		{"a wake", judged(judgePipeCost, wakeFacts{Median: 6000, P90: 9000, Idle: "haltpoll", Governor: "haltpoll"}), OK, "6 µs there and back"},
		{"a slow wake", judged(judgePipeCost, wakeFacts{Median: 160_000, P90: 200_000, Idle: "none"}), Note, "cpuidle_haltpoll"},
		{"a futex", judged(judgeFutexCost, wakeFacts{Median: 5000, P90: 6000}), OK, "5 µs"},

		{"a debugger", judged(judgeTracing, tracingFacts{Yama: 0, PerfParanoid: 2}), OK, "can attach"},
		{"yama 1", judged(judgeTracing, tracingFacts{Yama: 1, PerfParanoid: -1}), Note, "attach as root"},
		{"yama 1 as root", judged(judgeTracing, tracingFacts{Yama: 1, Privileged: true, PerfParanoid: -1}), OK, "can attach"},
		{"yama 3", judged(judgeTracing, tracingFacts{Yama: 3, PerfParanoid: 4}), Note, "next boot"},
		{"no perf", judged(judgeTracing, tracingFacts{Yama: -1, PerfParanoid: 4}), Note, "perf is not"},
		{"no core dumps", judged(judgeCoreDumps, coreFacts{Pattern: "core"}), OK, "off"},
		{"core dumps to a program", judged(judgeCoreDumps, coreFacts{Pattern: "|/usr/lib/dumper %p", Limit: unlimited}), OK, "handed to /usr/lib/dumper"},

		{"a pool", judged(judgeStart, startFacts{Workers: 2, Took: 5e6, Threads: 6.5, Private: 1 << 20, Descriptors: 9}), OK, "2 workers ready after 5 ms"},
		{"tasks", judged(judgeTasks, taskFacts{Tasks: 20000, Each: 700, Call: 40000}), OK, "20,000 tasks answered rightly, 700 ns each"},
		{"wrong results", judged(judgeTasks, taskFacts{Fault: "results are others'"}), Problem, "others'"},
		{"a death", judged(judgeDeath, deathFacts{Tasks: 16, Failed: 1, Ended: "signal: killed"}), OK, "1 of 16 tasks"},
		{"a death with company", judged(judgeDeath, deathFacts{Fault: "blamed on others"}), Problem, "blamed"},
		{"a timeout", judged(judgeTimeout, timeoutFacts{Limit: 2e8, Took: 21e7, Stack: true}), OK, "210 ms"},
		{"a timeout without a stack", judged(judgeTimeout, timeoutFacts{Limit: 2e8, Took: 21e7}), Note, "could not be had"},
		{"no timeout", judged(judgeTimeout, timeoutFacts{Fault: "not ended"}), Problem, "not ended"},
		{"a memory limit", judged(judgeMemoryLimit, limitFacts{Limit: 96 << 20, Asked: 512 << 20, Reason: "memory limit"}), OK, "512 MiB under a limit of 96 MiB"},
		{"no memory limits", judged(judgeMemoryLimit, limitFacts{Cannot: "no /proc"}), Problem, "no /proc"},
		{"a limit that does not hold", judged(judgeMemoryLimit, limitFacts{Fault: "took 512 MiB"}), Problem, "took 512 MiB"},
		{"confinement", judged(judgeConfinement, confinementFacts{Rules: []string{"files", "network", "signals"}}), OK, "refused"},
		{"half of it", judged(judgeConfinement, confinementFacts{Rules: []string{"network"}}), Note, "network"},
		{"none of it", judged(judgeConfinement, confinementFacts{}), Note, "none"},
		{"rules without effect", judged(judgeConfinement, confinementFacts{Rules: []string{"files"}, Allowed: []string{"files"}}), Problem, "without effect: files"},
		{"no orphans", judged(judgeOrphans, orphanFacts{Workers: 2, Took: 1e6}), OK, "2 workers looped for ever: gone after 1 ms"},
		{"orphans", judged(judgeOrphans, orphanFacts{Workers: 2, Left: []string{"process 7"}}), Problem, "outlived"},
		{"nothing left", judged(judgeLeftovers, leftoverFacts{Took: 1e6}), OK, "is left"},
		{"something left", judged(judgeLeftovers, leftoverFacts{Left: []string{"process 7"}}), Problem, "left behind: process 7"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := test.verdict
			assert.Equal(t, test.state, v.state)
			assert.Contains(t, v.found+"\n"+v.does+"\n"+v.improve, test.says)
			assert.NotEmpty(t, v.found)
			if v.state != OK {
				assert.NotEmpty(t, v.improve, "what is not ok can be improved")
			}
		})
	}
}

func TestManyWorkersAreJudgedByTheirNumber(t *testing.T) {
	s := &system{Options: Options{Workers: 64}}
	f := descriptorFacts{Limit: 256, Open: 9}
	f.fit(2)
	assert.Equal(t, Problem, judgeDescriptors(s, f).state)
	assert.Equal(t, Note, judgeProcessors(s, processorFacts{Allowed: 8, GOMAXPROCS: 8}).state)
}
