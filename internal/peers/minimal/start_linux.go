package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/procpool/procpool/pool"
)

// bareName is the first argument of a process that bare started.
const bareName = "bare"

func start(workers int) (first, closing int64, err error) {
	begin := time.Now()
	p, err := newPool(workers)
	if err != nil {
		return 0, 0, err
	}
	if _, err := pool.Call(context.Background(), p, successor, 1); err != nil {
		return 0, 0, errors.Join(err, p.Close())
	}
	first = int64(time.Since(begin))
	begin = time.Now()
	err = p.Close()
	return first, int64(time.Since(begin)), err
}

// bare starts processes as the pool does, this program from /proc/self/exe and all at once, and does nothing else.
func bare(n int) (int64, error) {
	errs := make([]error, n)
	ends := make([]func(), n)
	var all sync.WaitGroup
	begin := time.Now()
	for i := range n {
		all.Go(func() { ends[i], errs[i] = startBare() })
	}
	all.Wait()
	took := int64(time.Since(begin))
	for _, end := range ends {
		if end != nil {
			end()
		}
	}
	return took, errors.Join(errs...)
}

// startBare returns when the process has reached main, with what ends it.
func startBare() (end func(), err error) {
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirIn.Close(), in.Close())
	}
	//nolint:gosec // it is this program
	process, err := os.StartProcess("/proc/self/exe", []string{os.Args[0], bareName}, &os.ProcAttr{Files: []*os.File{theirIn, theirOut, os.Stderr}})
	theirIn.Close()
	theirOut.Close()
	if err != nil {
		return nil, errors.Join(err, in.Close(), out.Close())
	}
	_, err = out.Read(make([]byte, 1))
	return func() {
		in.Close()
		out.Close()
		_, _ = process.Wait()
	}, err
}

// playBare says that main was reached, and ends with its input.
func playBare() {
	_, _ = os.Stdout.WriteString("!")
	_, _ = os.Stdin.Read(make([]byte, 1))
}
