package bench

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// conclude draws the conclusions that a reader would look for.
func (r *Report) conclude() {
	r.Pays = r.whenItPays()
	r.Findings = []string{} // never null
	for _, find := range []func() string{
		r.findRoundTrip, r.findWhereItGoes, r.findPays, r.findBatches, r.findPayload, r.findRecords, r.findCPU, r.findSkew, r.findStart,
	} {
		if text := find(); text != "" {
			r.Findings = append(r.Findings, text)
		}
	}
}

// whenItPays finds where lines cross.
func (r *Report) whenItPays() *Pays {
	s := r.Section("pays")
	if s == nil {
		return nil
	}
	p := &Pays{
		Loop: s.crossing(loop, 1),
		Near: s.crossing(goroutines, 0.9),
	}
	call := r.Section("roundtrip").Row("an int, one at a time", procpool) // which was measured for longer
	if call == nil {
		call = s.Row(s.Cases()[0], procpool+" Call")
	}
	if call != nil {
		p.Call = 9 * call.Median // of a task that takes nothing all of it is cost
	}
	return p
}

// crossing is the X from which on procpool has the given part of the other's speed, or more. Noise may put a case on the wrong side: the X is such that
// the cases on the wrong side are wrong by as little as can be. Between two cases it is where the line between them, on logarithmic scales,
// gets there. 0: in all cases; -1: in none.
func (s *Section) crossing(other string, part float64) float64 {
	var at, slow []float64 // X, and by how much procpool is too slow; below 0 it is fast enough
	for _, name := range s.Cases() {
		if ours, theirs := s.Row(name, procpool), s.Row(name, other); ours != nil && theirs != nil {
			at = append(at, ours.X)
			slow = append(slow, math.Log(part*ours.Median/theirs.Median))
		}
	}
	first, least := 0, math.Inf(1)
	for k := range len(at) + 1 { // from k on it is fast enough
		wrong := 0.0
		for i, by := range slow {
			if (i >= k) == (by > 0) {
				wrong += math.Abs(by)
			}
		}
		if wrong < least {
			first, least = k, wrong
		}
	}
	switch first {
	case 0:
		return 0
	case len(at):
		return -1
	}
	above, below := math.Max(slow[first-1], 0), math.Max(-slow[first], 0)
	way := 0.5
	if above+below > 0 {
		way = above / (above + below)
	}
	from, to := math.Log(math.Max(at[first-1], 1)), math.Log(at[first])
	return math.Exp(from + (to-from)*way)
}

func (r *Report) findRoundTrip() string {
	s := r.Section("roundtrip")
	const name = "an int, one at a time"
	ours := s.Row(name, procpool)
	if ours == nil {
		return ""
	}
	text := fmt.Sprintf("A call to a worker process and back takes %s", Span(ours.Median))
	var others []string
	if pipe := s.Row(name, barePipe); pipe != nil {
		others = append(others, fmt.Sprintf("%s the %s of a bare pipe", times(ours.Median/pipe.Median), Span(pipe.Median)))
	}
	if hop := s.Row(name, goroutines); hop != nil {
		others = append(others, fmt.Sprintf("%s the %s of a goroutine over a channel", times(ours.Median/hop.Median), Span(hop.Median)))
	}
	if python := best(s.Row(name, pyPool), s.Row(name, pyExecutor)); python != nil {
		others = append(others, fmt.Sprintf("Python's better pool takes %s", Span(python.Median)))
	}
	return sentence(text, others)
}

func (r *Report) findWhereItGoes() string {
	row := r.Section("roundtrip").Row("an int, one at a time", procpool)
	if row == nil || row.Split == nil || row.Split.Total == 0 {
		return ""
	}
	of := func(stages ...string) float64 {
		sum := 0.0
		for _, s := range stages {
			sum += row.Split.Stages[s]
		}
		return 100 * sum / row.Split.Total
	}
	return fmt.Sprintf("Of that, %.0f %% is the way there (write, pipe and waking the worker up), %.0f %% the way back and waking the caller up, %.0f %% encoding and decoding, "+
		"%.0f %% queues; the function itself is %.1f %%.",
		of("write", "pipe"), of("return", "pickup"), of("encode_arg", "decode_arg", "encode_result", "decode_result"), of("queued", "waiting", "held"), of("run"))
}

