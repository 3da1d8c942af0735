package remote

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

// pack encodes what a foreign worker would send.
func pack(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	enc := msgpack.NewEncoder(&b)
	enc.UseCompactInts(true)
	require.NoError(t, enc.Encode(v))
	return b.Bytes()
}

type dict = map[string]any

func TestAForeignWorkerMaySendLittle(t *testing.T) {
	for name, c := range map[string]struct {
		sent any
		want *Error
	}{
		"nothing":               {dict{}, &Error{Message: unknownText}},
		"a text":                {dict{"msg": "boom"}, &Error{Message: "boom"}},
		"an empty text":         {dict{"msg": ""}, &Error{}},
		"a type of its own":     {dict{"msg": "m", "type": "ValueError"}, &Error{Message: "m", Type: "ValueError"}},
		"a cause without text":  {dict{"msg": "m", "causes": []any{dict{}}}, &Error{Message: "m", Causes: []*Error{{Message: unknownText}}}},
		"names nobody knows":    {dict{"msg": "m", "is": []any{"nobody"}, "as": "nobody"}, &Error{Message: "m", Is: []string{"nobody"}, As: "nobody"}},
		"a sentinel by name":    {dict{"msg": "m", "is": []any{"io.EOF"}}, &Error{Message: "m", Is: []string{"io.EOF"}}},
		"a name twice":          {dict{"msg": "m", "is": []any{"io.EOF", "io.EOF"}}, &Error{Message: "m", Is: []string{"io.EOF"}}},
		"keys of the future":    {dict{"msg": "m", "later": []any{1, dict{"x": nil}}}, &Error{Message: "m"}},
		"keys that are numbers": {map[any]any{"msg": "m", 7: "seven"}, &Error{Message: "m"}},
		"data of no type":       {dict{"msg": "m", "data": []byte{1}}, &Error{Message: "m"}},
		"values of other types": {dict{"msg": 1, "type": nil, "is": "io.EOF", "as": 3, "data": dict{}, "causes": true}, &Error{Message: unknownText}},
		"items of other types":  {dict{"msg": "m", "is": []any{1, nil, "io.EOF"}, "causes": []any{"x", 2, dict{"msg": "c"}}}, &Error{Message: "m", Is: []string{"io.EOF"}, Causes: []*Error{{Message: "c"}}}},
		"control characters":    {dict{"msg": "a\x1b[2Jb", "type": "T\x00"}, &Error{Message: `a\x1b[2Jb`, Type: `T\x00`}},
		"invalid UTF-8":         {dict{"msg": "a\xffb"}, &Error{Message: "a\uFFFDb"}},
		"a long name":           {dict{"msg": "m", "as": strings.Repeat("x", maxName+1), "is": []any{strings.Repeat("y", maxName+1)}}, &Error{Message: "m"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(pack(t, c.sent))
			require.NoError(t, err)
			got.Targets()
			assert.Equal(t, c.want, stripped(got))
		})
	}
}

// stripped is e as it arrived, without what its methods remember.
func stripped(e *Error) *Error {
	s := &Error{Type: e.Type, Message: e.Message, Is: e.Is, As: e.As, Data: e.Data}
	for _, c := range e.Causes {
		s.Causes = append(s.Causes, stripped(c))
	}
	return s
}

func TestBytesThatAreNoErrorAreRefused(t *testing.T) {
	whole := Append(nil, openMissing(t))
	refused := map[string][]byte{
		"nothing":              {},
		"a nil":                pack(t, nil),
		"a string":             pack(t, "boom"),
		"an array":             pack(t, []any{"boom"}),
		"an array that nests":  bytes.Repeat([]byte{0x91}, 1<<20),
		"a map that nests":     bytes.Repeat([]byte{0x81, 0xa1, 'a'}, 1<<20),
		"a map of 4 Gi pairs":  {0xdf, 0xff, 0xff, 0xff, 0xff},
		"a text of 4 GiB":      {0x81, 0xa3, 'm', 's', 'g', 0xdb, 0xff, 0xff, 0xff, 0xff, 'x'},
		"bytes behind the end": append(bytes.Clone(whole), 0xc0),
		"a byte of no type":    {0xc1},
	}
	for name, src := range refused {
		t.Run(name, func(t *testing.T) {
			e, err := Parse(src)
			assert.Nil(t, e)
			assert.Error(t, err)
		})
	}
	for i := range whole {
		_, err := Parse(whole[:i])
		assert.Error(t, err, "cut after %d bytes", i)
	}
}

func TestCausesThatNestTooDeepAreLeftOut(t *testing.T) {
	e := dict{"msg": "deepest"}
	for range 60 {
		e = dict{"msg": "m", "causes": []any{e}}
	}
	got, err := Parse(pack(t, e))
	require.NoError(t, err)
	assert.Equal(t, maxDepth, depth(got))
}

func TestCausesOverTheirNumberAreLeftOut(t *testing.T) {
	causes := make([]any, 10_000)
	for i := range causes {
		causes[i] = dict{"msg": "m"}
	}
	got, err := Parse(pack(t, dict{"msg": "top", "causes": causes}))
	require.NoError(t, err)
	assert.Equal(t, maxNodes, count(got))
}

