package doctor

import (
	"fmt"
	"strings"

	"github.com/procpool/procpool/cmd/procpool/numeral"
)

// What a worker costs its user and its parent, measured by a test: descriptors in the parent (five pipes, a socket, the status page, two pidfds), those
// that are open for a moment more while it starts, and threads.
const (
	descriptorsEach   = 9
	descriptorsStarts = 6
	threadsEach       = 10
	threadsOwn        = 12 // that the parent may start beside
)

type processFacts struct {
	Privileged   bool   `json:"privileged"`    // the user's limit does not count for this process
	UserLimit    int64  `json:"user_limit"`    // RLIMIT_NPROC: threads of this user
	UserThreads  int64  `json:"user_threads"`  // that there are now, as far as they show; -1 where that is not known
	GroupLimit   int64  `json:"group_limit"`   // pids.max of the control group or one above it
	GroupCount   int64  `json:"group_count"`   // pids.current of that group
	PIDMax       int64  `json:"pid_max"`       // kernel.pid_max
	ThreadsMax   int64  `json:"threads_max"`   // kernel.threads-max
	Threads      int64  `json:"threads"`       // of the whole system
	PerWorker    int64  `json:"per_worker"`    // threads that one worker is counted for
	WorkersFit   int64  `json:"workers_fit"`   // how many more workers all that allows
	TightestName string `json:"tightest_name"` // the limit that allows the fewest
}

// fit finds the limit that allows the fewest workers.
func (f *processFacts) fit() {
	f.PerWorker, f.WorkersFit = threadsEach, unlimited
	limits := []struct {
		name        string
		limit, used int64
		counts      bool
	}{
		{"the user's limit (RLIMIT_NPROC)", f.UserLimit, f.UserThreads, !f.Privileged},
		{"pids.max of the control group", f.GroupLimit, f.GroupCount, true},
		{"kernel.pid_max", f.PIDMax, f.Threads, true},
		{"kernel.threads-max", f.ThreadsMax, f.Threads, true},
	}
	for _, l := range limits {
		if !l.counts || l.limit <= 0 || l.limit == unlimited {
			continue
		}
		if fit := max(0, l.limit-max(0, l.used)-threadsOwn) / threadsEach; fit < f.WorkersFit {
			f.WorkersFit, f.TightestName = fit, l.name
		}
	}
}

func judgeProcesses(s *system, f processFacts) verdict {
	found := fmt.Sprintf("this user may have %s threads", limitText(f.UserLimit))
	if f.Privileged {
		found += " (the limit does not count for a privileged process)"
	}
	if f.UserThreads >= 0 {
		found += ", has " + numeral.Thousands(f.UserThreads)
	}
	if f.GroupLimit != unlimited && f.GroupLimit > 0 {
		found += fmt.Sprintf("; the control group may have %s, has %s", numeral.Thousands(f.GroupLimit), numeral.Thousands(f.GroupCount))
	}
	v := verdict{OK, found, "", ""}
	if f.TightestName == "" {
		v.does = fmt.Sprintf("counts about %d threads for each worker; no limit is near", f.PerWorker)
		return v
	}
	v.does = fmt.Sprintf("counts about %d threads for each worker: %s allows some %s workers more", f.PerWorker, f.TightestName, numeral.Thousands(f.WorkersFit))
	raise := "raise " + f.TightestName + raiseHow(f.TightestName)
	switch {
	case f.WorkersFit < int64(s.Workers):
		return verdict{Problem, found, v.does + fmt.Sprintf("; of a pool of %d, workers or the parent die for want of threads", s.Workers), raise}
	case f.WorkersFit < 4*int64(s.Workers):
		v.state, v.improve = Note, raise
	}
	return v
}

func raiseHow(name string) string {
	switch {
	case strings.Contains(name, "NPROC"):
		return ": ulimit -u, LimitNPROC= of a systemd unit, or nproc in /etc/security/limits.conf"
	case strings.Contains(name, "pids.max"):
		return ": TasksMax= of a systemd unit, --pids-limit of a container"
	}
	return " with sysctl -w"
}

