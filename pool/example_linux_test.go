package pool_test

import (
	"context"
	"fmt"
	"log"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

var (
	cpus = worker.Register("example.cpus", func(context.Context, struct{}) (int, error) {
		return runtime.NumCPU(), nil
	})

	nice = worker.Register("example.nice", func(context.Context, struct{}) (int, error) {
		n, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
		return 20 - n, err // the kernel's way to have no negative results
	})
)

func ExampleWithCPUAffinity() {
	ctx := context.Background()
	var ours unix.CPUSet
	if err := unix.SchedGetaffinity(0, &ours); err != nil {
		log.Fatal(err)
	}
	first := 0
	for !ours.IsSet(first) {
		first++
	}
	p, err := pool.New(ctx, pool.WithWorkers(2), pool.WithCPUAffinity([]int{first}))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	n, err := pool.Call(ctx, p, cpus, struct{}{})
	fmt.Println("the workers share", n, "CPU", err)
	// Output: the workers share 1 CPU <nil>
}

func ExampleWithNice() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1), pool.WithNice(19))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	n, err := pool.Call(ctx, p, nice, struct{}{})
	fmt.Println(n, err)
	// Output: 19 <nil>
}
