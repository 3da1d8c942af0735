package doctor

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/procpool/procpool/cmd/procpool/numeral"
)

type processorFacts struct {
	Online     int     `json:"online"`  // of the machine; 0 where it is not known
	Allowed    int     `json:"allowed"` // by affinity
	Quota      float64 `json:"quota"`   // processors' worth of time that the control group may use; 0 is no quota
	GOMAXPROCS int     `json:"gomaxprocs"`
	Variable   string  `json:"variable"` // the environment variable; "" where it is not set
	SMT        string  `json:"smt"`      // "on" where two threads share a core, "off"; "" where it is not known
}

func probeProcessors(_ context.Context, s *system) (processorFacts, error) {
	f := processorFacts{Allowed: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0), Variable: os.Getenv("GOMAXPROCS")}
	s.lookAtProcessors(&f)
	return f, nil
}

// best is how many can work at a time.
func (f *processorFacts) best() int {
	if f.Quota > 0 {
		return min(f.Allowed, max(1, int(math.Ceil(f.Quota))))
	}
	return f.Allowed
}

func judgeProcessors(s *system, f processorFacts) verdict {
	found := numeral.Of(int64(f.Allowed), "processor")
	if f.Online > f.Allowed {
		found = fmt.Sprintf("%d of %d processors (affinity)", f.Allowed, f.Online)
	}
	if f.SMT == "on" {
		found += ", two threads to a core"
	}
	if f.Quota > 0 {
		found += fmt.Sprintf(", a quota of %.3g", f.Quota)
	} else {
		found += ", no quota"
	}
	found += fmt.Sprintf(", GOMAXPROCS %d", f.GOMAXPROCS)
	does := fmt.Sprintf("starts %s by default", numeral.Of(int64(f.GOMAXPROCS), "worker"))
	switch {
	case f.Variable != "" && f.GOMAXPROCS > f.best():
		return verdict{Note, found, does, fmt.Sprintf("GOMAXPROCS=%s is more than can work at a time: unset it, or pool.WithWorkers(%d)", f.Variable, f.best())}
	case f.GOMAXPROCS > max(2, f.best()): // Go takes at least two where there is a quota
		return verdict{Note, found, does, fmt.Sprintf("the quota lets %d work at a time: pool.WithWorkers(%d)", f.best(), f.best())}
	case f.GOMAXPROCS < f.best():
		return verdict{Note, found, does, fmt.Sprintf("%d could work at a time: unset GOMAXPROCS, or pool.WithWorkers(%d)", f.best(), f.best())}
	case f.best() == 1:
		return verdict{Note, found, does, "with one processor a pool isolates tasks, but makes nothing faster"}
	case s.Workers > 2*f.best():
		return verdict{Note, found, does, fmt.Sprintf("%d workers are more than twice what can work at a time; that pays only where tasks wait", s.Workers)}
	}
	return verdict{OK, found, does, ""}
}

type clockFacts struct {
	Source string `json:"source"` // of the kernel; "" where it is not known
	Read   int64  `json:"read_ns"`
}

func probeClock(_ context.Context, s *system) (clockFacts, error) {
	const turns, rounds = 1000, 20
	var each []time.Duration
	for range rounds {
		began := time.Now()
		for range turns {
			_ = time.Now()
		}
		each = append(each, time.Since(began))
	}
	source := s.read("sys/devices/system/clocksource/clocksource0/current_clocksource")
	return clockFacts{Source: source, Read: int64(slices.Min(each)) / turns}, nil
}

func judgeClock(_ *system, f clockFacts) verdict {
	found := fmt.Sprintf("reading it takes %d ns", f.Read)
	if f.Source != "" {
		found = f.Source + ": " + found
	}
	const does = "reads it a few times for each batch; timing single tasks (pool.Timed, Results) reads it a dozen times for each"
	if f.Read > 250 {
		return verdict{Note, found, does, "a source that programs can read without the kernel: boot parameter clocksource=tsc, where the machine has a reliable one"}
	}
	return verdict{OK, found, does, ""}
}

type startCostFacts struct {
	Runs   int   `json:"runs"`
	Median int64 `json:"median_ns"`
	Best   int64 `json:"best_ns"`
}

// probeStartCost starts this program a few times, one after another, and waits for its end each time.
func probeStartCost(ctx context.Context, s *system) (startCostFacts, error) {
	const enough, runs = 250 * time.Millisecond, 9
	if s.Bare == nil {
		return startCostFacts{}, nil
	}
	var each []time.Duration
	for began := time.Now(); len(each) < runs && (len(each) == 0 || time.Since(began) < enough); {
		cmd := s.Bare(ctx)
		lap := time.Now()
		if err := cmd.Run(); err != nil {
			return startCostFacts{}, fmt.Errorf("%s: %w", cmd.Path, err)
		}
		each = append(each, time.Since(lap))
	}
	slices.Sort(each)
	return startCostFacts{Runs: len(each), Median: int64(each[len(each)/2]), Best: int64(each[0])}, nil
}

func judgeStartCost(_ *system, f startCostFacts) verdict {
	if f.Runs == 0 {
		return verdict{OK, "not measured", "", ""}
	}
	found := fmt.Sprintf("%s from start to end, %s at best (%d times this program)", span(time.Duration(f.Median)), span(time.Duration(f.Best)), f.Runs)
	const does = "starts a worker once, not for each task; pool.WithSpare keeps some ready for when one dies or is renewed"
	if time.Duration(f.Median) > 100*time.Millisecond {
		return verdict{Note, found, does, "a busy machine, a slow disk, or much work in package initialisation: GODEBUG=inittrace=1 shows the latter"}
	}
	return verdict{OK, found, does, ""}
}

type wakeFacts struct {
	Median   int64  `json:"median_ns"` // there and back
	P90      int64  `json:"p90_ns"`
	Rounds   int    `json:"rounds"`
	Idle     string `json:"idle_driver"`   // cpuidle; "" where it is not known
	Governor string `json:"idle_governor"` // the same
}

func wakeVerdict(f wakeFacts, does string) verdict {
	found := fmt.Sprintf("%s there and back, a tenth of them %s and more", span(time.Duration(f.Median)), span(time.Duration(f.P90)))
	if f.Idle != "" && f.Idle != "none" {
		found += fmt.Sprintf(" (idle: %s, %s)", f.Idle, f.Governor)
	}
	if time.Duration(f.Median) > 60*time.Microsecond {
		improve := "processors that sleep deep wake up slowly, or the machine is busy: a performance profile (tuned-adm, cpupower idle-set -D 0)"
		if f.Idle == "" || f.Idle == "none" {
			improve += "; in a virtual machine, the cpuidle_haltpoll driver"
		}
		return verdict{Note, found, does, improve}
	}
	return verdict{OK, found, does, ""}
}

func judgePipeCost(_ *system, f wakeFacts) verdict {
	return wakeVerdict(f, "pays this once for a call that waits; tasks that come together share it, as many as take a millisecond")
}

func judgeFutexCost(_ *system, f wakeFacts) verdict {
	return wakeVerdict(f, "Go wakes a waiting goroutine's thread by this, on both sides")
}

// wakes sums up rounds.
func wakes(each []time.Duration) wakeFacts {
	if len(each) == 0 {
		return wakeFacts{}
	}
	slices.Sort(each)
	return wakeFacts{Median: int64(each[len(each)/2]), P90: int64(each[len(each)*9/10]), Rounds: len(each)}
}
