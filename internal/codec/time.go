package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unsafe"
)

// timeExt is MessagePack's extension type for timestamps.
const timeExt = -1

// AppendTime appends the instant of t, in the shortest of the three forms: 32 bits
// of seconds; 30 bits of nanoseconds and 34 of seconds; 32 and 64.
func AppendTime(dst []byte, t time.Time) []byte {
	secs, nanos := uint64(t.Unix()), uint64(t.Nanosecond())
	switch {
	case secs>>34 != 0: // before 1970 or after 2514
		dst = append(dst, codeExt8, 12, 0xff)
		dst = binary.BigEndian.AppendUint32(dst, uint32(nanos))
		return binary.BigEndian.AppendUint64(dst, secs)
	case nanos != 0 || secs>>32 != 0:
		return binary.BigEndian.AppendUint64(append(dst, 0xd7, 0xff), nanos<<34|secs)
	}
	return binary.BigEndian.AppendUint32(append(dst, 0xd6, 0xff), uint32(secs))
}

// time reads an instant, which it returns in the local zone; the zero time, which
// is how programs say that there is none, in UTC, so that it stays comparable. It
// also reads RFC 3339, for workers without the extension.
func (d *decoder) time() (time.Time, error) {
	c, err := d.peek()
	if err != nil {
		return time.Time{}, err
	}
	switch kindOf[c] {
	case kindNil:
		d.pos++
		return time.Time{}, nil
	case kindString:
		return d.textTime()
	case kindExt:
		return d.extTime()
	}
	return time.Time{}, mismatch("a timestamp", c)
}

func (d *decoder) textTime() (time.Time, error) {
	b, err := d.text("a string")
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a time as in RFC 3339", cut(b))
	}
	return t, nil
}

// cut shortens a text for an error.
func cut(b []byte) []byte { return b[:min(len(b), 64)] }

func (d *decoder) extTime() (time.Time, error) {
	id, b, err := d.ext()
	if err != nil {
		return time.Time{}, err
	}
	if id != timeExt {
		return time.Time{}, fmt.Errorf("expected a timestamp, found extension type %d", id)
	}
	return timeOf(b)
}

// timeOf reads the payload of a timestamp.
func timeOf(b []byte) (time.Time, error) {
	var secs int64
	var nanos uint32
	switch len(b) {
	case 4:
		secs = int64(binary.BigEndian.Uint32(b))
	case 8:
		x := binary.BigEndian.Uint64(b)
		secs, nanos = int64(x&(1<<34-1)), uint32(x>>34)
	case 12:
		secs, nanos = int64(binary.BigEndian.Uint64(b[4:])), binary.BigEndian.Uint32(b)
	default:
		return time.Time{}, fmt.Errorf("timestamp of %d bytes", len(b))
	}
	if nanos > 999_999_999 {
		return time.Time{}, errors.New("timestamp with more than 999999999 nanoseconds")
	}
	t := time.Unix(secs, int64(nanos))
	if t.IsZero() {
		return time.Time{}, nil
	}
	return t, nil
}

// ext reads an extension: its type, and its payload as a part of the source.
func (d *decoder) ext() (id int8, payload []byte, err error) {
	c, err := d.peek()
	if err != nil {
		return 0, nil, err
	}
	if kindOf[c] != kindExt {
		return 0, nil, mismatch("an extension", c)
	}
	if c >= codeFixExt1 {
		b, err := d.take(int(forms[c].size))
		if err != nil {
			return 0, nil, err
		}
		return int8(b[1]), b[2:], nil
	}
	b, err := d.longText(forms[c])
	if err != nil {
		return 0, nil, err
	}
	return int8(b[0]), b[1:], nil
}

func encodeTime(_ *node, _ *encoder, dst []byte, p unsafe.Pointer) ([]byte, error) {
	return AppendTime(dst, *(*time.Time)(p)), nil
}

func decodeTime(n *node, d *decoder, p unsafe.Pointer) error {
	t, err := d.time()
	if err != nil {
		return failure(n.typ, err)
	}
	*(*time.Time)(p) = t
	return nil
}
