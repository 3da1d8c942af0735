package pool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

func ExampleWithWorkers() {
	p, err := pool.New(context.Background(), pool.WithWorkers(4))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	fmt.Println(p.Stats().Workers)
	// Output: 4
}

// A breakpoint in the function works, and nothing is started.
func ExampleWithInline() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithInline())
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	where, err := pool.Call(ctx, p, pid, struct{}{})
	fmt.Println("in this process:", where == os.Getpid(), err)
	// Output: in this process: true <nil>
}

// Each worker loads what its tasks need once.
func ExampleWithInitializer() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2),
		pool.WithInitializer(loadTable, []string{"zero", "one", "two"}))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	numbers, err := pool.Map(ctx, p, lookUp, []string{"two", "one", "zero"})
	fmt.Println(numbers, err)
	// Output: [2 1 0] <nil>
}

func ExampleWithFinalizer() {
	ctx := context.Background()
	var out bytes.Buffer
	p, err := pool.New(ctx, pool.WithWorkers(1),
		pool.WithFinalizer(sayGoodbye, "temporary files removed"),
		pool.WithStdout(&out))
	if err != nil {
		log.Fatal(err)
	}
	err = p.Shutdown(ctx) // Close would run no finalizer
	fmt.Print(out.String(), err)
	// Output:
	// temporary files removed
	// <nil>
}

// What tasks print comes out line by line, whichever process they run in.
func ExampleWithStdout() {
	ctx := context.Background()
	var out bytes.Buffer
	p, err := pool.New(ctx, pool.WithWorkers(2), pool.WithStdout(&out))
	if err != nil {
		log.Fatal(err)
	}
	pool.Map(ctx, p, hello, []string{"Ada", "Grace", "Barbara"})
	p.Shutdown(ctx) // all is delivered before it returns

	greetings := strings.Split(strings.TrimSpace(out.String()), "\n")
	slices.Sort(greetings)
	fmt.Println(strings.Join(greetings, "\n"))
	// Output:
	// hello, Ada
	// hello, Barbara
	// hello, Grace
}

func ExampleWithStderr() {
	ctx := context.Background()
	var out bytes.Buffer
	p, err := pool.New(ctx, pool.WithWorkers(1), pool.WithStderr(&out))
	if err != nil {
		log.Fatal(err)
	}
	pool.Call(ctx, p, complain, "low on memory")
	p.Shutdown(ctx)

	fmt.Print(out.String())
	// Output: warning: low on memory
}

func ExampleWithEnv() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1), pool.WithEnv("MODE=batch", "LANG=C"))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	mode, err := pool.Call(ctx, p, getenv, "MODE")
	fmt.Println(mode, err)
	// Output: batch <nil>
}

// A worker that is to see no secrets gets no environment but what it needs.
func ExampleWithCleanEnv() {
	ctx := context.Background()
	os.Setenv("EXAMPLE_TOKEN", "secret")
	defer os.Unsetenv("EXAMPLE_TOKEN")
	p, err := pool.New(ctx, pool.WithWorkers(1), pool.WithCleanEnv(), pool.WithEnv("MODE=batch"))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	values, err := pool.Map(ctx, p, getenv, []string{"EXAMPLE_TOKEN", "MODE"})
	fmt.Printf("%q %v\n", values, err)
	// Output: ["" "batch"] <nil>
}

func ExampleWithDir() {
	ctx := context.Background()
	dir, _ := filepath.EvalSymlinks(os.TempDir())
	p, err := pool.New(ctx, pool.WithWorkers(1), pool.WithDir(dir))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	wd, err := pool.Call(ctx, p, getwd, struct{}{})
	fmt.Println(wd == dir, err)
	// Output: true <nil>
}

// Where a library leaks, renew the process now and then.
func ExampleWithMaxTasksPerWorker() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1),
		pool.WithMaxTasksPerWorker(2), pool.WithRecycleJitter(0))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	for range 5 { // each process counts its own tasks
		n, err := pool.Call(ctx, p, count, struct{}{})
		fmt.Println(n, err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 1 <nil>
	// 2 <nil>
	// 1 <nil>
}

// What a process gathers over time, it gathers no longer than this.
func ExampleWithMaxWorkerAge() {
	ctx := context.Background()
	exits := make(chan pool.WorkerExit, 10)
	p, err := pool.New(ctx, pool.WithWorkers(1), pool.WithMaxWorkerAge(time.Second),
		pool.WithOnExit(func(e pool.WorkerExit) { exits <- e }))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	e := <-exits
	n, err := pool.Call(ctx, p, square, 2) // in the next process
	fmt.Println(e.Reason, n, err)
	// Output: retired 4 <nil>
}

// Workers that nobody needs go, and come back when there is work.
func ExampleWithIdleTimeout() {
	ctx := context.Background()
	exits := make(chan pool.ExitReason, 10)
	p, err := pool.New(ctx, pool.WithWorkers(2), pool.WithIdleTimeout(0, 10*time.Millisecond),
		pool.WithOnExit(func(e pool.WorkerExit) { exits <- e.Reason }))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	fmt.Println(<-exits)
	fmt.Println(<-exits)
	n, err := pool.Call(ctx, p, square, 6)
	fmt.Println(n, err)
	// Output:
	// idle
	// idle
	// 36 <nil>
}

// A cancelled task that does not listen is killed after the grace.
func ExampleWithStopGrace() {
	ctx := context.Background()
	started := make(chan bool, 1)
	p, err := pool.New(ctx, pool.WithWorkers(1), pool.WithStopGrace(10*time.Millisecond),
		pool.WithOnReport(func(worker.TaskInfo, worker.Raw) { started <- true }))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	future := pool.Go(ctx, p, nap, time.Hour)
	<-started
	future.Cancel()
	_, err = future.Wait(ctx)
	fmt.Println("cancelled:", errors.Is(err, context.Canceled))

	n, err := pool.Call(ctx, p, square, 8) // in the next process
	fmt.Println(n, err)
	// Output:
	// cancelled: true
	// 64 <nil>
}

// A worker that hangs while it starts is not waited for.
func ExampleWithStartTimeout() {
	ctx := context.Background()
	_, err := pool.New(ctx, pool.WithWorkers(1), pool.WithStartTimeout(time.Second),
		pool.WithInitializer(nap, time.Hour))
	failed, _ := errors.AsType[*pool.StartError](err)
	fmt.Println(failed.Stage)
	// Output: init
}

// Beyond the queue's size a call waits for room, as long as its context allows.
func ExampleWithQueueSize() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1), pool.WithQueueSize(10))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	impatient, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	for n := 0; err == nil; n++ {
		future := pool.Go(impatient, p, wait, struct{}{}) // none of them ends by itself
		select {
		case <-future.Done():
			_, err = future.Wait(ctx)
		default:
		}
	}
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output: true
}

