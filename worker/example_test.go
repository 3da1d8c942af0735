package worker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/procpool/procpool/internal/syncbuf"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

var square = worker.Register("example.square", func(_ context.Context, n int) (int, error) { return n * n, nil })

func ExampleRegister() {
	p, err := pool.New(context.Background(), pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	fmt.Println(pool.Call(context.Background(), p, square, 12))
	// Output: 144 <nil>
}

var join = worker.Register2("example.join", func(_ context.Context, word string, times int) (string, error) {
	out := ""
	for range times {
		out += word
	}
	return out, nil
})

func ExampleRegister2() {
	p, err := pool.New(context.Background(), pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	fmt.Println(pool.Map(context.Background(), p, join, []worker.Args2[string, int]{
		worker.Pack2("ab", 2), worker.Pack2("-", 5),
	}))
	// Output: [abab -----] <nil>
}

var between = worker.Register3("example.between", func(_ context.Context, low, n, high int) (bool, error) {
	return low <= n && n <= high, nil
})

func ExampleRegister3() {
	p, err := pool.New(context.Background(), pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	fmt.Println(pool.Call(context.Background(), p, between, worker.Pack3(1, 5, 9)))
	// Output: true <nil>
}

var errEmpty = errors.New("empty")

var _ = func() (none struct{}) {
	worker.RegisterError("example.empty", errEmpty)
	return none
}()

var first = worker.Register("example.first", func(_ context.Context, words []string) (string, error) {
	if len(words) == 0 {
		return "", fmt.Errorf("first: %w", errEmpty)
	}
	return words[0], nil
})

func ExampleRegisterError() {
	p, err := pool.New(context.Background(), pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	_, err = pool.Call(context.Background(), p, first, nil)
	fmt.Println(errors.Is(err, errEmpty))
	// Output: true
}

var describe = worker.Register("example.describe", func(ctx context.Context, _ string) (string, error) {
	info := worker.Info(ctx)
	return fmt.Sprintf("%s, item %d, slot %d, attempt %d", info.Func, info.Index, info.Slot, info.Attempt), nil
})

func ExampleInfo() {
	p, err := pool.New(context.Background(), pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	lines, err := pool.Map(context.Background(), p, describe, []string{"a", "b"})
	fmt.Println(lines[1], err)
	// Output: example.describe, item 1, slot 0, attempt 1 <nil>
}

var count = worker.Register("example.count", func(ctx context.Context, n int) (int, error) {
	for i := range n {
		worker.Report(ctx, i+1)
	}
	return n, nil
})

func ExampleReport() {
	done := make(chan int, 3)
	p, err := pool.New(context.Background(), pool.WithWorkers(1), pool.WithOnReport(func(info worker.TaskInfo, value worker.Raw) {
		var n int
		if value.Decode(&n) == nil && info.Func == "example.count" {
			done <- n
		}
	}))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	_, err = pool.Call(context.Background(), p, count, 3)
	fmt.Println(<-done, <-done, <-done, err)
	// Output: 1 2 3 <nil>
}

var render = worker.Register("example.render", func(_ context.Context, size int) (worker.Blob, error) {
	return worker.NewBlob(bytes.Repeat([]byte("."), size))
})

var measure = worker.Register("example.measure", func(_ context.Context, picture worker.Blob) (int, error) {
	data, err := picture.Bytes()
	return bytes.Count(data, []byte(".")), err
})

func ExampleNewBlob() {
	p, err := pool.New(context.Background(), pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	picture, err := pool.Call(context.Background(), p, render, 10<<20)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer picture.Release()
	fmt.Println(pool.Call(context.Background(), p, measure, picture)) // the 10 MiB went through no pipe
	// Output: 10485760 <nil>
}

var greet = worker.Register("example.greet", func(ctx context.Context, name string) (int, error) {
	worker.Logger(ctx).Info("greeting", "name", name)
	return len(name), nil
})

func ExampleLogger() {
	var out syncbuf.Buffer
	p, err := pool.New(context.Background(), pool.WithWorkers(1), pool.WithLogger(hclog.New(&hclog.LoggerOptions{Output: &out})))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := pool.Call(context.Background(), p, greet, "Ada"); err != nil {
		log.Fatal(err)
	}
	if err := p.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
	_, record, _ := strings.Cut(out.String(), " ") // the time comes first
	fmt.Println(record[:len("[INFO]  greeting: name=Ada")])
	// Output: [INFO]  greeting: name=Ada
}
