package codec

import (
	"math"
	"slices"
	"strings"
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

// unbounded lets everything through. Its prefix is that of package wire for up to 255 bytes.
var unbounded = Bounds{Room: 1 << 30, Long: 1 << 30, Most: 1 << 30, Prefix: func(dst []byte, from int) []byte {
	return slices.Insert(dst, from, byte(len(dst)-from))
}}

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
		require.Less(t, len(b), maxInteger)
		one = append(append(one, byte(len(b))), b...)
	}
	each, n, _ := c.AppendEach(nil, vs, unbounded)
	require.Equal(t, len(vs), n)
	require.Equal(t, one, each)
	each, n, _ = c.AppendEach([]byte{9}, vs, Bounds{Room: 3*maxInteger + 1, Long: maxInteger, Most: maxInteger})
	require.Equal(t, 3, n)
	require.Equal(t, append([]byte{9}, one[:len(each)-1]...), each)
	_, n, _ = c.AppendEach(nil, vs, Bounds{Room: 1 << 20, Long: 1 << 20, Most: maxInteger - 1})
	require.Zero(t, n, "one may be longer than that")

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
	_, n, _ := For[string]().AppendEach(nil, []string{"a"}, unbounded)
	require.Zero(t, n)
}

// checkTogether compares what AppendEach and DecodeEach make of vs with what Append and Decode make of each.
func checkTogether[T any](t *testing.T, c *Codec[T], vs []T) {
	t.Helper()
	var items, results []byte
	for i := range vs {
		b, err := c.Append(nil, &vs[i])
		require.NoError(t, err)
		require.Less(t, len(b), 128)
		items = append(append(items, byte(len(b))), b...)
		results = append(append(results, 0, byte(len(b))), b...)
	}
	got, n, _ := c.AppendEach([]byte("before"), vs, unbounded)
	require.Equal(t, len(vs), n)
	require.Equal(t, "before"+string(items), string(got))
	back := make([]T, len(vs)+1)
	n, size := c.DecodeEach(append(slices.Clip(results), 1), back)
	require.Equal(t, len(vs), n)
	require.Equal(t, len(results), size)
	require.Equal(t, vs, back[:n])
	for cut := range results {
		n, size = c.DecodeEach(results[:cut], back)
		require.Less(t, n, len(vs))
		require.LessOrEqual(t, size, cut)
		require.Equal(t, vs[:n], back[:n])
	}
}

func TestRecordsTogetherAreEncodedAsTheyAreAlone(t *testing.T) {
	type point struct {
		X, Y int
		Tags []string
	}
	points := []point{{1, 2, nil}, {X: -5, Tags: []string{"a", "bb"}}, {}}
	checkTogether(t, For[point](), points)
	checkTogether(t, For[point]().Positional(), points)
	checkTogether(t, For[[]int](), [][]int{{1}, nil, {}, {1, 2, 3}})
	checkTogether(t, For[map[string]int](), []map[string]int{{"a": 1}, nil})
	checkTogether(t, For[*point](), []*point{nil, {X: 1}})
}

func TestARecordThatIsLongHasALongPrefixAndIsDecodedAlone(t *testing.T) {
	long, short := []string{strings.Repeat("x", 150)}, []string{"y"}
	c := For[[]string]()
	one, err := c.Append(nil, &long)
	require.NoError(t, err)
	got, n, _ := c.AppendEach(nil, [][]string{short, long, short}, unbounded)
	require.Equal(t, 3, n)
	want := append([]byte{3, 0x91, 0xa1, 'y', byte(len(one)), byte(len(one))}, one...)
	require.Equal(t, append(want, 3, 0x91, 0xa1, 'y'), got)

	got, n, _ = c.AppendEach(nil, [][]string{short, long, short}, Bounds{Room: 1 << 20, Long: 1 << 20, Most: 100})
	require.Equal(t, 1, n, "it is longer than may be")
	require.Equal(t, want[:4], got)
	_, n, _ = c.AppendEach(nil, [][]string{short, short, short}, Bounds{Room: 5, Long: 100, Most: 100})
	require.Equal(t, 2, n, "then there is no room")

	alone := Bounds{Room: 1 << 20, Long: 100, Most: 1 << 20, Prefix: unbounded.Prefix}
	got, n, over := c.AppendEach(nil, [][]string{short, long, short}, alone)
	require.Equal(t, 1, n, "the long one does not follow another")
	require.True(t, over)
	require.Equal(t, want[:4], got)
	got, n, over = c.AppendEach(nil, [][]string{long, short}, alone)
	require.Equal(t, 1, n, "nothing follows the long one")
	require.True(t, over)
	require.Equal(t, want[4:], got)
	_, n, over = c.AppendEach(nil, [][]string{short, short}, alone)
	require.Equal(t, 2, n)
	require.False(t, over)

	back := [][]string{nil, {"kept"}}
	n, size := c.DecodeEach(append([]byte{0, 3, 0x91, 0xa1, 'y', 0, 0xcc, byte(len(one))}, one...), back)
	require.Equal(t, []int{1, 5}, []int{n, size})
	require.Equal(t, [][]string{short, {"kept"}}, back)
}