// Functions that use goroutines for speed want more than two threads.
func ExampleWithWorkerProcs() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1), pool.WithWorkerProcs(4))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	n, err := pool.Call(ctx, p, maxProcs, struct{}{})
	fmt.Println(n, err)
	// Output: 4 <nil>
}

// Another program that calls worker.Main, or speaks the protocol of package
// wire. Its functions are known by name.
func ExampleWithCommand() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1), pool.WithCommand(os.Args[0]))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	theirs := worker.Named[int, int]("example.square")
	n, err := pool.Call(ctx, p, theirs, 11)
	fmt.Println(n, err)
	// Output: 121 <nil>
}

// Every process that ends is accounted for.
func ExampleWithOnExit() {
	ctx := context.Background()
	exits := make(chan pool.WorkerExit, 2)
	p, err := pool.New(ctx, pool.WithWorkers(1),
		pool.WithOnExit(func(e pool.WorkerExit) { exits <- e }))
	if err != nil {
		log.Fatal(err)
	}
	pool.Call(ctx, p, exit, 1)
	pool.Call(ctx, p, square, 1)
	p.Shutdown(ctx)

	for range 2 {
		e := <-exits
		fmt.Printf("slot %d: %s (%v)\n", e.Slot, e.Reason, e.State)
	}
	// Output:
	// slot 0: exit (exit status 1)
	// slot 0: stopped (exit status 0)
}

// A task says how far it is by worker.Report.
func ExampleWithOnReport() {
	ctx := context.Background()
	reports := make(chan string, 3)
	p, err := pool.New(ctx, pool.WithWorkers(1),
		pool.WithOnReport(func(task worker.TaskInfo, progress worker.Raw) {
			var text string
			if err := progress.Decode(&text); err == nil {
				reports <- task.Func + ": " + text
			}
		}))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	pool.Go(ctx, p, copySteps, 3)
	for range 3 {
		fmt.Println(<-reports)
	}
	// Output:
	// example.copySteps: step 1 of 3
	// example.copySteps: step 2 of 3
	// example.copySteps: step 3 of 3
}

// The records of worker.Logger arrive at the pool's logger, with the task they
// belong to.
func ExampleWithLogger() {
	ctx := context.Background()
	var out bytes.Buffer
	logger := hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Info, DisableTime: true})
	p, err := pool.New(ctx, pool.WithWorkers(1), pool.WithLogger(logger))
	if err != nil {
		log.Fatal(err)
	}
	pool.Call(ctx, p, logged, "input.txt")
	p.Shutdown(ctx)

	record := out.String()
	fmt.Println(strings.Contains(record, "reading"), strings.Contains(record, "file=input.txt"),
		strings.Contains(record, "func=example.logged"))
	// Output: true true true
}

func ExampleWithName() {
	ctx := context.Background()
	var out bytes.Buffer
	logger := hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Debug, DisableTime: true})
	p, err := pool.New(ctx, pool.WithWorkers(1), pool.WithName("thumbnails"), pool.WithLogger(logger))
	if err != nil {
		log.Fatal(err)
	}
	p.Shutdown(ctx)

	fmt.Println(strings.Contains(out.String(), "thumbnails"))
	// Output: true
}

func ExampleWithMaxPayload() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1), pool.WithMaxPayload(1000))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	_, err = pool.Call(ctx, p, parse, strings.Repeat("1", 2000))
	e, _ := errors.AsType[*pool.EncodeError](err)
	fmt.Println("refused in the", e.Side)
	// Output: refused in the parent
}

// Tasks with the same key meet in the same process, and find there what the earlier
// ones left.
func ExampleKey() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(3))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	for range 3 {
		n, err := pool.Call(ctx, p, count, struct{}{}, pool.Key("customer 4711"))
		fmt.Println(n, err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 3 <nil>
}

// What has a higher priority overtakes what waits.
func ExamplePriority() {
	ctx := context.Background()
	started := make(chan bool, 1)
	var out bytes.Buffer
	p, err := pool.New(ctx, pool.WithWorkers(1), pool.WithStdout(&out),
		pool.WithOnReport(func(worker.TaskInfo, worker.Raw) { started <- true }))
	if err != nil {
		log.Fatal(err)
	}
	busy := pool.Go(ctx, p, wait, struct{}{})
	<-started
	pool.Go(ctx, p, hello, "patient one")
	pool.Go(ctx, p, hello, "urgent one", pool.Priority(1))
	busy.Cancel()
	p.Shutdown(ctx)

	fmt.Print(out.String())
	// Output:
	// hello, urgent one
	// hello, patient one
}
