package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strconv"
	"time"

	"github.com/procpool/procpool/pool"
)

// settle is how long a worker is idle before its memory is looked at: what it gives back, it has given back by then.
const settle = time.Second

func memory(tasks int) (fresh, idle int64, err error) {
	const workers = 2
	p, err := newPool(workers)
	if err != nil {
		return 0, 0, err
	}
	defer p.Close()
	if fresh, err = private(p); err != nil {
		return 0, 0, err
	}
	if err := consume(p, tasks); err != nil {
		return 0, 0, err
	}
	time.Sleep(settle)
	idle, err = private(p)
	return fresh, idle, err
}

// private returns the private memory of a worker, on average. RssAnon is that: shared pages and the program's text are no part of it.
func private(p *pool.Pool) (int64, error) {
	var sum, n int64
	for _, w := range p.Workers() {
		bytes, err := status(w.PID, "RssAnon")
		if err != nil {
			return 0, err
		}
		sum += bytes
		n++
	}
	return sum / max(1, n), nil
}

func stream(items int) (before, most int64, err error) {
	p, err := newPool(2)
	if err != nil {
		return 0, 0, err
	}
	defer p.Close()
	if err := consume(p, 1_000_000); err != nil {
		return 0, 0, err
	}
	if before, err = status(os.Getpid(), "VmRSS"); err != nil {
		return 0, 0, err
	}
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // VmHWM begins anew
		return 0, 0, err
	}
	if err := consume(p, items); err != nil {
		return 0, 0, err
	}
	most, err = status(os.Getpid(), "VmHWM")
	return before, most, err
}

// consume runs a Stream of tiny tasks.
func consume(p *pool.Pool, n int) error {
	got := 0
	for _, err := range pool.Stream(context.Background(), p, successor, upTo(n)) {
		if err != nil {
			return err
		}
		got++
	}
	if got != n {
		return errors.New("items are missing")
	}
	return nil
}

func upTo(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// status returns a line of /proc/PID/status, in bytes.
func status(pid int, key string) (int64, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	_, rest, found := bytes.Cut(text, []byte("\n"+key+":"))
	var kilobytes int64
	if _, err := fmt.Sscan(string(rest), &kilobytes); !found || err != nil {
		return 0, fmt.Errorf("no %s of process %d: %w", key, pid, err)
	}
	return kilobytes << 10, nil
}
