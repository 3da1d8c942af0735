//go:build unix

// Command guarded is a program that uses a pool in the way that its argument
// names. Its tests look at what it prints, at its exit status, and at what is
// left of it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

var sqr = worker.Register("sqr", func(_ context.Context, x int) (int, error) { return x * x, nil })

// apple takes its time, so that what does not wait for it does not see it.
var apple = worker.Register("apple", func(_ context.Context, wait time.Duration) (struct{}, error) {
	time.Sleep(wait)
	fmt.Println("apple")
	return struct{}{}, nil
})

// openFile says which of a process's descriptors refer to one file.
var openFile = worker.Register2("openFile", func(_ context.Context, dev, ino uint64) ([]int, error) {
	return descriptors(dev, ino), nil
})

func descriptors(dev, ino uint64) (found []int) {
	for fd := range 1024 {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && uint64(st.Dev) == dev && st.Ino == ino {
			found = append(found, fd)
		}
	}
	return found
}

var commands = map[string]func() error{
	"keep":        keep,
	"map":         squares,
	"moved":       moved,
	"deleted":     deleted,
	"apple":       printApple,
	"apple-later": printAppleLater,
	"leave":       leave,
	"late":        late,
	"descriptors": inherited,
}

func main() {
	worker.Main()
	if err := commands[os.Args[1]](); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var background = context.Background()

// forgotten is never closed.
var forgotten *pool.Pool

// keep ends with a pool that was never closed, after printing who works.
func keep() (err error) {
	if forgotten, err = pool.New(background, pool.WithWorkers(2)); err != nil {
		return err
	}
	if _, err := pool.Call(background, forgotten, sqr, 3); err != nil {
		return err
	}
	printWorkers(forgotten)
	return nil
}

func printWorkers(p *pool.Pool) {
	for _, w := range p.Workers() {
		fmt.Println(w.PID)
	}
}

// squares maps 1..7.
func squares() error {
	p, err := pool.New(background, pool.WithWorkers(4))
	if err != nil {
		return err
	}
	got, err := pool.Map(background, p, sqr, []int{1, 2, 3, 4, 5, 6, 7})
	if err != nil {
		return err
	}
	fmt.Println(strings.Trim(fmt.Sprint(got), "[]"))
	return p.Shutdown(background)
}

// moved is squares in a directory that was renamed under the program.
func moved() error {
	wd, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := os.Rename(wd, wd+" moved"); err != nil {
		return err
	}
	return squares()
}

// deleted is squares by a program whose file is gone.
func deleted() error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return squares()
}

func printApple() error {
	p, err := pool.New(background, pool.WithWorkers(5))
	if err != nil {
		return err
	}
	pool.Go(background, p, apple, 100*time.Millisecond)
	return p.Shutdown(background)
}

// printAppleLater shuts down without waiting, and waits later.
func printAppleLater() error {
	p, err := pool.New(background, pool.WithWorkers(5))
	if err != nil {
		return err
	}
	f := pool.Go(background, p, apple, 100*time.Millisecond)
	if err := p.Shutdown(ended()); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("Shutdown: %w", err)
	}
	if _, err := f.Wait(background); err != nil {
		return err
	}
	return p.Shutdown(background)
}

func ended() context.Context {
	ctx, cancel := context.WithCancel(background)
	cancel()
	return ctx
}

// leave ends while a task runs.
func leave() error {
	p, err := pool.New(background, pool.WithWorkers(2))
	if err != nil {
		return err
	}
	printWorkers(p)
	pool.Go(background, p, apple, time.Hour)
	_ = p.Shutdown(ended())
	return nil
}

// late uses a pool in a deferred function, after its end.
func late() error {
	p, err := pool.New(background, pool.WithWorkers(2))
	if err != nil {
		return err
	}
	defer func() {
		_, err := pool.Call(background, p, sqr, 3)
		fmt.Println("closed:", errors.Is(err, pool.ErrClosed))
		os.Exit(7)
	}()
	return p.Shutdown(background)
}

// inherited prints which descriptors of a worker refer to the file that
// is this process's descriptor 20.
func inherited() error {
	var st unix.Stat_t
	if err := unix.Fstat(20, &st); err != nil {
		return err
	}
	p, err := pool.New(background, pool.WithWorkers(1))
	if err != nil {
		return err
	}
	found, err := pool.Call(background, p, openFile, worker.Pack2(uint64(st.Dev), st.Ino))
	if err != nil {
		return err
	}
	fmt.Println("here:", descriptors(uint64(st.Dev), st.Ino), "worker:", found)
	return p.Shutdown(background)
}
