package main

import (
	"context"
	"fmt"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

const sharedSize = 16 << 20

// What the workers do with shared values. A sum reads every word.
var (
	sumBlob   = worker.Register("peers.sumBlob", func(_ context.Context, b worker.Blob) (uint64, error) { return sumOf(b.Bytes()) })
	sumBytes  = worker.Register("peers.sumBytes", func(_ context.Context, b []byte) (uint64, error) { return sumOf(b, nil) })
	echoBlob  = worker.Register("peers.echoBlob", func(_ context.Context, b worker.Blob) (worker.Blob, error) { return again(b.Bytes()) })
	echoBytes = worker.Register("peers.echoRead", func(_ context.Context, b []byte) ([]byte, error) { _, err := sumOf(b, nil); return b, err })
)

func sumOf(b []byte, err error) (sum uint64, _ error) {
	for i := 0; i+8 <= len(b); i += 8 {
		sum += uint64(b[i])
	}
	return sum, err
}

func again(b []byte, err error) (worker.Blob, error) {
	if _, err := sumOf(b, err); err != nil {
		return worker.Blob{}, err
	}
	return worker.NewBlob(b)
}

func sharedBytes() []byte {
	b := make([]byte, sharedSize)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// shareRow has 1000 tasks add up what is shared once, the sharing included, and a tenth of them get it as their argument.
func shareRow(b *bench, p *pool.Pool) ([]finding, error) {
	message := sharedBytes()
	n := b.count(1000)
	ours := &side{name: "Share", units: n, round: timed(func() error {
		blob, err := p.Share(message)
		if err != nil {
			return err
		}
		defer blob.Release() //nolint:errcheck // always nil
		blobs := make([]worker.Blob, n)
		for i := range blobs {
			blobs[i] = blob
		}
		_, err = pool.Map(b.ctx, p, sumBlob, blobs)
		return err
	})}
	theirs := &side{name: "the same as an argument each time", units: n / 10, round: timed(func() error {
		arguments := make([][]byte, n/10)
		for i := range arguments {
			arguments[i] = message
		}
		_, err := pool.Map(b.ctx, p, sumBytes, arguments)
		return err
	})}
	if err := b.alternate(b.rounds(7), ours, theirs); err != nil {
		return nil, err
	}
	return []finding{faster(ours, theirs, seconds, atLeast(5, times))}, nil
}

// blobRow passes fresh bytes there and back, which are read whole on both sides: as Blobs, and through the pipes.
func blobRow(b *bench, p *pool.Pool) ([]finding, error) {
	message := sharedBytes()
	n := b.count(20)
	ours := &side{name: "Blobs", units: n, round: timed(func() error {
		for range n {
			if err := thereAndBack(b.ctx, p, message); err != nil {
				return err
			}
		}
		return nil
	})}
	theirs := &side{name: "over pipes", units: n, round: timed(func() error {
		for range n {
			got, err := pool.Call(b.ctx, p, echoBytes, message)
			if _, err = sumOf(got, err); err != nil {
				return err
			}
		}
		return nil
	})}
	if err := b.alternate(b.rounds(9), ours, theirs); err != nil {
		return nil, err
	}
	return []finding{faster(ours, theirs, seconds, atLeast(1.1, times))}, nil
}

func thereAndBack(ctx context.Context, p *pool.Pool, message []byte) error {
	in, err := p.Share(message)
	if err != nil {
		return err
	}
	defer in.Release() //nolint:errcheck // always nil
	out, err := pool.Call(ctx, p, echoBlob, in)
	if err != nil {
		return fmt.Errorf("a Blob there and back: %w", err)
	}
	defer out.Release() //nolint:errcheck // always nil
	_, err = sumOf(out.Bytes())
	return err
}
