//go:build unix

package floor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/vmihailenco/msgpack/v5"
)

// BatchSize is how many integers travel together.
const BatchSize = 4096

// batches is one side's end of the exchange: a length of four bytes, then so many bytes of msgpack integers.
type batches struct {
	to, from int
	out      bytes.Buffer
	enc      *msgpack.Encoder
	in       []byte
	src      bytes.Reader
	dec      *msgpack.Decoder
}

func newBatches(to, from int) *batches {
	b := &batches{to: to, from: from}
	b.enc = msgpack.NewEncoder(&b.out)
	b.dec = msgpack.NewDecoder(&b.src)
	return b
}

// begin makes room for the length.
func (b *batches) begin() {
	b.out.Reset()
	b.out.Write(make([]byte, 4))
}

func (b *batches) send() error {
	frame := b.out.Bytes()
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	return writeAll(b.to, frame)
}

// receive makes the next batch what dec reads.
func (b *batches) receive() error {
	var length [4]byte
	if err := readFull(b.from, length[:]); err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint32(length[:]))
	if cap(b.in) < n {
		b.in = make([]byte, n)
	}
	b.in = b.in[:n]
	b.src.Reset(b.in)
	return readFull(b.from, b.in)
}

// playBatches answers each integer with its successor.
func playBatches() error {
	b := newBatches(1, 0)
	for {
		if err := b.receive(); err != nil {
			return err
		}
		b.begin()
		for b.src.Len() > 0 {
			n, err := b.dec.DecodeInt64()
			if err == nil {
				err = b.enc.EncodeInt(n + 1)
			}
			if err != nil {
				return err
			}
		}
		if err := b.send(); err != nil {
			return err
		}
	}
}

// Successors has the children compute args[i] + 1 into results[i]. There is a goroutine for each child, which takes the next batch when it
// has the answer to the last one: two pairs of them keep two cores busy.
func Successors(children []*Child, args, results []int) error {
	var next atomic.Int64
	errs := make([]error, len(children))
	var all sync.WaitGroup
	for i, c := range children {
		all.Go(func() { errs[i] = c.successors(&next, args, results) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (c *Child) successors(next *atomic.Int64, args, results []int) error {
	b := newBatches(c.to, c.from)
	for {
		first := int(next.Add(BatchSize)) - BatchSize
		if first >= len(args) {
			return nil
		}
		last := min(first+BatchSize, len(args))
		if err := b.exchange(args[first:last], results[first:last]); err != nil {
			return err
		}
	}
}

func (b *batches) exchange(args, results []int) error {
	b.begin()
	for _, n := range args {
		if err := b.enc.EncodeInt(int64(n)); err != nil {
			return err
		}
	}
	if err := b.send(); err != nil {
		return err
	}
	if err := b.receive(); err != nil {
		return err
	}
	for i := range results {
		n, err := b.dec.DecodeInt()
		if err != nil {
			return err
		}
		results[i] = n
	}
	return nil
}
