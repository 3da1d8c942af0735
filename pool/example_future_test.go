package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

func ExampleGo() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	first, second := pool.Go(ctx, p, square, 3), pool.Go(ctx, p, square, 4)
	a, errA := first.Wait(ctx)
	b, errB := second.Wait(ctx)
	fmt.Println(a+b, errors.Join(errA, errB))
	// Output: 25 <nil>
}

// The context of Wait bounds the waiting, not the task. Any number of callers get
// the same answer.
func ExampleFuture_Wait() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	future := pool.Go(ctx, p, nap, 100*time.Millisecond)
	impatient, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	_, err = future.Wait(impatient)
	fmt.Println(err)

	text, err := future.Wait(ctx)
	fmt.Println(text, err)
	// Output:
	// context deadline exceeded
	// rested <nil>
}

func ExampleFuture_Done() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	future := pool.Go(ctx, p, square, 5)
	select {
	case <-future.Done():
		n, err := future.Wait(ctx) // does not wait any more
		fmt.Println(n, err)
	case <-time.After(time.Minute):
		fmt.Println("still busy")
	}
	// Output: 25 <nil>
}

// Cancel asks; the answer still comes by Wait.
func ExampleFuture_Cancel() {
	ctx := context.Background()
	started := make(chan bool, 1)
	p, err := pool.New(ctx, pool.WithWorkers(1),
		pool.WithOnReport(func(worker.TaskInfo, worker.Raw) { started <- true }))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	future := pool.Go(ctx, p, wait, struct{}{})
	<-started
	future.Cancel()
	_, err = future.Wait(ctx)
	fmt.Println(errors.Is(err, context.Canceled))
	// Output: true
}

// One function serves as Python's callback and error_callback.
func ExampleFuture_OnDone() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	for _, text := range []string{"42", "x"} {
		future := pool.Go(ctx, p, parse, text)
		future.OnDone(func(n int, err error) {
			fmt.Println(n, errors.Unwrap(err))
		})
		<-future.Done() // closes after the functions have returned
	}
	// Output:
	// 42 <nil>
	// 0 strconv.Atoi: parsing "x": invalid syntax
}

func ExampleAsCompleted() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	var futures []*pool.Future[int]
	for n := range 5 {
		futures = append(futures, pool.Go(ctx, p, square, n))
	}
	var squares []int
	for future := range pool.AsCompleted(ctx, futures...) {
		n, _ := future.Wait(ctx)
		squares = append(squares, n)
	}
	slices.Sort(squares)
	fmt.Println(squares)
	// Output: [0 1 4 9 16]
}
