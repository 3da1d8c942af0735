package bench

import (
	"runtime"
	"slices"
	"time"
)

// Machine is where it was measured.
type Machine struct {
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	Kernel     string `json:"kernel"` // "" where it is not known
	CPU        string `json:"cpu"`    // likewise
	CPUs       int    `json:"cpus"`
	GOMAXPROCS int    `json:"gomaxprocs"`
	Memory     int64  `json:"memory_bytes"` // 0 where it is not known
	Go         string `json:"go"`
	Python     string `json:"python"` // "" where it was not measured
	Procpool   string `json:"procpool"`
}

func thisMachine(version string) Machine {
	m := Machine{
		OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		Go: runtime.Version(), Procpool: version,
	}
	m.Kernel, m.CPU, m.Memory = systemFacts()
	return m
}

// Noise says how much else the machine did.
type Noise struct {
	Verdict string `json:"verdict"` // quiet, some noise, noisy or very noisy
	// Jitter is how much longer than the median the slowest tenth of equal busy loops took: 0.1 is a tenth.
	Jitter float64 `json:"jitter"`
	// Drift is how much longer the slowest median between two sections was than the fastest.
	Drift float64 `json:"drift"`
	// Others is the part of all processor time that other processes, or other machines on the same hardware (Stolen alone), took; -1 where it is not known.
	Others     float64 `json:"others"`
	Stolen     float64 `json:"stolen"`
	LoadBefore float64 `json:"load_before"` // the system's load average over a minute; -1 where it is not known
	LoadAfter  float64 `json:"load_after"`
}

const noiseLoops = 60

// sampleNoise runs equal busy loops of half a millisecond. Without noise they take equally long.
func (b *bench) sampleNoise() {
	turns := turnsFor(500*time.Microsecond, b.unit)
	for range noiseLoops {
		began := time.Now()
		spend(spin(turns))
		b.spins = append(b.spins, float64(time.Since(began)))
	}
}

func (l *load) noise(spins []float64) Noise {
	n := Noise{LoadBefore: l.before}
	n.LoadAfter, n.Others, n.Stolen = l.after()
	lowest, highest := 0.0, 0.0
	for group := range slices.Chunk(spins, noiseLoops) {
		sorted := slices.Sorted(slices.Values(group))
		median := quantile(sorted, 0.5)
		if lowest == 0 || median < lowest {
			lowest = median
		}
		highest = max(highest, median)
	}
	if lowest > 0 {
		n.Drift = highest/lowest - 1
	}
	sorted := slices.Sorted(slices.Values(spins))
	if median := quantile(sorted, 0.5); median > 0 {
		n.Jitter = quantile(sorted, 0.9)/median - 1
	}
	n.Verdict = verdict(max(n.Jitter, n.Drift, n.Others))
	return n
}

func verdict(worst float64) string {
	switch {
	case worst < 0.05:
		return "quiet"
	case worst < 0.15:
		return "some noise"
	case worst < 0.4:
		return "noisy"
	}
	return "very noisy"
}
