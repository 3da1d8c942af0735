package pool

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets that are an eighth wide: eight of them between a power of two and the next. It takes the same memory however many it
// counts, and tells any percentile to within a sixteenth.
type histogram struct {
	buckets [histogramBuckets]int64
	count   int64
	sum     time.Duration
	most    time.Duration
}

const (
	bucketBits = 3 // of a duration, behind its first one, tell its bucket
	longBits   = 43
	// histogramBuckets are enough for two hours; what is longer is in the last.
	histogramBuckets = (longBits-bucketBits)<<bucketBits + 1<<bucketBits
)

// bucketOf returns the bucket of a duration.
func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0))
	shift := max(bits.Len64(v)-1-bucketBits, 0)
	return min(shift<<bucketBits+int(v>>shift), histogramBuckets-1)
}

// middleOf returns the duration in the middle of a bucket.
func middleOf(bucket int) time.Duration {
	shift := max(bucket>>bucketBits-1, 0)
	low := (bucket - shift<<bucketBits) << shift
	return time.Duration(low + 1<<shift>>1)
}

// endOf returns the duration at which a bucket ends: the first one that is not in it.
func endOf(bucket int) time.Duration {
	shift := max(bucket>>bucketBits-1, 0)
	return time.Duration((bucket - shift<<bucketBits + 1) << shift)
}

// add counts a duration n times.
func (h *histogram) add(d time.Duration, n int) {
	d = max(d, 0)
	h.buckets[bucketOf(d)] += int64(n)
	h.count += int64(n)
	h.sum += d * time.Duration(n)
	h.most = max(h.most, d)
}

// percentile returns the duration that a share of all are not longer than.
func (h *histogram) percentile(share float64) time.Duration {
	left := max(int64(share*float64(h.count)+0.5), 1)
	for i, n := range h.buckets {
		if left -= n; left <= 0 {
			return min(middleOf(i), h.most)
		}
	}
	return h.most
}

func (h *histogram) distribution() Distribution {
	if h.count == 0 {
		return Distribution{}
	}
	return Distribution{
		Count: h.count, Mean: h.sum / time.Duration(h.count), Max: h.most,
		P50: h.percentile(0.5), P90: h.percentile(0.9), P99: h.percentile(0.99),
		Buckets: h.filled(),
	}
}

// filled are the buckets that are not empty.
func (h *histogram) filled() (list []Bucket) {
	for i, n := range h.buckets {
		if n > 0 {
			list = append(list, Bucket{Below: endOf(i), Count: n})
		}
	}
	return list
}
