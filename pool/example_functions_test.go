package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/procpool/procpool/worker"
)

// The functions of the examples. A program registers its own in the same way: in
// package-level variables, so that they exist in the parent and in its workers.
var (
	square = worker.Register("example.square", func(_ context.Context, n int) (int, error) {
		return n * n, nil
	})

	power = worker.Register2("example.power", func(_ context.Context, base, exponent int) (int, error) {
		result := 1
		for range exponent {
			result *= base
		}
		return result, nil
	})

	parse = worker.Register("example.parse", func(_ context.Context, text string) (int, error) {
		return strconv.Atoi(text)
	})

	openFile = worker.Register("example.openFile", func(_ context.Context, path string) (int64, error) {
		f, err := os.Open(path)
		if err != nil {
			return 0, fmt.Errorf("open the input: %w", err)
		}
		defer f.Close()
		return io.Copy(io.Discard, f)
	})

	// withdraw fails with an error of the program's own.
	withdraw = worker.Register2("example.withdraw", func(_ context.Context, balance, amount int) (int, error) {
		switch {
		case amount <= 0:
			return 0, fmt.Errorf("withdraw %d: %w", amount, errNotPositive)
		case amount > balance:
			return 0, &fundsError{Missing: amount - balance}
		}
		return balance - amount, nil
	})

	// divide panics where it is asked to divide by zero.
	divide = worker.Register2("example.divide", func(_ context.Context, a, b int) (int, error) {
		return a / b, nil
	})

	// exit does what log.Fatal does.
	exit = worker.Register("example.exit", func(_ context.Context, code int) (struct{}, error) {
		if code != 0 {
			fmt.Fprintln(os.Stderr, "fatal: cannot go on")
			os.Exit(code)
		}
		return struct{}{}, nil
	})

	// wait takes as long as it may: like every function that takes long, it
	// returns when its context ends.
	wait = worker.Register("example.wait", func(ctx context.Context, _ struct{}) (struct{}, error) {
		worker.Report(ctx, "started")
		<-ctx.Done()
		return struct{}{}, context.Cause(ctx)
	})

	// nap takes its time and does not listen.
	nap = worker.Register("example.nap", func(ctx context.Context, d time.Duration) (string, error) {
		worker.Report(ctx, "started")
		time.Sleep(d)
		return "rested", nil
	})

	getenv = worker.Register("example.getenv", func(_ context.Context, name string) (string, error) {
		return os.Getenv(name), nil
	})

	getwd = worker.Register("example.getwd", func(context.Context, struct{}) (string, error) {
		return os.Getwd()
	})

	pid = worker.Register("example.pid", func(ctx context.Context, _ struct{}) (int, error) {
		return worker.Info(ctx).PID, nil
	})

	maxProcs = worker.Register("example.maxProcs", func(context.Context, struct{}) (int, error) {
		return runtime.GOMAXPROCS(0), nil
	})

	hello = worker.Register("example.hello", func(_ context.Context, name string) (struct{}, error) {
		fmt.Println("hello,", name)
		return struct{}{}, nil
	})

	complain = worker.Register("example.complain", func(_ context.Context, what string) (struct{}, error) {
		fmt.Fprintln(os.Stderr, "warning:", what)
		return struct{}{}, nil
	})

	logged = worker.Register("example.logged", func(ctx context.Context, file string) (struct{}, error) {
		worker.Logger(ctx).Info("reading", "file", file)
		return struct{}{}, nil
	})

	// copySteps reports how far it is.
	copySteps = worker.Register("example.copySteps", func(ctx context.Context, steps int) (int, error) {
		for i := range steps {
			worker.Report(ctx, fmt.Sprintf("step %d of %d", i+1, steps))
		}
		return steps, nil
	})

	repeat = worker.Register("example.repeat", func(_ context.Context, n int) (string, error) {
		return strings.Repeat("x", n), nil
	})

	identity = worker.Register("example.identity", func(_ context.Context, v any) (any, error) {
		return v, nil
	})

	makeFunc = worker.Register("example.makeFunc", func(context.Context, struct{}) (any, error) {
		return func() {}, nil
	})
)

// A table that each worker loads once, before its first task.
var (
	table map[string]int

	loadTable = worker.Register("example.loadTable", func(_ context.Context, words []string) (struct{}, error) {
		table = map[string]int{}
		for i, word := range words {
			table[word] = i
		}
		if len(words) == 0 {
			return struct{}{}, errors.New("no words")
		}
		return struct{}{}, nil
	})

	lookUp = worker.Register("example.lookUp", func(_ context.Context, word string) (int, error) {
		return table[word], nil
	})

	sayGoodbye = worker.Register("example.sayGoodbye", func(_ context.Context, text string) (struct{}, error) {
		fmt.Println(text)
		return struct{}{}, nil
	})
)

// counter lives in the worker that runs the task.
var (
	counter int

	count = worker.Register("example.count", func(context.Context, struct{}) (int, error) {
		counter++
		return counter, nil
	})
)

// errNotPositive and fundsError are found again in the parent by errors.Is and
// errors.As, because they are registered.
var errNotPositive = errors.New("the amount is not positive")

type fundsError struct{ Missing int }

func (e *fundsError) Error() string { return fmt.Sprintf("%d missing", e.Missing) }

func init() {
	worker.RegisterError("example.errNotPositive", errNotPositive)
	worker.RegisterErrorType[*fundsError]("example.fundsError")
}
