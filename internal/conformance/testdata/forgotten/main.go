// Command forgotten is a program that uses a pool and forgot worker.Main. It
// notes each start of itself in the file that it is given.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

var sqr = worker.Register("sqr", func(_ context.Context, x int) (int, error) { return x * x, nil })

func main() {
	f, err := os.OpenFile(os.Args[1], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		fail(err)
	}
	fmt.Fprintln(f, "started", os.Getpid())
	p, err := pool.New(context.Background(), pool.WithWorkers(2))
	if err != nil {
		fail(err)
	}
	fmt.Println(pool.Call(context.Background(), p, sqr, 3))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	if errors.Is(err, pool.ErrNoMain) {
		os.Exit(3)
	}
	os.Exit(1)
}
