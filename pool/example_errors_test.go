package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"strings"
	"syscall"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

// Every failure of a task is a TaskError that says which task it was, and where.
func ExampleTaskError() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	_, err = pool.Map(ctx, p, parse, []string{"1", "2", "three"})
	if failed, ok := errors.AsType[*pool.TaskError](err); ok {
		fmt.Printf("%s #%d, slot %d, attempt %d\n", failed.Func, failed.Index, failed.Slot, failed.Attempt)
		fmt.Println(failed.Err)
	}
	// Output:
	// example.parse #2, slot 0, attempt 1
	// strconv.Atoi: parsing "three": invalid syntax
}

// errors.Is and errors.As look through the process boundary.
func ExampleRemoteError() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	_, err = pool.Call(ctx, p, openFile, "/no/such/file")
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		fmt.Println(path.Op, path.Path, path.Err == syscall.ENOENT)
	}
	if remote, ok := errors.AsType[*pool.RemoteError](err); ok {
		fmt.Println(remote.Type, "-", remote.Message)
	}
	// Output:
	// true
	// open /no/such/file true
	// *fmt.wrapError - open the input: open /no/such/file: no such file or directory
}

// A program's own errors are found too, once it has registered them by
// worker.RegisterError and worker.RegisterErrorType.
func ExampleRemoteError_registered() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	_, err = pool.Call(ctx, p, withdraw, worker.Pack2(100, -5))
	fmt.Println(errors.Is(err, errNotPositive))

	_, err = pool.Call(ctx, p, withdraw, worker.Pack2(100, 130))
	if funds, ok := errors.AsType[*fundsError](err); ok {
		fmt.Println("missing:", funds.Missing)
	}
	// Output:
	// true
	// missing: 30
}

// A panic costs the task and nothing else.
func ExamplePanicError() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	_, err = pool.Call(ctx, p, divide, worker.Pack2(1, 0))
	if panicked, ok := errors.AsType[*pool.PanicError](err); ok {
		fmt.Println(panicked.Value)
		fmt.Println("there is a stack:", strings.Contains(panicked.Stack, "example_functions_test.go"))
	}
	fmt.Println("restarts:", p.Workers()[0].Restarts)
	// Output:
	// runtime error: integer divide by zero
	// there is a stack: true
	// restarts: 0
}

// A process that ends under its task says how and why.
func ExampleExitError() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	_, err = pool.Call(ctx, p, exit, 3)
	if died, ok := errors.AsType[*pool.ExitError](err); ok {
		fmt.Println(died.Reason, died.Code, died.Signal)
		fmt.Printf("%q\n", died.Stderr)
	}
	n, err := pool.Call(ctx, p, square, 3) // the slot has a new process
	fmt.Println(n, err)
	// Output:
	// exit 3 <nil>
	// "fatal: cannot go on\n"
	// 9 <nil>
}

// A value that cannot travel is named, with its side.
func ExampleEncodeError() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1), pool.WithMaxPayload(1<<20))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	_, err = pool.Call(ctx, p, makeFunc, struct{}{})
	if e, ok := errors.AsType[*pool.EncodeError](err); ok {
		fmt.Println("in the", e.Side)
	}
	_, err = pool.Call(ctx, p, repeat, 2<<20)
	fmt.Println("too large:", errors.Is(err, wire.ErrTooLarge))
	// Output:
	// in the worker
	// too large: true
}

func ExampleDecodeError() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	narrow := worker.Named[int, int8](square.Name()) // nothing checks these types but the decoder
	_, err = pool.Call(ctx, p, narrow, 100)
	if e, ok := errors.AsType[*pool.DecodeError](err); ok {
		fmt.Println("10000 is no", e.Type, "in the", e.Side)
	}
	// Output: 10000 is no int8 in the parent
}

// The error of a Map holds one TaskError for each item that failed, in order.
func ExampleErrors() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	_, err = pool.Map(ctx, p, parse, []string{"a", "1", "b", "c", "2"})
	failed, _ := errors.AsType[pool.Errors](err)
	for _, e := range failed {
		fmt.Print("#", e.Index, " ")
	}
	// Output: #0 #2 #3
}

// A worker that does not get ready explains itself.
func ExampleStartError() {
	ctx := context.Background()
	_, err := pool.New(ctx, pool.WithWorkers(1), pool.WithInitializer(loadTable, nil))
	if e, ok := errors.AsType[*pool.StartError](err); ok {
		fmt.Println(e.Stage)
		remote, _ := errors.AsType[*pool.RemoteError](err)
		fmt.Println(remote)
	}
	// Output:
	// init
	// no words
}

// Asked for what only another program knows, or for what was registered after
// worker.Main, a worker says so.
func Example_notRegistered() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	unknown := worker.Named[int, int]("nobody knows me")
	_, err = pool.Call(ctx, p, unknown, 1)
	fmt.Println(errors.Is(err, pool.ErrNotRegistered))
	// Output: true
}

func ExampleNonBlocking() {
	ctx := context.Background()
	started := make(chan bool, 1)
	p, err := pool.New(ctx, pool.WithWorkers(1), pool.WithQueueSize(2),
		pool.WithOnReport(func(worker.TaskInfo, worker.Raw) { started <- true }))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	pool.Go(ctx, p, wait, struct{}{}) // keeps the only worker busy
	<-started
	for { // without NonBlocking it would wait for room
		future := pool.Go(ctx, p, square, 2, pool.NonBlocking())
		select {
		case <-future.Done():
			_, err = future.Wait(ctx)
			fmt.Println(errors.Is(err, pool.ErrQueueFull))
			return
		default:
		}
	}
	// Output: true
}
