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
	most    float64 // seconds: the longest of all
	buckets map[time.Duration]int64
}

func latencyOf(functions []pool.FuncInsights) latency {
	l := latency{buckets: map[time.Duration]int64{}}
	for i := range functions {
		d := &functions[i].Total
		l.count += d.Count
		l.sum += d.Mean.Seconds() * float64(d.Count)
		l.most = max(l.most, d.Max.Seconds())
		for _, b := range d.Buckets {
			l.buckets[b.Below] += b.Count
		}
	}
	return l
}

// middle is where in a bucket, which is about an eighth wide, its durations are taken to be.
const middle = 0.95

// since is how the tasks took that ended after an earlier reading. Percentiles are the middle of their buckets, and never more than the maximum.
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
	if len(bounds) == 0 {
		return s
	}
	slices.Sort(bounds)
	s.Max = l.longest(bounds[len(bounds)-1])
	seen := int64(0)
	for _, bound := range bounds {
		n := l.buckets[bound] - earlier.buckets[bound]
		for _, p := range []struct {
			part float64
			at   *float64
		}{{0.5, &s.P50}, {0.9, &s.P90}, {0.99, &s.P99}} {
			if want := p.part * float64(total); float64(seen) < want && float64(seen+n) >= want {
				*p.at = min(middle*bound.Seconds(), s.Max)
			}
		}
		seen += n
	}
	return s
}

// longest is how long a task in the bucket that ends at bound took at the most: as long as the longest of all, if that is in it; else its end is all that is known.
func (l latency) longest(bound time.Duration) float64 {
	for other := range l.buckets {
		if other > bound {
			return bound.Seconds()
		}
	}
	if l.most == 0 {
		return bound.Seconds()
	}
	return l.most // also where the bucket is the last one there is, which has what is longer than its end
}
