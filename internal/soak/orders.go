//go:build linux

package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/procpool/procpool/worker"
)

// An order is the argument of every task: who it is, where it writes down that it ran, and what it does.
type order struct {
	ID     int
	Ledger ledger
	Do     string // the name of a kind
	Size   int    // of the answer's Data
	Data   []byte
	Any    any // a channel, which cannot be encoded
	Trap   trap
}

// An answer is the result of every task.
type answer struct {
	ID      int
	Done    bool
	Attempt int
	Sum     uint64 // of the order's Data
	Data    []byte
	Any     any
	Trap    trap
}

// obey does what a task is for. What it does to its process it does between two lines of the ledger.
var obey = worker.Register("soak.obey", func(ctx context.Context, o order) (answer, error) {
	if err := o.Ledger.enter(start, o.ID); err != nil {
		return answer{}, err
	}
	a := answer{ID: o.ID, Done: true, Attempt: worker.Info(ctx).Attempt, Sum: sum(o.Data), Data: pattern(o.ID, o.Size)}
	if act := kinds[o.Do].act; act != nil {
		if err := act(ctx, &o, &a); err != nil {
			return answer{}, err
		}
	}
	return a, o.Ledger.enter(end, o.ID)
})

// whoami is what is broadcast.
var whoami = worker.Register("soak.whoami", func(context.Context, struct{}) (int, error) { return os.Getpid(), nil })

// prepare and part are initializer and finalizer. An initializer that fails one time in n makes a start fail.
var prepare = worker.Register("soak.prepare", func(_ context.Context, oneIn int) (struct{}, error) {
	time.Sleep(time.Millisecond)
	if oneIn > 0 && os.Getpid()%oneIn == 0 {
		return struct{}{}, errUnprepared
	}
	return struct{}{}, nil
})

var part = worker.Register("soak.part", func(_ context.Context, d time.Duration) (struct{}, error) {
	time.Sleep(d)
	return struct{}{}, nil
})

var errUnprepared = errors.New("not prepared")

func init() { worker.RegisterError("soak.unprepared", errUnprepared) }

// pattern is n bytes that belong to a task and to no other.
func pattern(id, n int) []byte {
	b := make([]byte, n)
	x := uint64(id)*0x9e3779b97f4a7c15 + 1
	for i := range b {
		x = x*6364136223846793005 + 1442695040888963407
		b[i] = byte(x >> 56)
	}
	return b
}

// sum is FNV-1a.
func sum(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// A trap is a value that fails on its way.
type trap int8

const (
	argumentFails   trap = iota + 1 // to be encoded by the parent
	argumentDecoder                 // to be decoded by the worker
	argumentPanics
	argumentExits
	resultEncoder
	resultDecoder
	resultPanics
)

// parent is set in the parent alone.
var parent bool

var errTrap = errors.New("a trap")

// EncodeMsgpack fails for some.
func (t trap) EncodeMsgpack(enc *msgpack.Encoder) error {
	switch {
	case t == argumentFails && parent:
		return errTrap
	case t == resultEncoder && !parent:
		panic("a trap in an encoder")
	}
	return enc.EncodeInt(int64(t))
}

// DecodeMsgpack fails for most, on one of the two sides.
func (t *trap) DecodeMsgpack(dec *msgpack.Decoder) error {
	n, err := dec.DecodeInt64()
	*t = trap(n)
	switch {
	case err != nil:
		return err
	case *t == argumentDecoder && !parent, *t == resultDecoder && parent:
		return errTrap
	case *t == argumentPanics && !parent, *t == resultPanics && parent:
		panic("a trap in a decoder")
	case *t == argumentExits && !parent:
		os.Exit(5)
	}
	return nil
}