func (r *Report) findPays() string {
	if r.Pays == nil {
		return ""
	}
	n := r.Settings.Workers
	var text string
	switch {
	case r.Pays.Loop < 0:
		text = fmt.Sprintf("A Map over %s was not faster than a plain loop at any task time that was measured.", workers(n))
	case r.Pays.Loop == 0:
		text = fmt.Sprintf("A Map over %s is faster than a plain loop at every task time that was measured.", workers(n))
	default:
		text = fmt.Sprintf("Below %s of work in a task processes do not pay on this machine: a plain loop is faster than a Map over %s.", Span(r.Pays.Loop), workers(n))
	}
	switch {
	case r.Pays.Near > 0:
		text += fmt.Sprintf(" From %s on the Map has 90 %% of the speed of as many goroutines.", Span(r.Pays.Near))
	case r.Pays.Near == 0:
		text += " It has 90 % of the speed of as many goroutines throughout."
	}
	if r.Noise.Others > 0.2 {
		text += fmt.Sprintf(" Other programs took %.0f %% of the processors meanwhile: on a quiet machine processes pay sooner.", 100*r.Noise.Others)
	}
	if r.Pays.Call > 0 {
		text += fmt.Sprintf(" Tasks that are called one at a time should take %s or more: then the call is a tenth of it, or less.", Span(r.Pays.Call))
	}
	return text
}

func (r *Report) findBatches() string {
	s := r.Section("batch")
	one, untuned := s.Row("1", procpool), s.Row("untuned", procpool)
	if untuned == nil {
		return ""
	}
	text := fmt.Sprintf("Tiny tasks that travel together cost %s each, nothing tuned (%s)", Span(untuned.Median), Rate(untuned.Median))
	var others []string
	if one != nil {
		others = append(others, fmt.Sprintf("one to a batch it is %s", Span(one.Median)))
	}
	if python := best(s.Row("untuned", pyPool), s.Row("untuned", pyExecutor)); python != nil {
		others = append(others, fmt.Sprintf("Python's better pool, untuned, takes %s", Span(python.Median)))
	}
	return sentence(text, others)
}

func (r *Report) findPayload() string {
	s := r.Section("payload")
	ours := s.Row("1 MiB", procpool)
	if ours == nil {
		return ""
	}
	text := fmt.Sprintf("1 MiB there and back takes %s (%s each way)", Span(ours.Median), Bandwidth(ours))
	var others []string
	if pipe := s.Row("1 MiB", barePipe); pipe != nil {
		others = append(others, fmt.Sprintf("a bare pipe takes %s", Span(pipe.Median)))
	}
	if python := best(s.Row("1 MiB", pyPool), s.Row("1 MiB", pyExecutor)); python != nil {
		others = append(others, fmt.Sprintf("Python's better pool %s", Span(python.Median)))
	}
	return sentence(text, others)
}

func (r *Report) findRecords() string {
	s := r.Section("records")
	ours, alone := s.Row("a record", procpool), s.Row("a record", "msgpack alone")
	if ours == nil {
		return ""
	}
	text := fmt.Sprintf("A record of six fields there and back takes %s (%s)", Span(ours.Median), Rate(ours.Median))
	var others []string
	if alone != nil {
		others = append(others, fmt.Sprintf("encoding and decoding it twice alone takes %s", Span(alone.Median)))
	}
	if python := best(s.Row("a record", pyPool), s.Row("a record", pyExecutor)); python != nil {
		others = append(others, fmt.Sprintf("Python's better pool takes %s", Span(python.Median)))
	}
	return sentence(text, others)
}

