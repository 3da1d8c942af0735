package wire

import (
	"time"
)

// TaskFlags are bits of TasksHead.Flags.
type TaskFlags uint8

const (
	// WantTiming asks for the Cost of each task in its result.
	WantTiming TaskFlags = 1 << iota
	// IsInitializer marks the call that makes a worker ready.
	IsInitializer
	// IsFinalizer marks the call that is the worker's last.
	IsFinalizer
	// SameIndex says that the tasks are not consecutive items of one job: each has index First.
	SameIndex
	// Positional says that the results are decoded as values of the function's own type: structs in them may be arrays of their
	// fields in order. Only workers of the parent's own program see it.
	Positional
)

// TasksHead is what the tasks of one batch have in common. It travels as an
// array of seven in this order, of eight where there is a carrier; the durations are nanoseconds, 0 for none.
type TasksHead struct {
	Func     string
	First    int // index of the first task in its job, -1 where there is no index
	Attempt  int // counts from 1
	Flags    TaskFlags
	Soft     time.Duration // after which a task's context ends, from its start
	Hard     time.Duration // after which the parent kills, for TaskInfo.Deadline only
	Deadline time.Duration // what was left of the caller's deadline when the frame was written
	Carrier  Carrier       // what a tracer sends along; "" for nothing
}

const headFields = 7

// Index returns the index of the task at an offset into the batch.
func (h *TasksHead) Index(offset int) int {
	if h.First < 0 || h.Flags&SameIndex != 0 {
		return h.First
	}
	return h.First + offset
}

// Append appends the head as msgpack.
func (h *TasksHead) Append(dst []byte) []byte {
	fields := byte(headFields)
	if h.Carrier != "" {
		fields++
	}
	dst = append(dst, 0x90|fields)
	dst = appendString(dst, h.Func)
	if h.First < 0 {
		dst = append(dst, 0xff)
	} else {
		dst = AppendUint(dst, uint64(h.First))
	}
	dst = AppendUint(dst, uint64(h.Attempt))
	dst = append(dst, byte(h.Flags))
	dst = AppendUint(dst, uint64(h.Soft))
	dst = AppendUint(dst, uint64(h.Hard))
	dst = AppendUint(dst, uint64(h.Deadline))
	return append(dst, h.Carrier...)
}

// ParseTasksHead reads the head from the front of a Tasks payload and returns
// what follows: the items.
func ParseTasksHead(b []byte) (h TasksHead, items []byte, err error) {
	s := scanner{rest: b}
	n := s.array()
	h.Func = s.str()
	h.First = s.index()
	h.Attempt = int(s.uint())
	h.Flags = TaskFlags(s.uint())
	h.Soft = time.Duration(s.uint())
	h.Hard = time.Duration(s.uint())
	h.Deadline = time.Duration(s.uint())
	if n > headFields {
		h.Carrier = s.carrier()
	}
	for i := headFields + 1; i < n; i++ {
		s.skip()
	}
	if s.bad || n < headFields || h.Soft < 0 || h.Hard < 0 || h.Deadline < 0 {
		return TasksHead{}, nil, violation(b, "head of a Tasks frame that does not decode")
	}
	return h, s.rest, nil
}

// AppendItem appends one task item whose value is already encoded.
func AppendItem(dst, value []byte) []byte {
	return append(AppendUint(dst, uint64(len(value))), value...)
}

// CutItem takes one task item off the front of b. ok is false where there is none.
func CutItem(b []byte) (value, rest []byte, ok bool) {
	if len(b) > 0 && b[0] < 0x80 { // nearly every one
		if end := 1 + int(b[0]); end <= len(b) {
			return b[1:end:end], b[end:], true
		}
	}
	return cutLongItem(b)
}

func cutLongItem(b []byte) (value, rest []byte, ok bool) {
	n, size := readUint(b)
	if size == 0 || n > uint64(len(b)-size) {
		return nil, b, false
	}
	end := size + int(n)
	return b[size:end:end], b[end:], true
}

// SkipItems returns how many bytes the first n task items of b take, -1 where b
// does not hold that many.
func SkipItems(b []byte, n int) int {
	rest := b
	for range n {
		if len(rest) > 0 && rest[0] < 0x80 && int(rest[0]) < len(rest) { // as in CutItem, without the call
			rest = rest[1+int(rest[0]):]
			continue
		}
		var ok bool
		if _, rest, ok = CutItem(rest); !ok {
			return -1
		}
	}
	return len(b) - len(rest)
}

// PrefixLast makes the last len(dst)-from bytes of dst, a value just appended, and lent more bytes that will follow it an item:
// it inserts their length before them. Most values are short and leave one byte of
// room before them (see Reserve), so that nothing moves.
func PrefixLast(dst []byte, from, lent int) []byte {
	n := uint64(len(dst) - from + lent)
	size := UintSize(n)
	if size == 1 {
		dst[from-1] = byte(n)
		return dst
	}
	var room [8]byte
	dst = append(dst, room[:size-1]...)
	copy(dst[from+size-1:], dst[from:len(dst)-size+1])
	AppendUint(dst[from-1:from-1], n)
	return dst
}

// Reserve appends the one byte of room that PrefixLast fills; the value comes after it.
func Reserve(dst []byte) []byte { return append(dst, 0) }
