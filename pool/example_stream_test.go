package pool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"iter"
	"log"
	"slices"
	"strings"

	"github.com/procpool/procpool/pool"
)

// Results come in the order of the inputs, each as soon as it is its turn.
func ExampleStream() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	for n, err := range pool.Stream(ctx, p, parse, strings.SplitSeq("1,2,three,4", ",")) {
		if err != nil {
			fmt.Println("skipped:", errors.Unwrap(err)) // one item's failure; the others follow
			continue
		}
		fmt.Println(n)
	}
	// Output:
	// 1
	// 2
	// skipped: strconv.Atoi: parsing "three": invalid syntax
	// 4
}

// An endless input is read no further than needed.
func ExampleStream_endless() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	numbers := func(yield func(int) bool) {
		for n := 1; yield(n); n++ {
		}
	}
	for n, err := range pool.Stream(ctx, p, square, numbers) {
		if err != nil || n > 30 {
			break // leaves nothing behind
		}
		fmt.Print(n, " ")
	}
	// Output: 1 4 9 16 25
}

func ExampleStreamUnordered() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	sum := 0
	for n, err := range pool.StreamUnordered(ctx, p, square, slices.Values([]int{1, 2, 3, 4})) {
		if err != nil {
			log.Fatal(err)
		}
		sum += n // as they finish, in any order
	}
	fmt.Println(sum)
	// Output: 30
}

// Results yields everything that is known of each task, as they finish.
func ExampleResults() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	words := []string{"7", "eight", "9"}
	var lines []string
	for r := range pool.Results(ctx, p, parse, slices.Values(words)) {
		lines = append(lines, fmt.Sprintf("%d: %s -> %d (attempt %d, failed: %t)",
			r.Index, words[r.Index], r.Value, r.Attempt, r.Err != nil))
	}
	slices.Sort(lines)
	fmt.Println(strings.Join(lines, "\n"))
	// Output:
	// 0: 7 -> 7 (attempt 1, failed: false)
	// 1: eight -> 0 (attempt 1, failed: true)
	// 2: 9 -> 9 (attempt 1, failed: false)
}

func ExampleWindow() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	read := 0
	input := func(yield func(int) bool) {
		for read = 1; read <= 1000 && yield(read); read++ {
		}
	}
	for n := range pool.Stream(ctx, p, square, input, pool.Window(3)) {
		fmt.Println("first result:", n)
		break
	}
	fmt.Println("read no more than the window and the next:", read <= 4)
	// Output:
	// first result: 1
	// read no more than the window and the next: true
}

// A channel is an input too.
func ExampleRecv() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	numbers := make(chan int)
	go func() {
		defer close(numbers)
		for n := range 4 {
			numbers <- n
		}
	}()
	for n, err := range pool.Stream(ctx, p, square, pool.Recv(ctx, numbers)) {
		fmt.Print(n, " ", err, "; ")
	}
	// Output: 0 <nil>; 1 <nil>; 4 <nil>; 9 <nil>;
}

// lines is an input that can fail: reading a file may.
func lines(text string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		scan := bufio.NewScanner(strings.NewReader(text))
		scan.Buffer(nil, 8)
		for scan.Scan() {
			if !yield(scan.Text(), nil) {
				return
			}
		}
		if err := scan.Err(); err != nil {
			yield("", err)
		}
	}
}

// An input's own error ends the stream, and comes last.
func ExampleChecked() {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	p, err := pool.New(ctx, pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	input := pool.Checked(lines("1\n2\na line that is too long\n4"), cancel)
	for _, err = range pool.Stream(ctx, p, parse, input) {
	}
	fmt.Println(errors.Is(err, bufio.ErrTooLong))
	// Output: true
}
