package codec

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// targets are pointers to values of types that have each been a way to harm a
// decoder.
func targets() []any {
	return []any{
		new(any), new([]any), new(map[string]any), new(map[any]any), new([]int64), new([]string), new([]byte), new(string),
		new(map[string]int), new(map[int]string), new([]struct{ B [512]byte }), new([][512]byte), new([300]int8),
		new([]struct{}), new([][]struct{}), new(map[struct{}]struct{}), new([]*Tree), new(Tree), new(Outer), new(tagged),
		new(asArray), new(struct{ E error }), new(error), new([]custom), new(text), new(byBytes), new(time.Time), new(***int),
		new(struct{}), new(int8), new(uint64), new(float32), new(bool), new(Record), new([]Record), new(pointerToItself),
		new(map[[1]any]int), new(wide), new(sliceOfItself),
	}
}

// memoryBound is what decoding b may allocate. The factors are generous for maps
// of small items, the constant is for errors and what is pooled.
func memoryBound(b []byte) uint64 { return 1<<20 + memPerByte*uint64(len(b)) }

// allocated returns how many bytes f allocates. Other goroutines must be idle.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestHostileBytesAreRefusedWithoutAllocating(t *testing.T) {
	bombs := map[string][]byte{
		"array of 2^25":           header32(codeArray32, 0x02000000),
		"array of 2^32-1":         header32(codeArray32, 0xffffffff),
		"map of 2^25":             header32(codeMap32, 0x02000000),
		"map of 2^27":             header32(codeMap32, 0x08000000),
		"map of 2^32-1":           header32(codeMap32, 0xffffffff),
		"bytes of 2^32-1":         header32(codeBin32, 0xffffffff),
		"string of 2^32-1":        header32(codeStr32, 0xffffffff),
		"extension of 2^32-1":     append(header32(codeExt32, 0xffffffff), 0xff),
		"1.8 MB of arrays":        nested("\x91", 1_800_000),
		"3 MB of maps":            nested("\x81\xa0", 1_500_000),
		"4.5 MB in an unknown":    append([]byte{0x81, 0xa1, '?'}, nested("\x91", 4_500_000)...),
		"arrays that claim all":   bytes.Repeat(header32(codeArray32, 400), 100),
		"maps that claim all":     bytes.Repeat(append(header32(codeMap32, 200), 0xa0), 100),
		"bomb in a field":         append([]byte{0x81, 0xa8, 'C', 'h', 'i', 'l', 'd', 'r', 'e', 'n'}, header32(codeArray32, 0xffffffff)...),
		"bomb behind good values": append([]byte{0x93, 1, 2}, header32(codeArray32, 0xffffffff)...),
		"0xc1":                    {codeNever},
		"nothing":                 {},
		"trailing bytes":          {codeNil, codeNil},
	}
	for name, b := range bombs {
		t.Run(name, func(t *testing.T) {
			for _, v := range targets() {
				n := allocated(func() { require.Error(t, DecodeInto(b, v), "%T", v) })
				require.Less(t, n, uint64(2<<20), "%T", v)
			}
			n := allocated(func() { require.Error(t, CheckOne(b)) })
			require.Less(t, n, uint64(1<<20))
		})
	}
}

func TestSmallElementsDoNotBecomeLargeOnes(t *testing.T) {
	maps := append(AppendArrayHeader(nil, 20_000), bytes.Repeat([]byte{codeFixMap}, 20_000)...)
	var big []struct{ B [4096]byte }
	var err error
	n := allocated(func() { err = For[[]struct{ B [4096]byte }]().Decode(maps, &big) })
	require.ErrorIs(t, err, ErrTooLarge)
	require.Less(t, n, uint64(1<<20))

	t.Run("not even in many small steps", func(t *testing.T) {
		b := append(AppendArrayHeader(nil, 20_000), bytes.Repeat([]byte{0x91, codeFixMap}, 20_000)...)
		var s [][]struct{ B [4096]byte }
		n := allocated(func() { err = For[[][]struct{ B [4096]byte }]().Decode(b, &s) })
		require.ErrorIs(t, err, ErrTooLarge)
		require.Less(t, n, uint64(memFree+4<<20))
	})
	t.Run("nor by pointers", func(t *testing.T) {
		var s []*struct{ B [4096]byte }
		require.ErrorIs(t, DecodeInto(maps, &s), ErrTooLarge)
	})
	t.Run("nor as the elements of a map", func(t *testing.T) {
		b := AppendMapHeader(nil, 20_000)
		for i := range 20_000 {
			b = append(AppendInt(b, int64(i)), codeFixMap)
		}
		var m map[int]struct{ B [4096]byte }
		require.ErrorIs(t, DecodeInto(b, &m), ErrTooLarge)
	})
	t.Run("but honest ones do", func(t *testing.T) {
		v := make([][4096]byte, 20_000)
		require.NoError(t, DecodeInto(encoded(t, v), &v))
		small := maps[:0:0]
		small = append(AppendArrayHeader(small, 1000), bytes.Repeat([]byte{codeFixMap}, 1000)...)
		require.NoError(t, DecodeInto(small, &big))
	})
}

