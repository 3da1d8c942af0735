package codec

import (
	"bytes"
	"errors"
	"reflect"
	"runtime/metrics"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

// FuzzCheck holds Check against the library, which agrees where it survives: it
// has no limits, so it is only asked about what Check accepts.
func FuzzCheck(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := Check(b)
		if n < 0 || n > len(b) {
			t.Fatalf("length %d of %d", n, len(b))
		}
		if err != nil {
			return
		}
		r := bytes.NewReader(b)
		if err := msgpack.NewDecoder(r).Skip(); err != nil || len(b)-r.Len() != n {
			t.Fatalf("the library says %d, %v; Check says %d", len(b)-r.Len(), err, n)
		}
		if m, err := Check(b[:n]); m != n || err != nil {
			t.Fatalf("the value alone has length %d, %v, not %d", m, err, n)
		}
		if _, err := Check(b[:n-1]); err == nil {
			t.Fatal("the value without its last byte is one too")
		}
		followsSink(t, b[:n])
	})
}

// followsSink writes a value byte by byte into a sink, which must agree.
func followsSink(t *testing.T, b []byte) {
	var s sink
	s.reset(nil, MaxDepth, nil)
	for i, c := range b {
		if i > 0 && s.end() == nil {
			t.Fatal("the sink has a value too early")
		}
		if err := s.WriteByte(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
}

// FuzzDecode decodes into all kinds of types. What is accepted is one value, takes
// bounded memory, and survives being encoded and decoded again.
func FuzzDecode(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		readsDo = func(d *msgpack.Decoder) error { return d.Skip() }
		for _, v := range append(targets(), new(reads)) {
			var err error
			before := heapAllocs()
			err = DecodeInto(b, v)
			n := heapAllocs() - before
			if limit := memoryBound(b) + memFree; n > limit {
				t.Fatalf("%T takes %d bytes from %d", v, n, len(b))
			}
			var p *PanicError
			if errors.As(err, &p) && p.Method == "" {
				t.Fatalf("%T: %v\n%s", v, p, p.Stack)
			}
			if err == nil {
				again(t, b, v)
			}
		}
	})
}

// heapAllocs is what has been allocated. It may lag by what is cached per
// processor, but stops nothing.
func heapAllocs() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

func again(t *testing.T, b []byte, v any) {
	if err := CheckOne(b); err != nil {
		t.Fatalf("%T was decoded from what is no value: %v", v, err)
	}
	if _, ok := v.(*reads); ok {
		return
	}
	out, err := appendValue(nil, nodeOf(reflect.TypeOf(v).Elem()), reflect.ValueOf(v).UnsafePointer(), nil, false)
	if errors.Is(err, ErrTooDeep) || errors.Is(err, errUnsupported) {
		return
	}
	if err != nil {
		t.Fatalf("%T: %v", v, err)
	}
	fresh := reflect.New(reflect.TypeOf(v).Elem())
	err = DecodeInto(out, fresh.Interface())
	if err != nil && !errors.Is(err, ErrTooLarge) {
		t.Fatalf("%T %x again as %x: %v", v, b, out, err)
	}
	if err == nil {
		sameByPosition(t, v, out, fresh)
	}
}

// sameByPosition encodes v by position, which must mean what out, the same in the other form, has been decoded as.
func sameByPosition(t *testing.T, v any, out []byte, want reflect.Value) {
	short, err := appendValue(nil, nodeOf(want.Type().Elem()), reflect.ValueOf(v).UnsafePointer(), nil, true)
	if err != nil || CheckOne(short) != nil || len(short) > len(out) {
		t.Fatalf("%T by position: %x, %v", v, short, err)
	}
	got := reflect.New(want.Type().Elem())
	if err := DecodeInto(short, got.Interface()); errors.Is(err, ErrTooLarge) {
		return
	} else if err != nil {
		t.Fatalf("%T by position: %x: %v", v, short, err)
	}
	if reflect.DeepEqual(got.Interface(), want.Interface()) {
		return
	}
	same := reflect.New(want.Type().Elem())
	if err := DecodeInto(out, same.Interface()); err != nil || reflect.DeepEqual(same.Interface(), want.Interface()) {
		t.Fatalf("%T by position: %x is not what %x is", v, short, out) // it is no NaN that makes the difference
	}
}

func addSeeds(f *testing.F) {
	for _, v := range []any{
		nil, 1, -1, int64(1) << 40, 1.5, "text", []byte("bytes"), []any{1, "a", nil}, map[string]any{"A": 1, "E": "x"},
		map[any]any{1: 2, "a": nil, 1.5: []byte{}}, newRecord(), []Record{newRecord()}, []custom{{1, 2}},
		Tree{Children: []Tree{{}}, ByName: map[string]*Tree{"a": {}}}, Outer{}, tagged{F: 1}, asArray{}, []string{"a"},
		struct{ E error }{errors.New("x")}, struct{ E int }{5}, [][4096]byte{{}}, wide{A17: 1},
	} {
		b, err := For[any]().Append(nil, &v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, b := range [][]byte{
		header32(codeArray32, 0xffffffff), header32(codeMap32, 0x02000000), header32(codeBin32, 0xffffffff),
		nested("\x91", 1000), nested("\x91", 1001), nested("\x81\xa0", 999), {codeNever}, {0x81, codeNil, 1}, {0x81, 0x90, 1},
		{codeExt8, 12, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, {0x93, 1}, {codeNil, codeNil},
	} {
		f.Add(b)
	}
}
