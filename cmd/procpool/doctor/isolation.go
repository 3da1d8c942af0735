package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/procpool/procpool/cmd/procpool/numeral"
	"github.com/procpool/procpool/internal/harden"
)

type landlockFacts struct {
	ABI     int    `json:"abi"`     // 0 where there is none
	Errata  int    `json:"errata"`  // bits of the corrections that the kernel has
	Files   string `json:"files"`   // why Hardening.Files cannot be had; "" where it can
	Signals string `json:"signals"` // the same for Hardening.Signals
}

func probeLandlock(context.Context, *system) (landlockFacts, error) {
	return landlockFacts{
		ABI: harden.ABI(), Errata: harden.Errata(),
		Files:   lacks(harden.Rules{Files: true}),
		Signals: lacks(harden.Rules{Signals: true}),
	}, nil
}

// lacks is why a rule cannot be had here; "" where it can.
func lacks(r harden.Rules) string {
	_, missing := r.Supported()
	if len(missing) == 0 {
		return ""
	}
	return missing[0].Reason
}

func judgeLandlock(_ *system, f landlockFacts) verdict {
	found := fmt.Sprintf("ABI %d, corrections %#x", f.ABI, f.Errata)
	switch {
	case f.ABI == 0:
		return verdict{Note, "none: " + f.Files, "Hardening.Files and Hardening.Signals cannot be had: Required is refused, BestEffort goes without", "Linux 5.13 or later with landlock among the boot parameter lsm=, and a sandbox that allows it"}
	case f.Files != "":
		return verdict{Note, found + "; files: " + f.Files, "Hardening.Files cannot be had", "a newer kernel"}
	case f.Signals != "":
		return verdict{Note, found + "; signals: " + f.Signals, "Hardening.Files works, Hardening.Signals cannot be had", "Linux 6.15, or a corrected 6.12 to 6.14"}
	}
	return verdict{OK, found, "Hardening.Files and Hardening.Signals work, without privileges", ""}
}

type seccompFacts struct {
	Mode    int    `json:"mode"`    // 0 none, 2 filtered; -1 where it is not known
	Filters int64  `json:"filters"` // upon this process; -1 where it is not known
	Network string `json:"network"` // why Hardening.Network cannot be had; "" where it can
}

func judgeSeccomp(_ *system, f seccompFacts) verdict {
	found := "filters can be set"
	if f.Network != "" {
		found = "filters cannot be set: " + f.Network
	}
	switch {
	case f.Mode > 0 && f.Filters > 0:
		found += fmt.Sprintf("; this process is under %s already", numeral.Of(f.Filters, "filter"))
	case f.Mode > 0:
		found += "; this process is under a filter already"
	case f.Mode == 0:
		found += "; none is upon this process"
	}
	if f.Network != "" {
		return verdict{Note, found, "Hardening.Network cannot be had: Required is refused, BestEffort goes without", "a kernel with CONFIG_SECCOMP_FILTER, and a sandbox that allows it"}
	}
	return verdict{OK, found, "Hardening.Network works: no sockets but those that stay on the machine", ""}
}

type noNewPrivsFacts struct {
	Supported bool   `json:"supported"`
	Set       bool   `json:"set"` // for this process already
	Reason    string `json:"reason"`
}

func judgeNoNewPrivs(_ *system, f noNewPrivsFacts) verdict {
	switch {
	case !f.Supported:
		return verdict{Note, "not to be had: " + f.Reason, "set-user-ID programs (sudo, ping) work in tasks", "Linux 3.5 or later"}
	case f.Set:
		return verdict{OK, "set for this process already", "workers inherit it", ""}
	}
	return verdict{OK, "works", "workers get it by default: set-user-ID programs (sudo, ping) give tasks no privileges", ""}
}

type tracingFacts struct {
	Yama         int64 `json:"yama"`          // kernel.yama.ptrace_scope; -1 where there is no Yama
	Privileged   bool  `json:"privileged"`    // this process may trace all (CAP_SYS_PTRACE)
	PerfParanoid int64 `json:"perf_paranoid"` // kernel.perf_event_paranoid; -1 where it is not known
	PerfAllowed  bool  `json:"perf_allowed"`  // this process may profile all (root, CAP_PERFMON)
}

func judgeTracing(_ *system, f tracingFacts) verdict {
	const does = "a debugger may hold a worker for as long as it likes: heartbeats do not count meanwhile"
	var found, improve []string
	switch {
	case f.Privileged || f.Yama <= 0:
		found = append(found, "a debugger can attach to workers")
	case f.Yama == 1:
		found = append(found, "a debugger can attach to its own children only (kernel.yama.ptrace_scope 1)")
		improve = append(improve, "attach as root, or sysctl kernel.yama.ptrace_scope=0")
	case f.Yama == 2:
		found = append(found, "only root can attach a debugger (kernel.yama.ptrace_scope 2)")
		improve = append(improve, "attach as root")
	default:
		found = append(found, fmt.Sprintf("nobody can attach a debugger (kernel.yama.ptrace_scope %d)", f.Yama))
		improve = append(improve, "it cannot be lowered before the next boot; kill -QUIT prints the goroutines of a worker all the same")
	}
	if f.PerfParanoid >= 3 && !f.PerfAllowed {
		found = append(found, fmt.Sprintf("perf is not for this user (kernel.perf_event_paranoid %d)", f.PerfParanoid))
		improve = append(improve, "for perf: sysctl kernel.perf_event_paranoid=1; Go's own profiles work all the same")
	} else if f.PerfParanoid != -1 {
		found = append(found, "perf can profile them")
	}
	v := verdict{OK, strings.Join(found, "; "), does, strings.Join(improve, "; ")}
	if len(improve) > 0 {
		v.state = Note
	}
	return v
}

type coreFacts struct {
	Pattern string `json:"pattern"`
	Limit   int64  `json:"limit_bytes"` // RLIMIT_CORE
}

func judgeCoreDumps(_ *system, f coreFacts) verdict {
	where := "written as " + cmp.Or(f.Pattern, "(nothing)")
	if program, piped := strings.CutPrefix(f.Pattern, "|"); piped {
		where = "handed to " + strings.TrimSpace(program)
	}
	found := fmt.Sprintf("up to %s, %s", size(f.Limit), where)
	switch f.Limit {
	case 0:
		found = "off (RLIMIT_CORE 0); if they were on, " + where
	case unlimited:
		found = "on, without limit, " + where
	}
	return verdict{OK, found, "workers write none by default, since they hold what the memory held; Hardening.NoCore: Off lets them, with GOTRACEBACK=crash", ""}
}

// wrapped is what an errno says, without what was tried.
func wrapped(err error) string {
	if err == nil {
		return ""
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err.Error()
}
