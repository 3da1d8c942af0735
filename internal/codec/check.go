package codec

import (
	"errors"
	"fmt"
)

// MaxDepth is how deep arrays and maps may nest, in either direction.
const MaxDepth = 1000

// Check reports the length of the first value in src, or why there is none. It
// runs in linear time and constant stack, and trusts no declared length: the
// elements that all open containers together still owe must have a byte each
// in src. That rejects a length bomb at its header, and nested ones too.
func Check(src []byte) (n int, err error) {
	n, err = scan(src, MaxDepth)
	if err != nil {
		return n, fmt.Errorf(errorPrefix+"byte %d: %w", n, err)
	}
	return n, nil
}

// CheckOne reports why src is not exactly one value.
func CheckOne(src []byte) error {
	n, err := Check(src)
	if err != nil {
		return err
	}
	if n < len(src) {
		return fmt.Errorf(errorPrefix+"byte %d: %w", n, ErrTrailing)
	}
	return nil
}

var errDeclared = errors.New("declared length exceeds the bytes that are left")

// scan returns the end of the first value in src, in which containers may nest
// depth levels; with an error, the offset at which it was found.
//
// left counts the values that the innermost container still owes; stack holds the
// same for those around it, and outer is their sum.
func scan(src []byte, depth int) (pos int, err error) {
	var (
		room  [32]uint64 // deeper nesting moves the stack to the heap
		stack = room[:0]
		left  = uint64(1)
		outer uint64
	)
	for {
		pos, left = fixed(src, pos, left)
		if left > 0 {
			if pos >= len(src) {
				return pos, ErrTruncated
			}
			n, items, err := open(src[pos:], forms[src[pos]])
			if err == nil && forms[src[pos]].class >= classArray && len(stack) >= depth {
				err = ErrTooDeep
			}
			if err == nil && items+left-1+outer > uint64(len(src)-pos-n) {
				err = errDeclared
			}
			if err != nil {
				return pos, err
			}
			pos += n
			left--
			if items > 0 {
				stack = append(stack, left)
				outer += left
				left = items
			}
		}
		for left == 0 {
			if len(stack) == 0 {
				return pos, nil
			}
			left = stack[len(stack)-1]
			outer -= left
			stack = stack[:len(stack)-1]
		}
	}
}

// fixed steps over up to left items of fixed size, and returns where it stopped and
// how many are left.
func fixed(src []byte, pos int, left uint64) (int, uint64) {
	for left > 0 && pos < len(src) {
		size := int(fixedSizes[src[pos]])
		if size == 0 || size > len(src)-pos {
			break
		}
		pos += size
		left--
	}
	return pos, left
}

// open reads the header of an item that fixed stopped at: n bytes to step over, and
// how many values follow them.
func open(src []byte, f form) (n int, items uint64, err error) {
	switch {
	case f.class == classInvalid:
		return 0, 0, ErrInvalid
	case len(src) < int(f.size) || f.class == classFixed:
		return 0, 0, ErrTruncated
	}
	c := count(src, f.size)
	switch f.class {
	case classArray:
		return int(f.size), c, nil
	case classMap:
		return int(f.size), 2 * c, nil
	}
	c += uint64(f.extra)
	if c > uint64(len(src)-int(f.size)) {
		return 0, 0, errDeclared
	}
	return int(f.size) + int(c), 0, nil
}