// moody panics when it is asked whether it is zero.
type moody int

func (m moody) IsZero() bool {
	if m < 0 {
		panic("in a bad mood")
	}
	return m == 0
}

func TestTogetherStopsBeforeAValueThatPanics(t *testing.T) {
	type person struct {
		Mood moody `msgpack:",omitempty"`
	}
	c := For[person]()
	vs := []person{{1}, {-1}, {1}}
	got, n, _ := c.AppendEach(nil, vs, unbounded)
	require.Equal(t, 1, n)
	require.Equal(t, "\x07\x81\xa4Mood\x01", string(got))
	_, err := c.Append(nil, &vs[1])
	require.ErrorContains(t, err, "in a bad mood")
	got, n, _ = c.AppendEach(nil, vs[2:], unbounded)
	require.Equal(t, 1, n, "the encoder is as good as new")
	require.Equal(t, "\x07\x81\xa4Mood\x01", string(got))
}

func TestTogetherStopsBeforeAValueThatHasNoEncoding(t *testing.T) {
	type holder struct{ In *holder }
	loop := &holder{}
	loop.In = loop
	c := For[*holder]()
	_, n, _ := c.AppendEach(nil, []*holder{{}, loop, {}}, unbounded)
	require.Equal(t, 1, n)
	_, err := c.Append(nil, &loop)
	require.Error(t, err)
	got, n, _ := c.AppendEach(nil, []*holder{{In: &holder{}}}, unbounded)
	require.Equal(t, 1, n)
	one, err := c.Append(nil, &[]*holder{{In: &holder{}}}[0])
	require.NoError(t, err)
	require.Equal(t, append([]byte{byte(len(one))}, one...), got)
}

func TestTogetherStopsBeforeAValueThatDoesNotDecode(t *testing.T) {
	src := []byte{0, 3, 0x91, 0xa1, 'y', 0, 2, 0x91, 7, 0, 3, 0x91, 0xa1, 'y'}
	back := make([][]string, 3)
	n, size := For[[]string]().DecodeEach(src, back)
	require.Equal(t, []int{1, 5}, []int{n, size})
	require.Equal(t, []string{"y"}, back[0])
	require.Error(t, For[[]string]().Decode(src[7:9], &back[1]))
	n, _ = For[[]string]().DecodeEach(src[9:], back)
	require.Equal(t, 1, n)
}

func TestWhatCanHoldAReferenceGoesAlone(t *testing.T) {
	_, n, _ := For[[][]byte]().AppendEach(nil, [][][]byte{nil}, unbounded)
	require.Zero(t, n)
	n, _ = For[[][]byte]().DecodeEach([]byte{0, 1, 0xc0}, make([][][]byte, 1))
	require.Zero(t, n)
	_, n, _ = For[any]().AppendEach(nil, []any{1}, unbounded)
	require.Zero(t, n)
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
	dst := make([]byte, 0, maxInteger*len(vs))
	b.Run("op=append", func(b *testing.B) {
		for b.Loop() {
			dst, _, _ = c.AppendEach(dst[:0], vs, unbounded)
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
