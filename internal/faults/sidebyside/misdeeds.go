//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/procpool/procpool/worker"
)

// An order tells a task what to do, and in which directory it finds the others.
type order struct {
	Dir, How string
	Number   int
}

const begun = "begun" // a file that the first neighbour makes when it runs

// neighbour is a task without fault. It tells the faulty one that it has begun, and takes a while.
var neighbour = worker.Register("neighbour", func(_ context.Context, o order) (int, error) {
	if err := touch(o.Dir, begun); err != nil {
		return 0, err
	}
	time.Sleep(300 * time.Millisecond)
	return o.Number, nil
})

// meet returns the worker's pid if another task runs at the same time, elsewhere.
var meet = worker.Register("meet", func(_ context.Context, names worker.Args2[string, string]) (int, error) {
	if err := touch("", names.A); err != nil {
		return 0, err
	}
	return os.Getpid(), waitFor(names.B)
})

// misbehave does what it is told, once a neighbour is running.
var misbehave = worker.Register("misbehave", func(_ context.Context, o order) (any, error) {
	if err := waitFor(filepath.Join(o.Dir, begun)); err != nil {
		return nil, err
	}
	return misdeeds[o.How]()
})

// tiny is one of many small tasks, of which one kills its worker.
var tiny = worker.Register("tiny", func(_ context.Context, o order) (int, error) {
	if o.Number == batchSize/2 {
		if err := waitFor(filepath.Join(o.Dir, begun)); err != nil {
			return 0, err
		}
		return 0, signalSelf(syscall.SIGKILL)
	}
	return o.Number, nil
})

// refuse returns what encodes well and cannot be decoded.
var refuse = worker.Register("refuse", func(_ context.Context, o order) (refusal, error) {
	return refusal{}, waitFor(filepath.Join(o.Dir, begun))
})

// ignore takes what cannot be encoded.
var ignore = worker.Register("ignore", func(context.Context, any) (int, error) { return 0, nil })

// failToStart is an initializer.
var failToStart = worker.Register("failToStart", func(_ context.Context, dir string) (int, error) {
	starts, err := os.OpenFile(filepath.Join(dir, "starts"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer starts.Close()
	if _, err := fmt.Fprintln(starts, os.Getpid()); err != nil {
		return 0, err
	}
	return 0, errors.New("no licence found")
})

type refusal struct{}

func (refusal) MarshalBinary() ([]byte, error) { return []byte{7}, nil }

func (*refusal) UnmarshalBinary([]byte) error { return errors.New("no") }

var misdeeds = map[string]func() (any, error){
	"kill":          func() (any, error) { return nil, signalSelf(syscall.SIGKILL) },
	"exit-0":        func() (any, error) { os.Exit(0); return nil, nil },
	"exit-7":        func() (any, error) { os.Exit(7); return nil, nil },
	"segfault":      func() (any, error) { segfault(); return nil, nil },
	"stop":          func() (any, error) { return nil, signalSelf(syscall.SIGSTOP) },
	"endless":       func() (any, error) { return spin(), nil },
	"encode-result": func() (any, error) { return func() {}, nil },
	"memory":        func() (any, error) { return hoard(), nil },
	"talk":          talk,
	"poison":        func() (any, error) { return nil, signalSelf(syscall.SIGKILL) },
}

func signalSelf(s syscall.Signal) error {
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		return err
	}
	time.Sleep(time.Hour)
	return nil
}

func spin() (n int) {
	for n >= 0 {
		n = (n + 1) % 1000
	}
	return n
}

// hoard allocates without end, and uses what it gets.
func hoard() int {
	var hoarded [][]byte
	for len(hoarded) < 1<<16 {
		hoarded = append(hoarded, bytes.Repeat([]byte("x"), 16<<20))
	}
	return len(hoarded)
}

// talk prints and reads the standard input, by Go's files and below them as C code does. It returns what it read.
func talk() (any, error) {
	for number := range batchSize {
		fmt.Fprintln(os.Stdout, "line", number)
	}
	if _, err := syscall.Write(1, []byte("line from below\n")); err != nil {
		return nil, err
	}
	read, err := bufio.NewReader(os.Stdin).ReadString(0)
	if !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("standard input: %q, %w", read, err)
	}
	below := make([]byte, 1<<10)
	n, err := syscall.Read(0, below)
	return read + string(below[:max(n, 0)]), err
}

func touch(dir, name string) error {
	return os.WriteFile(filepath.Join(dir, name), nil, 0o600) //nolint:gosec // the directory is this program's own
}

// waitFor waits until the file is there, for the patience at most.
func waitFor(path string) error {
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("waited in vain for %s", filepath.Base(path))
		}
	}
}
