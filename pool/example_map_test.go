package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strconv"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

func ExampleMap() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	squares, err := pool.Map(ctx, p, square, []int{1, 2, 3, 4, 5})
	fmt.Println(squares, err) // squares[i] belongs to args[i]
	// Output: [1 4 9 16 25] <nil>
}

// Python's starmap: a function of several arguments.
func ExampleMap_twoArguments() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	powers, err := pool.Map(ctx, p, power, []worker.Args2[int, int]{
		worker.Pack2(2, 8), worker.Pack2(3, 4), worker.Pack2(10, 3),
	})
	fmt.Println(powers, err)
	// Output: [256 81 1000] <nil>
}

// Every item runs even if some fail. Their results are zero values, and the error
// names them.
func ExampleMap_someFail() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	numbers, err := pool.Map(ctx, p, parse, []string{"1", "two", "3", "four"})
	fmt.Println(numbers)
	if failed, ok := errors.AsType[pool.Errors](err); ok {
		for _, e := range failed {
			fmt.Printf("item %d: %v\n", e.Index, e.Err)
		}
	}
	fmt.Println(errors.Is(err, strconv.ErrSyntax))
	// Output:
	// [1 0 3 0]
	// item 1: strconv.Atoi: parsing "two": invalid syntax
	// item 3: strconv.Atoi: parsing "four": invalid syntax
	// true
}

// A worker that dies takes one item along. The others are not harmed, not even
// those that travelled in the same batch.
func ExampleMap_crash() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	results, err := pool.Map(ctx, p, exit, []int{0, 0, 3, 0, 0, 0})
	fmt.Println(len(results), "results")
	if failed, ok := errors.AsType[pool.Errors](err); ok {
		for _, e := range failed {
			fmt.Printf("item %d: %v\n", e.Index, e.Err)
		}
	}
	// Output:
	// 6 results
	// item 2: exit status 3: fatal: cannot go on
}

func ExampleGoMap() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	future := pool.GoMap(ctx, p, square, []int{1, 2, 3})
	fmt.Println("something else meanwhile")
	squares, err := future.Wait(ctx)
	fmt.Println(squares, err)
	// Output:
	// something else meanwhile
	// [1 4 9] <nil>
}

func ExampleFailFast() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	_, err = pool.Map(ctx, p, parse, []string{"one", "2", "3"}, pool.FailFast())
	failed, _ := errors.AsType[pool.Errors](err)
	fmt.Println(len(failed), "failed by itself:", failed[0].Err)
	// Output: 1 failed by itself: strconv.Atoi: parsing "one": invalid syntax
}

// Chunk decides how many tasks travel together. Without it the pool finds out
// what is best; there is rarely a reason to use it.
func ExampleChunk() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	squares, err := pool.Map(ctx, p, square, []int{1, 2, 3, 4}, pool.Chunk(1))
	fmt.Println(squares, err)
	// Output: [1 4 9 16] <nil>
}

func ExampleProgress() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	var last string // a progress bar would print each
	_, err = pool.Map(ctx, p, parse, []string{"1", "2", "x", "4"}, pool.Progress(func(done, failed, total int) {
		last = fmt.Sprintf("%d of %d done, %d failed", done, total, failed)
	}))
	fmt.Println(last, err != nil)
	// Output: 4 of 4 done, 1 failed true
}
