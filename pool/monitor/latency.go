package monitor

import (
	"slices"
	"time"

	"github.com/procpool/procpool/pool"
)

// latency is how long all tasks took from their submission to their result, since the pool began. Two of them tell of the time between.
type latency struct {
	count   int64
	sum     float64 // seconds
	buckets map[time.Duration]int64
}

func latencyOf(functions []pool.FuncInsights) latency {
	l := latency{buckets: map[time.Duration]int64{}}
	for i := range functions {
		d := &functions[i].Total
		l.count += d.Count
		l.sum += d.Mean.Seconds() * float64(d.Count)
		for _, b := range d.Buckets {
			l.buckets[b.Below] += b.Count
		}
	}
	return l
}

// middle is where in a bucket, which is about an eighth wide, its durations are taken to be.
const middle = 0.95

// since is how the tasks took that ended after an earlier reading. Percentiles and maximum are the middle of their buckets.
func (l latency) since(earlier latency) Spread {
	s := Spread{Count: l.count - earlier.count}
	if s.Count <= 0 {
		return Spread{}
	}
	s.Mean = max(0, l.sum-earlier.sum) / float64(s.Count)
	bounds := make([]time.Duration, 0, len(l.buckets))
	total := int64(0)
	for bound, n := range l.buckets {
		if n -= earlier.buckets[bound]; n > 0 {
			bounds = append(bounds, bound)
			total += n
		}
	}
	slices.Sort(bounds)
	seen := int64(0)
	for _, bound := range bounds {
		n := l.buckets[bound] - earlier.buckets[bound]
		for _, p := range []struct {
			part float64
			at   *float64
		}{{0.5, &s.P50}, {0.9, &s.P90}, {0.99, &s.P99}} {
			if want := p.part * float64(total); float64(seen) < want && float64(seen+n) >= want {
				*p.at = middle * bound.Seconds()
			}
		}
		seen += n
		s.Max = middle * bound.Seconds()
	}
	return s
}
