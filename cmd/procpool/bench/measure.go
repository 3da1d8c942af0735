package bench

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/procpool/procpool/pool"
)

// contender does the work of a case in its own way.
type contender struct {
	name string

	// run does n operations and says how long that took. An error other than the context's is the contender's alone: the others go on.
	run func(ctx context.Context, n int) (time.Duration, error)
	// split, if not nil, does n operations and returns what the pool said of each.
	split func(ctx context.Context, n int) ([]pool.Timing, error)
}

// trial is one case.
type trial struct {
	name       string
	x          float64
	bytes      int64
	most       int // operations in a block at the most; 0 for any number
	contenders []contender
}

const (
	fewestRounds = 3
	mostRounds   = 21
	// splitShare is the part of a trial's time that goes into the timed rounds.
	splitShare = 0.2
)

// racer is a contender in a running trial.
type racer struct {
	*contender
	block   int // operations in a block
	samples []float64
	err     error
}

// measure lets the contenders take turns until the time is over, and returns their rows.
func measure(ctx context.Context, t *trial, budget time.Duration) ([]Row, error) {
	end := time.Now().Add(budget)
	racers := make([]racer, len(t.contenders))
	timed := 0
	for i := range racers {
		racers[i].contender = &t.contenders[i]
		if t.contenders[i].split != nil {
			timed++
		}
	}
	racing := budget
	if timed > 0 {
		racing = time.Duration(float64(budget) * (1 - splitShare))
	}
	block := racing / time.Duration(len(racers)) / 9
	for i := range racers {
		racers[i].calibrate(ctx, block, t.most)
	}
	stop := end.Add(racing - budget)
	for round := 0; round < mostRounds && (round < fewestRounds || time.Now().Before(stop)); round++ {
		for i := range racers { // another one begins each time
			racers[(i+round)%len(racers)].lap(ctx)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	rows := make([]Row, len(racers))
	for i := range racers {
		rows[i] = racers[i].row(t)
		if racers[i].err == nil && racers[i].split != nil {
			share := max(time.Until(end)/time.Duration(timed), 20*time.Millisecond)
			split, err := splitOf(ctx, &racers[i], share)
			if err != nil {
				return nil, err
			}
			rows[i].Split = split
		}
	}
	return rows, ctx.Err()
}

// calibrate finds how many operations make a block of about that time. It warms up on the way.
func (r *racer) calibrate(ctx context.Context, block time.Duration, most int) {
	for r.block = 1; r.err == nil && ctx.Err() == nil; {
		took := r.probe(ctx, block)
		if took >= block/2 || r.block == most {
			break
		}
		grow := 8.0
		if took > 0 {
			grow = min(grow, max(1.2, float64(block)/float64(took)))
		}
		r.block = int(float64(r.block)*grow) + 1
		if most > 0 {
			r.block = min(r.block, most)
		}
	}
}

// probe is how long a block of now takes. One that seems long enough is tried again, for it may only have been interrupted.
func (r *racer) probe(ctx context.Context, block time.Duration) (took time.Duration) {
	took, r.err = r.run(ctx, r.block)
	for range 2 {
		if r.err != nil || took < block/2 || took > time.Second {
			break
		}
		var again time.Duration
		again, r.err = r.run(ctx, r.block)
		took = min(took, again)
	}
	return took
}

func (r *racer) lap(ctx context.Context) {
	if r.err != nil || ctx.Err() != nil {
		return
	}
	took, err := r.run(ctx, r.block)
	if r.err = err; err == nil {
		r.samples = append(r.samples, float64(took)/float64(r.block))
	}
}

func (r *racer) row(t *trial) Row {
	row := Row{Case: t.name, X: t.x, Bytes: t.bytes, Contender: r.name}
	if r.err != nil {
		row.Error = r.err.Error()
		return row
	}
	row.fill(r.samples)
	return row
}

// fill sets the figures of a row from samples.
func (row *Row) fill(samples []float64) {
	slices.Sort(samples)
	row.Runs = len(samples)
	row.Low, row.Median, row.High = quantile(samples, 0.25), quantile(samples, 0.5), quantile(samples, 0.75)
}

// scale changes the unit of the figures.
func (row *Row) scale(by float64) {
	row.Low, row.Median, row.High = row.Low*by, row.Median*by, row.High*by
}

// quantile reads sorted samples, between two of them if need be.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// splitOf times tasks one by one for a while.
func splitOf(ctx context.Context, r *racer, budget time.Duration) (*Split, error) {
	var all []pool.Timing
	for end := time.Now().Add(budget); len(all) == 0 || time.Now().Before(end) && len(all) < 200_000; {
		some, err := r.split(ctx, max(1, r.block/4))
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return newSplit(all), nil
}

// newSplit takes the means over the middle half of the tasks: they sum up, as medians would not, and a task that was
// interrupted does not count.
func newSplit(all []pool.Timing) *Split {
	slices.SortFunc(all, func(a, b pool.Timing) int { return cmp.Compare(a.Total(), b.Total()) })
	middle := all[len(all)/4 : len(all)-len(all)/4]
	s := &Split{Tasks: len(all), Stages: map[string]float64{}}
	for i := range middle {
		s.Total += float64(middle[i].Total()) / float64(len(middle))
		for k, d := range stagesOf(&middle[i]) {
			s.Stages[Stages[k]] += d / float64(len(middle))
		}
	}
	return s
}
