package pool

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestABucketIsAnEighthWideAndHoldsWhatBelongsToIt(t *testing.T) {
	last := -1
	for _, d := range []time.Duration{0, 1, 7, 8, 9, 15, 16, 17, 18, 31, 32, 1000, 1 << 20, 1<<20 + 1<<17, 1 << 42, 1<<43 - 1} {
		b := bucketOf(d)
		require.GreaterOrEqual(t, b, last, d)
		require.InDelta(t, d, middleOf(b), float64(d)/16+0.5, d)
		last = b
	}
	require.Equal(t, histogramBuckets-1, bucketOf(1<<43-1), "none is left over")
	require.Equal(t, histogramBuckets-1, bucketOf(math.MaxInt64))
	require.Equal(t, 0, bucketOf(-5))
	for b := range histogramBuckets {
		require.Equal(t, b, bucketOf(middleOf(b)), b)
		require.Equal(t, b, bucketOf(endOf(b)-1), b)
		require.Equal(t, min(b+1, histogramBuckets-1), bucketOf(endOf(b)), b)
	}
}

func TestPercentilesAreThoseOfAllValuesToASixteenth(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, shape := range []func() float64{
		func() float64 { return random.Float64() * 1e6 },
		func() float64 { return math.Exp(random.NormFloat64()*3 + 12) },
		func() float64 { return 1234 },
		func() float64 { return float64(random.IntN(3)) * 1e9 },
	} {
		var h histogram
		var all []time.Duration
		var sum time.Duration
		for range 20_000 {
			d := time.Duration(shape())
			h.add(d, 1)
			all = append(all, d)
			sum += d
		}
		slices.Sort(all)
		got := h.distribution()
		require.EqualValues(t, len(all), got.Count)
		require.Equal(t, sum/time.Duration(len(all)), got.Mean)
		require.Equal(t, all[len(all)-1], got.Max)
		for share, p := range map[float64]time.Duration{0.5: got.P50, 0.9: got.P90, 0.99: got.P99} {
			exact := all[int(math.Ceil(share*float64(len(all))))-1]
			require.InDelta(t, exact, p, float64(exact)/16+1, "the %v percentile", share)
		}
	}
}

func TestAHistogramCountsManyAtOnce(t *testing.T) {
	var once, each histogram
	once.add(3*time.Millisecond, 1000)
	for range 1000 {
		each.add(3*time.Millisecond, 1)
	}
	require.Equal(t, each, once)
	require.Equal(t, Distribution{}, new(histogram).distribution())
	one := Distribution{Count: 1, Mean: 5, P50: 5, P90: 5, P99: 5, Max: 5, Buckets: []Bucket{{Below: 6, Count: 1}}}
	var h histogram
	h.add(5, 1)
	require.Equal(t, one, h.distribution())
}

func TestTheBucketsOfADistributionAreThoseThatAreFilled(t *testing.T) {
	var h histogram
	h.add(20, 3)
	h.add(21, 1)
	h.add(100*time.Hour, 1) // longer than the last bucket
	require.Equal(t, []Bucket{{Below: 22, Count: 4}, {Below: 1 << longBits, Count: 1}}, h.distribution().Buckets)
}
