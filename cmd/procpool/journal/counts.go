package journal

import (
	"encoding/binary"
	"math/bits"
)

// counts counts keys. It is a map[Key]uint32 in half the memory: a table with open addressing that is made for the number of
// keys that may come, 23 bytes a key. The keys are hashes, so they are their own hash function.
type counts struct {
	slots []countSlot
	used  int
}

// countSlot is empty where n is zero. A key whose count has gone down to zero keeps its slot with n one, so that those
// behind it are still found.
type countSlot struct {
	key Key
	n   uint32 // the count, and one more
}

// reserve makes room for keys many. It must come first, if at all.
func (c *counts) reserve(keys int) { c.slots = make([]countSlot, max(8, keys+keys/7+1)) }

// add counts k.
func (c *counts) add(k Key) {
	if c.used+c.used/7 >= len(c.slots)-1 {
		c.grow()
	}
	s := c.slot(k)
	if s.n == 0 {
		s.key, s.n = k, 1
		c.used++
	}
	s.n++
}

// take counts k down, and reports whether it was there.
func (c *counts) take(k Key) bool {
	if c.used == 0 {
		return false
	}
	s := c.slot(k)
	if s.n < 2 {
		return false
	}
	s.n--
	return true
}

// slot is the slot of k, or the empty one where it belongs. There is always an empty one.
func (c *counts) slot(k Key) *countSlot {
	at, _ := bits.Mul64(binary.BigEndian.Uint64(k[:]), uint64(len(c.slots)))
	for i := int(at); ; i++ {
		if i == len(c.slots) {
			i = 0
		}
		if s := &c.slots[i]; s.n == 0 || s.key == k {
			return s
		}
	}
}

func (c *counts) grow() {
	old := c.slots
	c.reserve(max(16, 2*c.used))
	for _, s := range old {
		if s.n > 0 {
			*c.slot(s.key) = s
		}
	}
}
