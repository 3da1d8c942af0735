package codec_test

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/codec"
)

type previewed struct {
	Name  string `msgpack:"name"`
	Size  int
	Parts []previewedPart
	Next  *previewed
}

type previewedPart struct {
	X, Y float64
}

func preview[T any](t *testing.T, v T, positional bool, most int) string {
	t.Helper()
	c := codec.For[T]()
	if positional {
		c = c.Positional()
	}
	b, err := c.Append(nil, &v)
	require.NoError(t, err)
	return codec.Preview(b, reflect.TypeFor[T](), most)
}

func TestAPreviewIsReadable(t *testing.T) {
	one := previewed{Name: "a \"b\"\n", Size: -7, Parts: []previewedPart{{1, 2.5}}}
	const want = `{"name": "a \"b\"\n", "Size": -7, "Parts": [{"X": 1, "Y": 2.5}], "Next": null}`
	require.Equal(t, want, preview(t, one, false, 200))
	require.Equal(t, want, preview(t, one, true, 200), "the names are those of the type")
	require.Equal(t, `{"name": "a \"b\"\n", "…`, preview(t, one, true, 26))
	require.Equal(t, `[1, 300, 70000, -300, -1]`, preview(t, []int{1, 300, 70000, -300, -1}, false, 99))
	require.Equal(t, `"/tmp/x"`, preview(t, "/tmp/x", false, 99))
	require.Equal(t, `"a text"`, preview(t, []byte("a text"), false, 99))
	require.Equal(t, `0x0001ff`, preview(t, []byte{0, 1, 255}, false, 99))
	require.Equal(t, `0x000102030405060708090a0b0c0d0e0f1011121314151617… (1000 bytes)`, preview(t, counting(1000), false, 99))
	require.Equal(t, `{"a": true}`, preview(t, map[string]bool{"a": true}, false, 99))
	require.Equal(t, `null`, preview(t, struct{}{}, false, 99))
	require.Equal(t, `1.5`, preview(t, 1.5, false, 99))
	require.Equal(t, `18446744073709551615`, preview(t, ^uint64(0), false, 99))
	require.True(t, strings.HasPrefix(preview(t, time.Unix(1, 2), false, 99), "0x"))
}

func counting(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func TestAPreviewIsCutWhereItsRoomOrItsBytesEnd(t *testing.T) {
	long := strings.Repeat("äö", 1000)
	got := preview(t, long, false, 120)
	require.LessOrEqual(t, len(got), 120)
	require.True(t, utf8.ValidString(got))
	require.True(t, strings.HasPrefix(got, `"äöäö`) && strings.HasSuffix(got, "ö…"), got)

	b, err := codec.For[string]().Append(nil, &long)
	require.NoError(t, err)
	require.Equal(t, `"äö…`, codec.Preview(b[:7], nil, 120))
	require.Equal(t, "…", codec.Preview(nil, nil, 120))
	require.Equal(t, "…", codec.Preview([]byte{0xdf}, nil, 120), "the head of a map alone")
	require.Equal(t, `["a", …`, codec.Preview([]byte{0xdd, 0xff, 0xff, 0xff, 0xff, 0xa1, 'a'}, nil, 120), "a length bomb")
}

// Whatever stands there, a preview is short, valid and harmless, and is made at once.
func TestAPreviewOfHostileBytesIsHarmless(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	types := []reflect.Type{nil, reflect.TypeFor[previewed](), reflect.TypeFor[[]previewed](), reflect.TypeFor[map[string]previewed](), reflect.TypeFor[any](), reflect.TypeFor[int]()}
	whole := previewed{Name: "\x1b[2J\u202e", Parts: make([]previewedPart, 3)}
	valid, err := codec.For[previewed]().Positional().Append(nil, &whole)
	require.NoError(t, err)
	for range 50_000 {
		b := make([]byte, random.IntN(64))
		if random.IntN(2) == 0 {
			b = append([]byte(nil), valid...)
		}
		for range min(len(b), 1+random.IntN(64)) {
			b[random.IntN(len(b))] = byte(random.Uint32())
		}
		most := 3 + random.IntN(150)
		got := codec.Preview(b, types[random.IntN(len(types))], most)
		require.LessOrEqual(t, len(got), most, "%q of %x", got, b)
		require.True(t, utf8.ValidString(got), "%q of %x", got, b)
		for _, r := range got {
			require.True(t, unicode.IsPrint(r), "%q of %x", got, b)
		}
	}
	require.Equal(t, strings.Repeat("[", 8)+"…", codec.Preview([]byte(strings.Repeat("\x91", 5000)), nil, 120))
}
