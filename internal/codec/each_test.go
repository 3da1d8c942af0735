package codec

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// edges are the numbers at which the form of an encoding changes.
func edges() (all []int64) {
	for _, at := range []int64{0, -32, math.MaxInt8, math.MaxUint8, math.MaxInt16, math.MaxUint16, math.MaxInt32, math.MaxUint32, math.MaxInt64 - 1, math.MinInt64 + 1} {
		all = append(all, at-1, at, at+1, -at)
	}
	return all
}

func checkEach[T integer](t *testing.T) {
	t.Helper()
	c := For[T]()
	var vs []T
	for _, i := range edges() {
		vs = append(vs, T(i))
	}
	one := []byte{}
	for i := range vs {
		b, err := c.Append(nil, &vs[i])
		require.NoError(t, err)
		require.Less(t, len(b), MaxEach)
		one = append(append(one, byte(len(b))), b...)
	}
	each, ok := c.AppendEach(nil, vs)
	require.True(t, ok)
	require.Equal(t, one, each)

	for i := range vs { // each alone, since a rare form ends a run
		b, err := c.Append(nil, &vs[i])
		require.NoError(t, err)
		src := append([]byte{0, byte(len(b))}, b...)
		got := []T{0}
		if n, size := c.DecodeEach(append(src, 0), got); n > 0 { // what comes after it is not looked at
			require.Equal(t, len(src), size)
			require.Equal(t, vs[i], got[0])
		}
		for cut := range src {
			n, size := c.DecodeEach(src[:cut], got)
			require.Zero(t, n, "%x cut at %d", src, cut)
			require.Zero(t, size)
		}
	}
}

func TestIntegersTogetherAreEncodedAsTheyAreAlone(t *testing.T) {
	checkEach[int](t)
	checkEach[int32](t)
	checkEach[int64](t)
	checkEach[uint](t)
	checkEach[uint32](t)
	checkEach[uint64](t)
	_, ok := For[string]().AppendEach(nil, []string{"a"})
	require.False(t, ok)
}

func TestDecodingTogetherStopsAtWhatIsNotOrdinary(t *testing.T) {
	ordinary := []byte{0, 1, 7, 0, 3, codeUint16, 1, 0}
	for name, next := range map[string][]byte{
		"another outcome":               {1, 1, 7},
		"no value":                      {0, 0},
		"a length that is not its own":  {0, 2, 7, 7},
		"a longer length":               {0, 0xcc, 1, 7},
		"a number that is not shortest": {0, 9, codeInt64, 0, 0, 0, 0, 0, 0, 0, 1},
		"a float":                       {0, 5, codeFloat32, 0, 0, 0, 0},
		"text":                          {0, 1, 0xa0},
		"nothing":                       {},
	} {
		t.Run(name, func(t *testing.T) {
			got := make([]int, 4)
			n, size := For[int]().DecodeEach(append(slices.Clip(ordinary), next...), got)
			require.Equal(t, []int{7, 256, 0, 0}, got)
			require.Equal(t, []int{2, len(ordinary)}, []int{n, size})
		})
	}
}

func TestANumberThatDoesNotFitIsNotDecodedTogether(t *testing.T) {
	src := []byte{0, 5, codeUint32, 0xff, 0xff, 0xff, 0xff}
	n, _ := For[int32]().DecodeEach(src, make([]int32, 1))
	require.Zero(t, n)
	n, _ = For[uint32]().DecodeEach(src, make([]uint32, 1))
	require.Equal(t, 1, n)
	n, _ = For[uint64]().DecodeEach([]byte{0, 1, 0xff}, make([]uint64, 1)) // -1
	require.Zero(t, n)
	got := make([]int, 1)
	n, _ = For[int]().DecodeEach([]byte{0, 1, 0xff}, got)
	require.Equal(t, 1, n)
	require.Equal(t, -1, got[0])
}

func BenchmarkEach(b *testing.B) {
	vs := make([]int, 4096)
	for i := range vs {
		vs[i] = 100_000 + i
	}
	c := For[int]()
	dst := make([]byte, 0, MaxEach*len(vs))
	b.Run("op=append", func(b *testing.B) {
		for b.Loop() {
			dst, _ = c.AppendEach(dst[:0], vs)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(vs)), "ns/value")
	})
	var src []byte
	for i := range vs {
		one, _ := c.Append(nil, &vs[i])
		src = append(append(src, 0, byte(len(one))), one...)
	}
	b.Run("op=decode", func(b *testing.B) {
		for b.Loop() {
			if n, _ := c.DecodeEach(src, vs); n != len(vs) {
				b.Fatal(n)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(vs)), "ns/value")
	})
}