type descriptorFacts struct {
	Limit      int64 `json:"limit"`       // RLIMIT_NOFILE, which Go raises to the hard limit when a program starts
	Hard       int64 `json:"hard"`        // the hard limit
	Open       int64 `json:"open"`        // that this process has; -1 where it is not known
	PerWorker  int64 `json:"per_worker"`  // in the parent
	Starting   int64 `json:"starting"`    // more of them for each that starts at the same time
	WorkersFit int64 `json:"workers_fit"` // how many workers that allows
}

// fit finds out how many workers the limit allows.
func (f *descriptorFacts) fit(processors int) {
	f.PerWorker, f.Starting, f.WorkersFit = descriptorsEach, descriptorsStarts, unlimited
	if f.Limit == unlimited {
		return
	}
	left := f.Limit - max(0, f.Open) - int64(2*processors*descriptorsStarts) // starts take turns, no more than twice the processors at a time
	f.WorkersFit = max(0, left) / descriptorsEach
}

func judgeDescriptors(s *system, f descriptorFacts) verdict {
	found := fmt.Sprintf("%s descriptors may be open", limitText(f.Limit))
	if f.Open >= 0 {
		found += fmt.Sprintf(", %s are", numeral.Thousands(f.Open))
	}
	v := verdict{OK, found, "", ""}
	v.does = fmt.Sprintf("takes %d in the parent for each worker, and %d more while it starts", f.PerWorker, f.Starting)
	if f.WorkersFit == unlimited {
		return v
	}
	v.does += fmt.Sprintf(": enough for some %s", numeral.Of(f.WorkersFit, "worker"))
	raise := "raise the limit: ulimit -n, LimitNOFILE= of a systemd unit, or nofile in /etc/security/limits.conf"
	switch {
	case f.WorkersFit < int64(s.Workers):
		return verdict{Problem, found, v.does + fmt.Sprintf("; a pool of %d will fail to start", s.Workers), raise}
	case f.WorkersFit < 4*int64(s.Workers):
		v.state, v.improve = Note, raise
	}
	return v
}

type lifePipeFacts struct {
	DeathSignal string `json:"death_signal"` // why PR_SET_PDEATHSIG is refused; "" where it works
	PipeSignal  string `json:"pipe_signal"`  // why F_SETSIG or O_ASYNC on a pipe is refused; "" where they work
}

func judgeLifePipe(_ *system, f lifePipeFacts) verdict {
	switch {
	case f.DeathSignal != "":
		return verdict{Problem, "PR_SET_PDEATHSIG: " + f.DeathSignal, "no worker starts: a worker is born with it, so that it never outlives its parent", "allow prctl in the sandbox around this process"}
	case f.PipeSignal != "":
		return verdict{
			Note, "F_SETSIG on a pipe: " + f.PipeSignal + "; PR_SET_PDEATHSIG works", "the kernel kills a worker whose parent is gone, but not what the worker has started",
			"allow fcntl(F_SETSIG) in the sandbox around this process",
		}
	}
	return verdict{OK, "PR_SET_PDEATHSIG works, and a pipe can send a signal of one's choice (F_SETSIG)", "no worker outlives its parent, nor does what it started: the kernel kills the group", ""}
}

type pidfdFacts struct {
	Reason string `json:"reason"` // why there are none; "" where they work
}

func judgePidfd(_ *system, f pidfdFacts) verdict {
	if f.Reason != "" {
		return verdict{
			Note, "no pidfds: " + f.Reason, "awaits the end of each worker with a thread of its own, and signals by process id",
			"Linux 5.4 or later, and a sandbox that allows pidfd_open and waitid",
		}
	}
	return verdict{OK, "work, and can be waited for", "awaits the end of all workers without a thread, and never signals another process by mistake", ""}
}