func TestUntypedBytesTakeAFixedMultipleOfMemory(t *testing.T) {
	const size = 1 << 20
	for name, b := range map[string][]byte{
		"small integers":   append(AppendArrayHeader(nil, size), make([]byte, size)...),
		"empty maps":       append(AppendArrayHeader(nil, size), bytes.Repeat([]byte{codeFixMap}, size)...),
		"empty arrays":     append(AppendArrayHeader(nil, size), bytes.Repeat([]byte{codeFixArray}, size)...),
		"maps of one":      append(AppendArrayHeader(nil, size/4), bytes.Repeat([]byte{0x81, 0xa1, 'k', 1}, size/4)...),
		"mixed maps":       append(AppendArrayHeader(nil, size/3), bytes.Repeat([]byte{0x81, 1, 1}, size/3)...),
		"one key for all":  append(AppendMapHeader(nil, size/3), bytes.Repeat([]byte{0xa1, 'k', 1}, size/3)...),
		"one-byte strings": append(AppendArrayHeader(nil, size/2), bytes.Repeat([]byte{0xa1, 'k'}, size/2)...),
	} {
		t.Run(name, func(t *testing.T) {
			var v any
			n := allocated(func() { require.NoError(t, For[any]().Decode(b, &v)) })
			require.Less(t, n, memoryBound(b))
			t.Logf("%.1f bytes for each", float64(n)/float64(len(b)))
		})
	}
}

func TestEveryPrefixOfAValueIsAnError(t *testing.T) {
	n := 5
	p := &n
	pp := &p
	v := struct {
		O Outer
		T tagged
		E error
		A any
		C []custom
		R Record
	}{
		O: Outer{Tree: &Tree{ByName: map[string]*Tree{"x": {}}}, C: []Inner{{}}, F: &pp},
		E: errors.New("text"), A: []any{map[any]any{1: time.Unix(5, 5)}, int64(1) << 40, "s"}, C: []custom{{1, 2}}, R: newRecord(),
	}
	b := encoded(t, v)
	for i := range b {
		v := v
		require.Error(t, DecodeInto(b[:i], &v), "%d of %d", i, len(b))
		require.Error(t, CheckOne(b[:i]))
	}
	require.ErrorIs(t, DecodeInto(append(b, codeNil), &v), ErrTrailing)
}

func TestFlippedBytesGiveAValueOrAnError(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	seeds := [][]byte{
		encoded(t, newRecord()), encoded(t, untypedRecord()), encoded(t, []custom{{1, 2}, {3, 4}}),
		encoded(t, Tree{Children: []Tree{{Value: 1}, {}}, ByName: map[string]*Tree{"a": {}}}),
		encoded(t, tagged{A: 1, F: map[any]any{1: 2}}), encoded(t, map[string]any{"E": "x", "H": []byte{1}}),
	}
	for range 2000 {
		b := bytes.Clone(seeds[rng.IntN(len(seeds))])
		for range 1 + rng.IntN(4) {
			b[rng.IntN(len(b))] = byte(rng.Uint32())
		}
		for _, v := range targets() {
			if DecodeInto(b, v) == nil {
				require.NoError(t, CheckOne(b), "%x into %T", b, v)
			}
		}
	}
}
