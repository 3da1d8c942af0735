package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// minimal is a process of the minimal program.
type minimal struct {
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// minimal builds the program, where that is not done, and starts it.
func (b *bench) minimal() (*minimal, error) {
	if b.dir == "" {
		dir, err := os.MkdirTemp("", "peers-")
		if err != nil {
			return nil, err
		}
		b.dir = dir
		build := exec.Command("go", "build", "-o", dir, "./internal/peers/minimal")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return nil, fmt.Errorf("go build: %w", err)
		}
	}
	m := &minimal{process: exec.Command(filepath.Join(b.dir, "minimal"))}
	m.process.Stderr = os.Stderr
	var err error
	if m.in, err = m.process.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := m.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	m.out = bufio.NewReader(out)
	return m, m.process.Start()
}

// ask gives a command and returns the two integers of the answer.
func (m *minimal) ask(command string, n int) (x, y int64, err error) {
	if _, err := fmt.Fprintln(m.in, command, n); err != nil {
		return 0, 0, err
	}
	_, err = fmt.Fscanln(m.out, &x, &y)
	return x, y, err
}

// side is a side whose rounds are commands that answer with nanoseconds.
func (m *minimal) side(name, command string, n int) *side {
	return &side{name: name, units: 1, round: func() (time.Duration, error) {
		ns, _, err := m.ask(command, n)
		return time.Duration(ns), err
	}}
}

func (m *minimal) close() {
	m.in.Close()
	_ = m.process.Wait()
}
