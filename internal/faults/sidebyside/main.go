//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/procpool/procpool/worker"
)

const (
	roleVar = "SIDEBYSIDE_ROLE" // the fault that this process is for
	dirVar  = "SIDEBYSIDE_DIR"  // where its tasks find each other
	owner   = "owner"           // the role of a main program that is killed

	hardLimit = time.Minute // for one fault
)

func main() {
	worker.Main()
	if role := os.Getenv(roleVar); role != "" {
		os.Exit(play(role, os.Getenv(dirVar)))
	}
	os.Exit(run())
}

// play does what one fault's own process is there for.
func play(role, dir string) int {
	if role == owner {
		fmt.Fprintln(os.Stderr, own(dir))
		return 1
	}
	for _, f := range faults {
		if f.name == role {
			l := f.run(dir)
			l.Fault, l.Pool = f.name, "procpool"
			return report(os.Stdout, l)
		}
	}
	fmt.Fprintf(os.Stderr, "sidebyside: no fault is called %s\n", role)
	return 2
}

func report(w io.Writer, l line) int {
	if err := json.NewEncoder(w).Encode(l); err != nil || l.Error != "" {
		return 1
	}
	return 0
}

// apart runs one fault in a process of its own, which ends at the hard limit with all its workers.
func apart(ctx context.Context, f fault) (l line) {
	l.Fault, l.Pool = f.name, "procpool"
	dir, err := os.MkdirTemp("", "sidebyside")
	if err != nil {
		l.Error = err.Error()
		return l
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var stdout, stderr bytes.Buffer
	cmd := self(f.name, dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	cmd.WaitDelay = time.Second
	if err = cmd.Start(); err != nil {
		l.Error = err.Error()
		return l
	}
	ctx, cancel := context.WithTimeout(ctx, hardLimit)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	err = cmd.Wait()
	if parseErr := json.Unmarshal(stdout.Bytes(), &l); parseErr != nil {
		l.Saw, l.Error = nothing, fmt.Sprintf("no report: %v\n%s", errors.Join(err, parseErr), stderr.Bytes())
	}
	return l
}

func run() int {
	only := flag.String("only", "*", "the faults, as a `pattern`")
	table := flag.Bool("table", false, "Python's pools as well, and a Markdown table instead of JSON")
	python := flag.String("python", "python3", "the `program` that runs the script for Python's pools")
	script := flag.String("script", filepath.Join("testdata", "peers", "faults_peer.py"), "the `path` of that script")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	var chosen []fault
	for _, f := range faults {
		if ok, err := path.Match(*only, f.name); ok && err == nil {
			chosen = append(chosen, f)
		}
	}
	if len(chosen) == 0 || flag.NArg() > 0 {
		flag.Usage()
		return 2
	}

	var lines []line
	status := 0
	for _, f := range chosen {
		l := apart(ctx, f)
		lines = append(lines, l)
		if l.Error != "" {
			status = 1
		}
		if !*table {
			status = max(status, report(os.Stdout, l))
		}
	}
	if !*table {
		return status
	}
	theirs, err := peers(ctx, *python, *script, *only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sidebyside: Python's pools:", err)
	}
	fmt.Fprint(os.Stdout, markdown(chosen, append(lines, theirs...)))
	for _, l := range append(lines, theirs...) {
		if l.Error != "" {
			fmt.Fprintf(os.Stderr, "sidebyside: %s, %s: %s\n", l.Pool, l.Fault, l.Error)
			status = 1
		}
	}
	return status
}
