package pool_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// A program registers its functions in package-level variables, begins main with
// worker.Main(), and has a pool of processes.
func Example() {
	// var square = worker.Register("example.square", func(_ context.Context, n int) (int, error) {
	// 	return n * n, nil
	// })
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	squares, err := pool.Map(ctx, p, square, []int{1, 2, 3, 4})
	fmt.Println(squares, err)
	// Output: [1 4 9 16] <nil>
}

func ExampleNew() {
	p, err := pool.New(context.Background(), pool.WithWorkers(3))
	if err != nil {
		log.Fatal(err) // says which worker did not start, and what it printed
	}
	defer p.Close()

	fmt.Println(len(p.Workers()), "workers are ready")
	// Output: 3 workers are ready
}

func ExampleCall() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	n, err := pool.Call(ctx, p, square, 12)
	fmt.Println(n, err)
	// Output: 144 <nil>
}

// A function of two or three arguments takes them packed.
func ExampleCall_twoArguments() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	n, err := pool.Call(ctx, p, power, worker.Pack2(2, 10))
	fmt.Println(n, err)
	// Output: 1024 <nil>
}

// A function without an argument takes a struct{}.
func ExampleCall_noArgument() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	for range 3 {
		n, err := pool.Call(ctx, p, count, struct{}{})
		fmt.Println("task number", n, err)
	}
	// Output:
	// task number 1 <nil>
	// task number 2 <nil>
	// task number 3 <nil>
}

// Where the function takes an interface, say so: a concrete argument would not fit.
func ExampleCall_interface() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	v, err := pool.Call(ctx, p, identity, any("text"))
	fmt.Printf("%T %v %v\n", v, v, err)

	v, err = pool.Call(ctx, p, identity, any(7)) // every integer arrives as int64
	fmt.Printf("%T %v %v\n", v, v, err)
	// Output:
	// string text <nil>
	// int64 7 <nil>
}

func ExampleBroadcast() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(3))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	results, err := pool.Broadcast(ctx, p, pid, struct{}{})
	if err != nil {
		log.Fatal(err)
	}
	pids := map[int]bool{}
	for _, r := range results {
		pids[r.Value] = true
	}
	fmt.Println("asked", len(pids), "processes")
	// Output: asked 3 processes
}

func ExamplePool_Shutdown() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	future := pool.Go(ctx, p, square, 9)

	fmt.Println("shutdown:", p.Shutdown(ctx)) // finishes what was submitted
	n, err := future.Wait(ctx)
	fmt.Println(n, err)

	_, err = pool.Call(ctx, p, square, 10)
	fmt.Println(err)
	// Output:
	// shutdown: <nil>
	// 81 <nil>
	// procpool: the pool is closed
}

func ExamplePool_Close() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	future := pool.Go(ctx, p, wait, struct{}{}) // would run for ever

	fmt.Println("close:", p.Close()) // kills the workers
	_, err = future.Wait(ctx)
	fmt.Println(err == pool.ErrClosed)
	fmt.Println("again:", p.Close())
	// Output:
	// close: <nil>
	// true
	// again: <nil>
}

// What no worker has started yet need not be waited for.
func ExampleDropQueued() {
	ctx := context.Background()
	started := make(chan bool, 1)
	p, err := pool.New(ctx, pool.WithWorkers(1),
		pool.WithOnReport(func(worker.TaskInfo, worker.Raw) { started <- true }))
	if err != nil {
		log.Fatal(err)
	}
	running := pool.Go(ctx, p, nap, 300*time.Millisecond)
	queued := pool.Go(ctx, p, square, 3)
	<-started

	fmt.Println("shutdown:", p.Shutdown(ctx, pool.DropQueued()))
	text, err := running.Wait(ctx)
	fmt.Println(text, err)
	_, err = queued.Wait(ctx)
	fmt.Println(err)
	// Output:
	// shutdown: <nil>
	// rested <nil>
	// procpool: the pool is closed
}

func ExamplePool_Resize() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	err = p.Resize(ctx, 4) // returns when the new ones are ready
	fmt.Println(len(p.Workers()), err)
	// Output: 4 <nil>
}

func ExamplePool_Workers() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	for _, w := range p.Workers() {
		fmt.Println("slot", w.Slot, w.State, "restarts:", w.Restarts, "has a process:", w.PID != 0)
	}
	// Output:
	// slot 0 idle restarts: 0 has a process: true
	// slot 1 idle restarts: 0 has a process: true
}

func ExamplePool_Stats() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	pool.Map(ctx, p, parse, []string{"1", "two", "3"})

	s := p.Stats()
	fmt.Println("submitted", s.Submitted, "completed", s.Completed, "failed", s.Failed)
	// Output: submitted 3 completed 2 failed 1
}