func (r *Report) findCPU() string {
	s := r.Section("cpu")
	name := fmt.Sprint(r.Settings.Workers)
	one, many, direct := s.Row("1", procpool), s.Row(name, procpool), s.Row(name, goroutines)
	if one == nil || many == nil || direct == nil || name == "1" {
		return ""
	}
	return fmt.Sprintf("Tasks that are busy for a millisecond are %.2f times as fast on %s as on one, and have %.0f %% of the speed of as many goroutines.",
		one.Median/many.Median, workers(r.Settings.Workers), 100*direct.Median/many.Median)
}

func (r *Report) findSkew() string {
	s := r.Section("skew")
	worst := 0.0
	for _, name := range s.cases() {
		if row := s.Row(name, procpool); row != nil {
			worst = max(worst, row.Median)
		}
	}
	if worst == 0 {
		return ""
	}
	return fmt.Sprintf("One long task among short ones, wherever it stands, costs at most %.2f times what a perfect queue would take.", worst)
}

func (s *Section) cases() []string {
	if s == nil {
		return nil
	}
	return s.Cases()
}

func (r *Report) findStart() string {
	s, m := r.Section("start"), r.Section("memory")
	ours := s.Row("first result", procpool)
	if ours == nil {
		return ""
	}
	text := fmt.Sprintf("A pool with one worker gives its first result after %s", Span(ours.Median))
	var others []string
	if alone := s.Row("first result", "program alone"); alone != nil {
		others = append(others, fmt.Sprintf("this program alone takes %s to start and end", Span(alone.Median)))
	}
	if fresh := m.Row("fresh", procpool); fresh != nil {
		others = append(others, fmt.Sprintf("a worker has %s of memory for itself", Size(fresh.Median)))
	}
	return sentence(text, others)
}

// best is the fastest of the rows that there are.
func best(rows ...*Row) (fastest *Row) {
	for _, row := range rows {
		if row != nil && (fastest == nil || row.Median < fastest.Median) {
			fastest = row
		}
	}
	return fastest
}

func sentence(text string, others []string) string {
	if len(others) > 0 {
		text += ": " + strings.Join(others, ", ")
	}
	return text + "."
}

func workers(n int) string {
	if n == 1 {
		return "1 worker process"
	}
	return fmt.Sprintf("%d worker processes", n)
}

func times(f float64) string {
	if f >= 10 {
		return fmt.Sprintf("%.0f ×", f)
	}
	return fmt.Sprintf("%.1f ×", f)
}

// figures is f with three significant figures and no exponent.
func figures(f float64) string {
	switch a := math.Abs(f); {
	case a >= 100:
		return fmt.Sprintf("%.0f", f)
	case a >= 10:
		return fmt.Sprintf("%.1f", f)
	default:
		return fmt.Sprintf("%.2f", f)
	}
}

func scaled(f, base float64, units ...string) string {
	i := 0
	for f >= base && i+1 < len(units) {
		f /= base
		i++
	}
	return figures(f) + " " + units[i]
}

// Span is a time in nanoseconds as a person reads it.
func Span(ns float64) string {
	if ns > 0 && ns < 1e-3*float64(time.Nanosecond) {
		ns = 0
	}
	return scaled(ns, 1000, "ns", "µs", "ms", "s")
}

// Size is so many bytes as a person reads it.
func Size(bytes float64) string { return scaled(bytes, 1024, "B", "KiB", "MiB", "GiB") }

// Rate is how many operations of so many nanoseconds fit into a second.
func Rate(ns float64) string { return scaled(1e9/ns, 1000, "/s", "k/s", "M/s", "G/s") }

// Bandwidth is how many bytes a second go each way.
func Bandwidth(row *Row) string {
	return scaled(2*float64(row.Bytes)/row.Median*1e9, 1000, "B/s", "kB/s", "MB/s", "GB/s")
}
