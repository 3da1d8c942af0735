package bench

import (
	"bufio"
	"context"
	_ "embed" // the peer's script
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

//go:embed bench_peer.py
var peerScript []byte

// answerTime is how long one block of Python's may take. A pool of Python's can hang for ever.
const answerTime = 30 * time.Second

// python is an interpreter that does the same work in Python's own pools, when it is told to.
type python struct {
	version string
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan answer
	gone    error // why nothing more can be asked
}

// answer is a line of the script's.
type answer struct {
	Version string  `json:"version"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error"`
}

func startPython(ctx context.Context, interpreter, dir string, workers int) (*python, error) {
	path := filepath.Join(dir, "bench_peer.py")
	if err := os.WriteFile(path, peerScript, 0o600); err != nil {
		return nil, err
	}
	p := &python{cmd: exec.Command(interpreter, path, strconv.Itoa(workers)), answers: make(chan answer)}
	ownGroup(p.cmd)
	var said strings.Builder
	p.cmd.Stderr = &said
	p.cmd.WaitDelay = time.Second
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("python: %w", err)
	}
	go p.listen(out)
	hello, err := p.wait(ctx)
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("%s: %w; %s", interpreter, err, strings.TrimSpace(said.String()))
	}
	p.version = hello.Version
	return p, nil
}

// listen reads answers. It ends when the interpreter does, or is killed: stop waits for it.
func (p *python) listen(out io.Reader) {
	defer close(p.answers)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var a answer
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			a.Error = "an answer that is no JSON"
		}
		p.answers <- a
	}
}

func (p *python) wait(ctx context.Context) (answer, error) {
	timer := time.NewTimer(answerTime)
	defer timer.Stop()
	select {
	case a, ok := <-p.answers:
		if !ok {
			p.gone = errors.New("the interpreter has ended")
			return a, p.gone
		}
		if a.Error != "" {
			return a, errors.New(a.Error)
		}
		return a, nil
	case <-timer.C:
		p.gone = fmt.Errorf("no answer in %v", answerTime)
	case <-ctx.Done():
		p.gone = ctx.Err()
	}
	return answer{}, p.gone
}

// ask has the interpreter do n operations of a kind of work.
func (p *python) ask(ctx context.Context, pool, work string, n int, args map[string]any) (float64, error) {
	if p.gone != nil {
		return 0, p.gone
	}
	order := map[string]any{"pool": pool, "work": work, "n": n}
	maps.Copy(order, args)
	line, err := json.Marshal(order)
	if err != nil {
		return 0, err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		p.gone = err
		return 0, err
	}
	a, err := p.wait(ctx)
	return a.Seconds, err
}

func (p *python) contender(name, pool, work string, args map[string]any) contender {
	return contender{name: name, run: func(ctx context.Context, n int) (time.Duration, error) {
		seconds, err := p.ask(ctx, pool, work, n, args)
		return time.Duration(seconds * float64(time.Second)), err
	}}
}

func (p *python) skewed(tasks []time.Duration, _ int) contender {
	seconds := make([]float64, len(tasks))
	for i, d := range tasks {
		seconds[i] = d.Seconds()
	}
	return p.contender("Python imap_unordered", "pool", "skew", map[string]any{"tasks": seconds})
}

// memory is what a fresh worker of Python's has for itself.
func (p *python) memory(ctx context.Context, method string) (int64, error) {
	bytes, err := p.ask(ctx, method, "memory", 1, nil)
	return int64(bytes), err
}

// stop ends the interpreter and its workers.
func (p *python) stop() {
	_ = p.in.Close()
	go func() { // listen may be about to hand something over
		for range p.answers {
		}
	}()
	killGroup(p.cmd)
	_ = p.cmd.Wait()
}