func TestTheRoomForTextsAndDataIsShared(t *testing.T) {
	text, data := strings.Repeat("x", maxText), make([]byte, maxAllData/4)
	causes := make([]any, 200)
	for i := range causes {
		causes[i] = dict{"msg": text, "as": "test.bulky", "data": data, "is": []any{"io.EOF"}}
	}
	got, err := Parse(pack(t, dict{"causes": causes}))
	require.NoError(t, err)
	texts, values := 0, 0
	for _, c := range got.Causes {
		texts += len(c.Message)
		values += len(c.Data)
	}
	assert.LessOrEqual(t, texts, maxAllTexts)
	assert.LessOrEqual(t, values, maxAllData)
}

func TestALargeTextIsNotCopied(t *testing.T) {
	src := append([]byte{0x81, 0xa3, 'm', 's', 'g', 0xdb}, binary.BigEndian.AppendUint32(nil, 64<<20)...)
	src = append(src, make([]byte, 64<<20)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := Parse(src)
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(got.Message), maxText)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
}

func TestWhatWasParsedDoesNotReferToTheBuffer(t *testing.T) {
	src := Append(nil, &codeError{Code: 1, Detail: "detail"})
	got, err := Parse(src)
	require.NoError(t, err)
	clear(src)
	found, ok := errors.AsType[*codeError](&received{got})
	require.True(t, ok)
	assert.Equal(t, "detail", found.Detail)
}

func TestDataThatDoesNotDecodeLeavesTheTextAndTheSentinels(t *testing.T) {
	for name, data := range map[string][]byte{
		"no bytes":                        {},
		"another type":                    pack(t, "text"),
		"nil":                             pack(t, nil),
		"cut off":                         pack(t, dict{"Code": 1, "Detail": "x"})[:3],
		"bytes behind":                    append(pack(t, dict{}), 0xc0),
		"an array of 4 Gi":                {0xdd, 0xff, 0xff, 0xff, 0xff},
		"an error field that is a number": pack(t, dict{"Op": "x", "Err": 5}),
		"an error field that is a map":    pack(t, dict{"Op": "x", "Err": dict{}}),
		"strings too few":                 pack(t, []any{"open"}),
		"strings that are numbers":        pack(t, []any{1, 2, 3}),
		"an errno of another system":      pack(t, []any{"plan9", 2}),
		"an errno that is a text":         pack(t, []any{runtime.GOOS, "x"}),
	} {
		for _, k := range load().kinds {
			t.Run(name+" for "+k.name, func(t *testing.T) {
				got, err := Parse(pack(t, dict{"msg": "m", "as": k.name, "data": data, "is": []any{"io.EOF"}}))
				require.NoError(t, err)
				assert.ErrorIs(t, &received{got}, io.EOF)
				for _, target := range got.Targets() {
					assert.NotPanics(t, func() { _ = target.Error() })
				}
			})
		}
	}
}

func TestAnErrnoOfAnotherSystemKeepsItsSentinels(t *testing.T) {
	got, err := Parse(pack(t, dict{"msg": "m", "as": "syscall.Errno", "data": pack(t, []any{"plan9", 2}), "is": []any{"fs.ErrNotExist"}}))
	require.NoError(t, err)
	assert.ErrorIs(t, &received{got}, fs.ErrNotExist)
	_, found := errors.AsType[syscall.Errno](&received{got})
	assert.False(t, found)
}

func TestAnErrnoMayComeAsAnyInteger(t *testing.T) {
	for name, number := range map[string][]byte{
		"small":  {2},
		"uint8":  {0xcc, 2},
		"uint64": {0xcf, 0, 0, 0, 0, 0, 0, 0, 2},
		"int8":   {0xd0, 2},
		"int64":  {0xd3, 0, 0, 0, 0, 0, 0, 0, 2},
	} {
		data := pack(t, []any{runtime.GOOS, 0})
		data = append(data[:len(data)-1], number...)
		got, err := decodeErrno(&Error{Data: data})
		require.NoError(t, err, name)
		assert.Equal(t, syscall.Errno(2), got, name)
	}
	_, err := decodeErrno(&Error{Data: pack(t, []any{runtime.GOOS, -2})})
	assert.Error(t, err)
}

func TestAPathErrorOfAForeignWorkerNeedsNoCauses(t *testing.T) {
	got, err := Parse(pack(t, dict{"msg": "m", "as": "fs.PathError", "data": pack(t, []any{"open", "x", "gone"})}))
	require.NoError(t, err)
	found, ok := errors.AsType[*fs.PathError](&received{got})
	require.True(t, ok)
	assert.EqualError(t, found, "open x: gone")
}

func TestAnErrorMadeByHandIsBoundedToo(t *testing.T) {
	e := &Error{Message: "ring", Is: []string{"io.EOF"}}
	e.Causes = []*Error{nil, e, e}
	assert.Equal(t, []error{io.EOF}, e.Targets())
}
