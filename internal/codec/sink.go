package codec

import "errors"

// sink takes what a method of the value writes and follows its structure. It
// refuses a write that makes it more than one value, or too deep: the latter is
// what ends a method that descends into a cycle through msgpack/v5, which would
// overflow the stack.
type sink struct {
	buf   []byte
	pos   int      // end of the items that have been followed
	left  uint64   // values that the innermost container still expects
	outer []uint64 // the same for those around it
	depth int      // how many there may be
	err   error

	carrier Carrier
}

var (
	errNoValue   = errors.New("wrote no value")
	errHalfValue = errors.New("wrote an incomplete value")
	errTwoValues = errors.New("wrote more than one value")
)

func (s *sink) reset(buf []byte, depth int, by Carrier) {
	*s = sink{buf: buf, pos: len(buf), left: 1, outer: s.outer[:0], depth: depth, carrier: by}
}

// Write appends b.
func (s *sink) Write(b []byte) (int, error) {
	if s.err == nil {
		s.buf = append(s.buf, b...)
		s.err = s.follow()
	}
	if s.err != nil {
		return 0, s.err
	}
	return len(b), nil
}

// WriteByte appends c. With it msgpack/v5 does without a buffer of its own.
func (s *sink) WriteByte(c byte) error {
	if s.err == nil {
		s.buf = append(s.buf, c)
		s.err = s.follow()
	}
	return s.err
}

// follow steps over the items that are complete.
func (s *sink) follow() error {
	for s.pos < len(s.buf) {
		if s.left == 0 {
			return errTwoValues
		}
		whole, err := s.step(forms[s.buf[s.pos]])
		if err != nil || !whole {
			return err
		}
	}
	return nil
}

// step follows the item at pos, unless a part of it has yet to be written.
func (s *sink) step(f form) (whole bool, err error) {
	have := uint64(len(s.buf) - s.pos)
	if f.class == classInvalid {
		return false, ErrInvalid
	}
	if have < uint64(f.size) {
		return false, nil
	}
	size, items := uint64(f.size), uint64(0)
	switch f.class {
	case classBytes:
		size += count(s.buf[s.pos:], f.size) + uint64(f.extra)
	case classArray:
		items = count(s.buf[s.pos:], f.size)
	case classMap:
		items = 2 * count(s.buf[s.pos:], f.size)
	}
	if have < size {
		return false, nil
	}
	if f.class >= classArray && len(s.outer) == s.depth {
		return false, ErrTooDeep
	}
	s.pos += int(size)
	s.left--
	if items > 0 {
		s.outer = append(s.outer, s.left)
		s.left = items
	}
	for s.left == 0 && len(s.outer) > 0 {
		s.left = s.outer[len(s.outer)-1]
		s.outer = s.outer[:len(s.outer)-1]
	}
	return true, nil
}

// end says what is wrong with what was written, now that nothing more will come.
// A method that ignored the error of a write does not get around it.
func (s *sink) end() error {
	switch {
	case s.err != nil:
		return s.err
	case s.left == 0 && s.pos == len(s.buf):
		return nil
	case s.left == 1 && len(s.outer) == 0 && s.pos == len(s.buf):
		return errNoValue
	}
	return errHalfValue
}
