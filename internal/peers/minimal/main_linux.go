package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/go-hclog"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

var successor = worker.Register("successor", func(_ context.Context, n int) (int, error) { return n + 1, nil })

func main() {
	worker.Main()
	if len(os.Args) > 1 && os.Args[1] == bareName {
		playBare()
		return
	}
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "minimal: %v\n", err)
		os.Exit(1)
	}
}

// serve answers commands until there are no more.
func serve(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var command string
		var n int
		if _, err := fmt.Sscan(lines.Text(), &command, &n); err != nil {
			return fmt.Errorf("%q: %w", lines.Text(), err)
		}
		a, b, err := obey(command, n)
		if err != nil {
			return fmt.Errorf("%q: %w", lines.Text(), err)
		}
		fmt.Fprintln(out, a, b)
	}
	return lines.Err()
}

func obey(command string, n int) (a, b int64, err error) {
	switch command {
	case "start":
		return start(n)
	case "bare":
		a, err = bare(n)
		return a, 0, err
	case "memory":
		return memory(n)
	case "stream":
		return stream(n)
	}
	return 0, 0, fmt.Errorf("no such command")
}

func newPool(workers int) (*pool.Pool, error) {
	return pool.New(context.Background(), pool.WithWorkers(workers), pool.WithLogger(hclog.NewNullLogger()))
}
