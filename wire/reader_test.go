package wire_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/wire"
)

const testMax = 1 << 20

func reader(b []byte) *wire.Reader {
	return wire.NewReader(bytes.NewReader(b), testMax, wire.Kind.FromWorker)
}

func beat() []byte { return wire.AppendControl(nil, wire.Beat, 0, 0, nil) }

func results(items ...[]byte) []byte {
	payload := wire.ResultsHead{Exec: 5}.Append(nil)
	for _, item := range items {
		payload = append(payload, item...)
	}
	frame := wire.Header{Kind: wire.Results, Count: uint32(len(items)), ID: 3, Length: uint64(len(payload))}.Append(nil)
	return append(frame, payload...)
}

func resultItem(value []byte) []byte {
	return append(wire.AppendResultHead(nil, wire.Value, nil, len(value)), value...)
}

func TestFramesOfAllSizesAreReadWhateverTheReadsBring(t *testing.T) {
	sizes := []int{0, 1, 127, 128, 255, 256, 65535, 65536, 70000, 1 << 20}
	var stream []byte
	for _, n := range sizes {
		stream = append(stream, results(resultItem(bytes.Repeat([]byte{7}, n)))...)
	}
	sources := map[string]io.Reader{
		"whole":                     bytes.NewReader(stream),
		"byte a read":               iotest.OneByteReader(bytes.NewReader(stream)),
		"half reads":                iotest.HalfReader(bytes.NewReader(stream)),
		"error with the last bytes": iotest.DataErrReader(bytes.NewReader(stream)),
	}
	for name, src := range sources {
		t.Run(name, func(t *testing.T) {
			r := wire.NewReader(src, testMax, wire.Kind.FromWorker)
			for _, n := range sizes {
				f, err := r.Next()
				require.NoError(t, err)
				head, items, err := wire.ParseResultsHead(f.Payload)
				require.NoError(t, err)
				require.EqualValues(t, 5, head.Exec)
				failed, err := wire.CheckResults(items, 1)
				require.NoError(t, err)
				require.Zero(t, failed)
				item, _, ok := wire.CutResult(items)
				require.True(t, ok)
				require.Len(t, item.Value, n)
			}
			_, err := r.Next()
			require.ErrorIs(t, err, io.EOF)
		})
	}
}

func TestAFrameCutAnywhereIsAnUnexpectedEnd(t *testing.T) {
	frame := results(resultItem([]byte{1}), resultItem([]byte{2, 3}))
	for cut := 1; cut < len(frame); cut++ {
		_, err := reader(frame[:cut]).Next()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut at %d", cut)
	}
}

func TestEveryFlippedBitOfAHeaderIsFound(t *testing.T) {
	frame := beat()
	for bit := range 8 * wire.HeaderSize {
		bad := bytes.Clone(frame)
		bad[bit/8] ^= 1 << (bit % 8)
		_, err := reader(bad).Next()
		var violation *wire.ProtocolError
		require.ErrorAs(t, err, &violation, "bit %d", bit)
	}
}

func TestWhatMayNotBeSentIsRefusedByTheHeaderAlone(t *testing.T) {
	header := func(h wire.Header) []byte { return h.Append(nil) }
	for name, bytes := range map[string][]byte{
		"unknown kind":              header(wire.Header{Kind: 99}),
		"kind of the other side":    header(wire.Header{Kind: wire.Tasks}),
		"control over its limit":    header(wire.Header{Kind: wire.Log, Length: wire.MaxControlBytes + 1}),
		"one result over the limit": header(wire.Header{Kind: wire.Results, Count: 1, Length: testMax + wire.ItemSlack + 1}),
		"results over the limit":    header(wire.Header{Kind: wire.Results, Count: 2, Length: wire.MaxBatchBytes + 1}),
		"length 2^31":               header(wire.Header{Kind: wire.Results, Count: 1, Length: 1 << 31}),
		"length 2^63":               header(wire.Header{Kind: wire.Results, Count: 1, Length: 1 << 63}),
		"length 2^64-1":             header(wire.Header{Kind: wire.Results, Count: 1, Length: 1<<64 - 1}),
		"too many items":            header(wire.Header{Kind: wire.Results, Count: wire.MaxBatchItems + 1}),
		"text":                      []byte(strings.Repeat("hello, world\n", 4)),
	} {
		t.Run(name, func(t *testing.T) {
			r := reader(bytes)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := r.Next()
			runtime.ReadMemStats(&after)
			var violation *wire.ProtocolError
			require.ErrorAs(t, err, &violation)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
			if strings.Contains(name, "limit") || strings.Contains(name, "length") {
				require.ErrorIs(t, err, wire.ErrTooLarge)
			}
		})
	}
}

func TestAHeaderThatPromisesMuchMakesTheReaderAllocateLittle(t *testing.T) {
	h := wire.Header{Kind: wire.Results, Count: 1, Length: 1 << 30}.Append(nil)
	r := wire.NewReader(bytes.NewReader(append(h, 1, 2, 3)), 1<<31, wire.Kind.FromWorker)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := r.Next()
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(6<<20))
}

