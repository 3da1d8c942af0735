package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// peerScript is run in the top directory of the module.
const peerScript = "testdata/peers/bench_peer.py"

var errNoPython = errors.New("python3 is not installed: not compared")

// python is an interpreter that does one round after another. The zero python starts with its first round.
type python struct {
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
}

type request struct {
	Do     string `json:"do"`
	N      int    `json:"n,omitempty"`
	Size   int    `json:"size,omitempty"`
	Method string `json:"method,omitempty"`
}

type reply struct {
	Seconds float64 `json:"seconds"`
	Version string  `json:"version"`
	Error   string  `json:"error"`
}

func (p *python) start() error {
	path, err := exec.LookPath("python3")
	if err != nil {
		return errNoPython
	}
	if _, err := os.Stat(peerScript); err != nil {
		return fmt.Errorf("run this in the top directory of the module: %w", err)
	}
	p.process = exec.Command(path, peerScript)
	p.process.Stderr = os.Stderr
	if p.in, err = p.process.StdinPipe(); err != nil {
		return err
	}
	out, err := p.process.StdoutPipe()
	if err != nil {
		return err
	}
	p.out = bufio.NewScanner(out)
	return p.process.Start()
}

// ask has it do something.
func (p *python) ask(r request) (a reply, err error) {
	if p.process == nil {
		if err := p.start(); err != nil {
			return a, err
		}
	}
	line, err := json.Marshal(r)
	if err != nil {
		return a, err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return a, err
	}
	if !p.out.Scan() {
		return a, fmt.Errorf("%s ended", peerScript)
	}
	if err := json.Unmarshal(p.out.Bytes(), &a); err != nil {
		return a, err
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

// side is Python's side of a row.
func (p *python) side(name string, r request) *side {
	return &side{name: name, units: max(1, r.N), round: func() (time.Duration, error) {
		a, err := p.ask(r)
		return time.Duration(a.Seconds * float64(time.Second)), err
	}}
}

// close ends the interpreter and its pools.
func (p *python) close() {
	if p.process != nil {
		p.in.Close()
		_ = p.process.Wait()
	}
}
