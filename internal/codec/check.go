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
// left counts the values that the innermost container still owes, this one
// included; stack holds the same for those around it; outer is the sum of what
// those owe besides the container that they are in.
func scan(src []byte, depth int) (pos int, err error) {
	var (
		room  [32]uint64 // deeper nesting moves the stack to the heap
		stack = room[:0]
		left  = uint64(1)
		outer uint64
	)
	for {
		if pos >= len(src) {
			return pos, ErrTruncated
		}
		f := forms[src[pos]]
		if f.class == classFixed {
			if len(src)-pos < int(f.size) {
				return pos, ErrTruncated
			}
			pos += int(f.size)
		} else {
			n, elems, err := open(src[pos:], f)
			if err != nil {
				return pos, err
			}
			if f.class >= classArray && len(stack) >= depth {
				return pos, ErrTooDeep
			}
			if elems > 0 {
				if elems+left-1+outer > uint64(len(src)-pos-n) {
					return pos, errDeclared
				}
				pos += n
				stack = append(stack, left)
				outer += left - 1
				left = elems
				continue
			}
			pos += n
		}
		for left--; left == 0; left-- {
			if len(stack) == 0 {
				return pos, nil
			}
			left = stack[len(stack)-1]
			outer -= left - 1
			stack = stack[:len(stack)-1]
		}
	}
}

// open reads the header of an item that is not fixed: n bytes to step over, and
// how many values follow them.
func open(src []byte, f form) (n int, elems uint64, err error) {
	if f.class == classInvalid {
		return 0, 0, ErrInvalid
	}
	if len(src) < int(f.size) {
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