func TestTheCookieIsFoundBehindWhatWasPrinted(t *testing.T) {
	cookie := []byte(strings.Repeat("0123456789abcdef", 2))
	for name, before := range map[string]string{
		"nothing":               "",
		"a line":                "hello\n",
		"a piece of the cookie": string(cookie[:31]),
		"the limit":             strings.Repeat("x", wire.MaxBeforeCookie),
		"over one read":         strings.Repeat("0123456789abcde", 3000),
	} {
		t.Run(name, func(t *testing.T) {
			stream := append([]byte(before), cookie...)
			r := wire.NewReader(iotest.HalfReader(bytes.NewReader(append(stream, beat()...))), testMax, wire.Kind.FromWorker)
			got, err := r.Cookie(cookie)
			require.NoError(t, err)
			require.Equal(t, before, string(got))
			f, err := r.Next()
			require.NoError(t, err)
			require.Equal(t, wire.Beat, f.Kind)
		})
	}
}

func TestTooMuchBeforeTheCookieIsAProtocolError(t *testing.T) {
	cookie := []byte(strings.Repeat("0123456789abcdef", 2))
	before, err := reader([]byte(strings.Repeat("x", wire.MaxBeforeCookie+100))).Cookie(cookie)
	var violation *wire.ProtocolError
	require.ErrorAs(t, err, &violation)
	require.Len(t, before, wire.MaxBeforeCookie)

	before, err = reader([]byte("no cookie here\n")).Cookie(cookie)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, "no cookie here\n", string(before))
}

func TestDamagedItemsAreFound(t *testing.T) {
	good := append(resultItem([]byte{1}), resultItem([]byte{2})...)
	for name, c := range map[string]struct {
		items []byte
		count int
	}{
		"too few":          {good, 3},
		"too many":         {good, 1},
		"cut":              {good[:len(good)-1], 2},
		"unknown outcome":  {append([]byte{0x0f, 1}, 0), 1},
		"no length":        {[]byte{0}, 1},
		"length no number": {[]byte{0, 0xc0}, 1},
		"negative length":  {[]byte{0, 0xff}, 1},
		"huge length":      {[]byte{0, 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := wire.CheckResults(c.items, c.count)
			var violation *wire.ProtocolError
			require.ErrorAs(t, err, &violation)
		})
	}
}

func TestItemsOfEverySizeCarryTheirLength(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 255, 256, 65535, 65536, 1 << 20} {
		value := bytes.Repeat([]byte{9}, n)
		direct := wire.AppendItem(nil, value)
		dst := wire.Reserve([]byte("before"))
		from := len(dst)
		dst = wire.PrefixLast(append(dst, value...), from, 0)
		require.Equal(t, "before", string(dst[:6]))
		require.True(t, bytes.Equal(direct, dst[6:]), "size %d", n)
		got, rest, ok := wire.CutItem(dst[6:])
		require.True(t, ok)
		require.True(t, bytes.Equal(value, got))
		require.Empty(t, rest)
		require.Equal(t, len(direct), wire.SkipItems(append(direct, 1, 2), 1))
	}
	require.Equal(t, -1, wire.SkipItems([]byte{5, 1}, 1))
}

func TestTimedResultsCarryTheirTimes(t *testing.T) {
	took := wire.Cost{Exec: 300, CPU: 1 << 40, Waiting: 70_000, Decode: 100, Encode: 150}
	item := append(wire.AppendResultHead(nil, wire.Failed, &took, 1), 0xc0)
	r, rest, ok := wire.CutResult(item)
	require.True(t, ok)
	require.Empty(t, rest)
	require.Equal(t, wire.Failed, r.Outcome)
	require.Equal(t, []byte{0xc0}, r.Value)
	got, timed := r.Cost()
	require.True(t, timed)
	require.Equal(t, took, got)
	for cut := range item {
		_, _, ok := wire.CutResult(item[:cut])
		require.False(t, ok, "cut at %d", cut)
	}
	_, _, ok = wire.CutResult([]byte{byte(wire.Value | wire.Timed), 0, 0, 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 1, 0xc0})
	require.False(t, ok, "a time over 63 bits")

	most := wire.Cost{Exec: math.MaxInt64, CPU: math.MaxInt64, Waiting: math.MaxInt64, Decode: math.MaxInt64, Encode: math.MaxInt64}
	require.Len(t, wire.AppendResultHead(nil, wire.Value, &most, 0), 1+wire.MaxCostSize+1)
}

func TestAResultWithoutTimesHasNone(t *testing.T) {
	item := append(wire.AppendResultHead(nil, wire.Value, nil, 200), make([]byte, 200)...)
	r, _, ok := wire.CutResult(item)
	require.True(t, ok)
	_, timed := r.Cost()
	require.False(t, timed)
}

