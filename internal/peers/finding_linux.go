package main

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"

	"golang.org/x/perf/benchmath"
)

// A finding is one line of the table: what was measured beside what, and whether that is enough.
type finding struct {
	Row     string    `json:"row"`
	Work    string    `json:"work"`
	Ours    *quantity `json:"ours,omitempty"`
	Against string    `json:"against"`
	Theirs  *quantity `json:"theirs,omitempty"`
	Figure  *quantity `json:"figure,omitempty"` // what the target speaks of
	Target  *target   `json:"target,omitempty"`
	Met     string    `json:"met,omitempty"` // yes, no, or either followed by "unclear"
	Note    string    `json:"note,omitempty"`

	failed bool
}

// A quantity is a median, with an interval that holds it with a confidence of 95 %, or all that was measured where that is too little.
type quantity struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Rounds int     `json:"rounds"`
	Unit   unit    `json:"unit"`
}

func summarize(values []float64, u unit) *quantity {
	if len(values) == 0 {
		return nil
	}
	sample := benchmath.NewSample(values, &benchmath.DefaultThresholds)
	s := benchmath.AssumeNothing.Summary(sample, 0.95)
	lowest, highest := sample.Values[0], sample.Values[len(values)-1]
	return &quantity{s.Center, math.Max(s.Lo, lowest), math.Min(s.Hi, highest), len(values), u}
}

func (q *quantity) String() string {
	if q == nil {
		return ""
	}
	return q.Unit.format(q.Median)
}

// spread is the quantity with its interval.
func (q *quantity) spread() string {
	if q == nil {
		return ""
	}
	if q.Rounds == 1 {
		return q.Unit.format(q.Median)
	}
	return fmt.Sprintf("%s (%s to %s)", q.Unit.format(q.Median), q.Unit.number(q.Low), q.Unit.number(q.High))
}

// A target is what a figure has to be at least, or at most.
type target struct {
	atMost bool
	value  float64
	unit   unit
}

func atMost(value float64, u unit) *target  { return &target{true, value, u} }
func atLeast(value float64, u unit) *target { return &target{false, value, u} }

func (t *target) String() string {
	sign := "≥ "
	if t.atMost {
		sign = "≤ "
	}
	return sign + trailingZeros.ReplaceAllString(t.unit.format(t.value), "$1")
}

// trailingZeros are those that a measured figure shows and a target does not.
var trailingZeros = regexp.MustCompile(`(\.\d*[1-9])0+\b|\.0+\b`)

// MarshalJSON implements json.Marshaler.
func (t *target) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

func (t *target) met(value float64) bool {
	if t.atMost {
		return value <= t.value
	}
	return value >= t.value
}

// judge sets Met.
func (f finding) judge() finding {
	if f.Figure == nil || f.Target == nil {
		return f
	}
	f.Met = "no"
	if f.Target.met(f.Figure.Median) {
		f.Met = "yes"
	}
	if f.Target.met(f.Figure.Low) != f.Target.met(f.Figure.High) {
		f.Met += ", unclear"
	}
	return f
}

// String is the finding as a line.
func (f *finding) String() string {
	line := f.Work
	if f.Against != alone {
		line += ", against " + f.Against
	}
	if f.Figure != nil {
		line += ": " + f.Figure.spread()
	}
	if f.Target != nil && f.Figure != nil {
		line += fmt.Sprintf(", target %s: %s", f.Target, f.Met)
	}
	if f.Note != "" {
		line += " [" + f.Note + "]"
	}
	return line
}

// How the seconds for one operation are shown.
func seconds(values []float64) *quantity { return summarize(values, inSeconds) }

func rate(values []float64) *quantity { return summarize(ratios(ones(len(values)), values), perSecond) }

func ones(n int) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = 1
	}
	return all
}

// faster compares our speed with theirs: how many times as fast we are.
func faster(ours, theirs *side, show func([]float64) *quantity, t *target) finding {
	return compared(ours, theirs, show, ratios(theirs.taken, ours.taken), t)
}

// slower compares our time with theirs: how many times as long we take.
func slower(ours, theirs *side, show func([]float64) *quantity, t *target) finding {
	return compared(ours, theirs, show, ratios(ours.taken, theirs.taken), t)
}

func compared(ours, theirs *side, show func([]float64) *quantity, ratio []float64, t *target) finding {
	f := finding{
		Ours: show(ours.taken), Against: theirs.name, Theirs: show(theirs.taken), Figure: summarize(ratio, times), Target: t, Note: theirs.missing,
	}
	return f.judge()
}

// alone stands where a figure is compared with nothing.
const alone = "-"

// absolute is a finding that is compared with nothing.
func absolute(figure *quantity, t *target) finding {
	return finding{Ours: figure, Against: alone, Figure: figure, Target: t}.judge()
}
