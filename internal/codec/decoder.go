package codec

import (
	"fmt"
	"math/bits"
	"sync"
	"unsafe"
)

// What decoded elements may occupy: memPerByte times the encoded bytes, and
// memFree in any case.
const (
	memPerByte = 256
	memFree    = 64 << 20
)

// decoder reads one value. All reading is bounds-checked, so it needs no pass
// over the bytes beforehand.
type decoder struct {
	src   []byte
	pos   int
	depth int    // containers around the next item
	hops  int    // pointers around it
	owed  int    // items that the open containers still expect
	mem   uint64 // bytes that decoded elements occupy so far
	room  []byte // where short strings are copied to, those of the next value too

	carrier Carrier // nil where there is none

	methods decodeMethods
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// decodeValue sets what p points to, a zero value, to the one value in src.
func decodeValue(src []byte, n *node, p unsafe.Pointer, by Carrier) error {
	d := decoders.Get().(*decoder)
	d.begin(src)
	d.carrier = by
	err := d.run(n, p)
	if err == nil && d.pos < len(src) {
		err = ErrTrailing
	}
	d.src, d.carrier = nil, nil
	decoders.Put(d)
	if err != nil {
		return located(err, n.typ)
	}
	return nil
}

// begin makes it ready for the value in src.
func (d *decoder) begin(src []byte) {
	d.src, d.pos, d.depth, d.hops, d.owed, d.mem = src, 0, 0, 0, 0, 0
}

func (d *decoder) run(n *node, p unsafe.Pointer) (err error) {
	defer rescue(&err)
	return n.dec(n, d, p)
}

// rescue makes an error of a panic that came from no known method: those of
// IsZero and Error, and mistakes of this package.
func rescue(err *error) {
	if r := recover(); r != nil {
		*err = newPanicError("", r)
	}
}

const (
	// shortText is the longest string that shares memory with others, and roomForTexts what they share: whoever keeps one
	// keeps the others too, but no more than that.
	shortText    = 32
	roomForTexts = 128
)

// keep returns a copy of b. Short strings are copied to one piece of memory after the other: some records with some names
// cost one allocation for all of them.
func (d *decoder) keep(b []byte) string {
	if len(b) > shortText || len(b) < 2 {
		return string(b)
	}
	if len(b) > cap(d.room)-len(d.room) {
		d.room = make([]byte, 0, roomForTexts)
	}
	start := len(d.room)
	d.room = append(d.room, b...)
	return unsafe.String(&d.room[start], len(b))
}

// peek returns the first byte of the next item.
func (d *decoder) peek() (byte, error) {
	if d.pos >= len(d.src) {
		return 0, ErrTruncated
	}
	return d.src[d.pos], nil
}

// null skips a nil.
func (d *decoder) null() bool {
	if d.pos < len(d.src) && d.src[d.pos] == codeNil {
		d.pos++
		return true
	}
	return false
}

// take returns the next n bytes.
func (d *decoder) take(n int) ([]byte, error) {
	if n > len(d.src)-d.pos {
		return nil, ErrTruncated
	}
	b := d.src[d.pos : d.pos+n]
	d.pos += n
	return b, nil
}

// skip steps over the next value, whatever it is.
func (d *decoder) skip() error {
	b, err := d.whole()
	d.pos += len(b)
	return err
}

// whole returns the bytes of the next value.
func (d *decoder) whole() ([]byte, error) {
	b := d.src[d.pos:]
	n, err := scan(b, MaxDepth-d.depth)
	if err != nil {
		return nil, err
	}
	return b[:n], nil
}

// openArray reads the header of an array. The caller calls item before each of
// the n elements and leave after the last.
func (d *decoder) openArray() (n int, err error) { return d.enter(classArray, "an array") }

// openMap reads the header of a map. The caller calls item before each of the n
// keys and values and leave after the last.
func (d *decoder) openMap() (n int, err error) { return d.enter(classMap, "a map") }

func (d *decoder) enter(want class, name string) (n int, err error) {
	c, err := d.peek()
	if err != nil {
		return 0, err
	}
	f := forms[c]
	if f.class != want {
		return 0, mismatch(name, c)
	}
	return d.enterForm(f)
}

// enterForm accepts a count only if the bytes that are left can hold one byte for
// each item that all open containers together still expect. So the elements that
// are ever allocated are no more than the bytes of the source.
func (d *decoder) enterForm(f form) (n int, err error) {
	size, items, err := open(d.src[d.pos:], f)
	if err != nil {
		return 0, err
	}
	d.pos += size
	if items > uint64(len(d.src)-d.pos-d.owed) {
		return 0, errDeclared
	}
	if d.depth == MaxDepth {
		return 0, ErrTooDeep
	}
	d.depth++
	d.owed += int(items)
	if f.class == classMap {
		return int(items / 2), nil
	}
	return int(items), nil
}

func (d *decoder) item()  { d.owed-- }
func (d *decoder) leave() { d.depth-- }

// allow accounts for n elements of so many bytes that are about to be allocated.
func (d *decoder) allow(n int, size uintptr) error {
	limit := max(memFree, memPerByte*uint64(len(d.src)))
	over, total := bits.Mul64(uint64(n), uint64(size))
	if over > 0 || total > limit-d.mem {
		return fmt.Errorf("%w: %d of %d bytes each from %d bytes", ErrTooLarge, n, size, len(d.src))
	}
	d.mem += total
	return nil
}