func TestAHelloWrittenByHandIsTheOneThatTheTypeGives(t *testing.T) {
	for _, body := range []wire.HelloBody{
		{Functions: []string{}},
		{Version: wire.Version, Build: "1:2:3", PID: 4711, Functions: []string{"a", strings.Repeat("b", 300)}, Page: true, Spare: true, Inspect: true},
		{Version: 1 << 40, PID: -1, Functions: make([]string, 70_000)},
	} {
		want, err := wire.AppendMap([]byte("cookie"), wire.Hello, 0, 0, &body)
		require.NoError(t, err)
		got, err := wire.AppendHello([]byte("cookie"), &body)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := wire.AppendHello(nil, &wire.HelloBody{Build: strings.Repeat("x", wire.MaxControlBytes)})
	require.ErrorIs(t, err, wire.ErrTooLarge)
}

func TestAHandshakeIsChecked(t *testing.T) {
	hello, err := wire.AppendMap(nil, wire.Hello, 0, 0, &wire.HelloBody{Version: wire.Version, PID: 4711, Functions: []string{"f"}})
	require.NoError(t, err)
	f, err := reader(hello).Next()
	require.NoError(t, err)
	body, err := wire.ParseHello(f)
	require.NoError(t, err)
	require.Equal(t, 4711, body.PID)

	older, err := wire.AppendMap(nil, wire.Hello, 0, 0, &wire.HelloBody{Version: wire.Version + 1})
	require.NoError(t, err)
	f, err = reader(older).Next()
	require.NoError(t, err)
	_, err = wire.ParseHello(f)
	require.ErrorIs(t, err, wire.ErrVersion)

	f, err = reader(beat()).Next()
	require.NoError(t, err)
	_, err = wire.ParseHello(f)
	var violation *wire.ProtocolError
	require.ErrorAs(t, err, &violation)
}

func FuzzReader(f *testing.F) {
	f.Add(beat())
	f.Add(results(resultItem([]byte{1}), resultItem([]byte("\xa5hello"))))
	f.Add(exampleFrame())
	f.Add(wire.AppendInspect(nil, 1, &wire.InspectBody{Kind: "cpu", Time: 1_000_000_000}))
	f.Add(wire.AppendControl(nil, wire.Finding, 1, wire.FindingLast, []byte("what was found")))
	f.Fuzz(func(t *testing.T, b []byte) {
		defer bounded(t, len(b), heapAllocs())
		r := wire.NewReader(bytes.NewReader(b), testMax, func(wire.Kind) bool { return true })
		for {
			frame, err := r.Next()
			if err != nil {
				var violation *wire.ProtocolError
				if !errors.As(err, &violation) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("an error of no known kind: %v", err)
				}
				return
			}
			parseEverything(frame)
		}
	})
}

// FuzzHello reads what a worker sends first: text, the cookie, and a frame that should be Hello.
func FuzzHello(f *testing.F) {
	const cookie = "0123456789abcdef0123456789abcdef"
	hello, err := wire.AppendMap([]byte("printed\n"+cookie), wire.Hello, 0, 0, &wire.HelloBody{
		Version: wire.Version, Build: "1:2:3", PID: 4711, Functions: []string{"square", "echo"}, Page: true,
	})
	require.NoError(f, err)
	f.Add(hello)
	f.Add([]byte(cookie))
	f.Add(hello[:len(hello)-3])
	f.Fuzz(func(t *testing.T, b []byte) {
		defer bounded(t, len(b), heapAllocs())
		r := wire.NewReader(bytes.NewReader(b), testMax, wire.Kind.FromWorker)
		before, err := r.Cookie([]byte(cookie))
		if len(before) > min(len(b), wire.MaxBeforeCookie) {
			t.Fatalf("%d bytes before the cookie, of %d", len(before), len(b))
		}
		if err != nil {
			return
		}
		frame, err := r.Next()
		if err != nil {
			return
		}
		body, err := wire.ParseHello(frame)
		if err == nil && body.Version != wire.Version {
			t.Fatalf("version %d is accepted", body.Version)
		}
	})
}

// heapAllocs is what has been allocated. It may lag by what is cached per processor, but stops nothing.
func heapAllocs() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// bounded verifies that no more was allocated for an input than a fixed multiple of it, and what a Reader and the fuzzer take anyway.
func bounded(t *testing.T, input int, before uint64) {
	const anyway, multiple = 16 << 20, 200
	if n := heapAllocs() - before; n > anyway+multiple*uint64(input) {
		t.Fatalf("%d bytes are allocated for an input of %d", n, input)
	}
}

// parseEverything must not panic, whatever the frame holds.
func parseEverything(f wire.Frame) {
	if _, items, err := wire.ParseTasksHead(f.Payload); err == nil {
		wire.SkipItems(items, int(f.Count))
	}
	if _, items, err := wire.ParseResultsHead(f.Payload); err == nil {
		_, _ = wire.CheckResults(items, int(f.Count))
	}
	f.Kind = wire.Hello
	_, _ = wire.ParseHello(f)
	f.Kind = wire.Welcome
	_, _ = wire.ParseWelcome(f)
	_, _ = wire.ParseLog(f)
	_, _ = wire.ParsePanic(f.Payload)
	_, _ = wire.ParseInspect(f)
	_ = wire.CheckFinding(f, 0)
}
