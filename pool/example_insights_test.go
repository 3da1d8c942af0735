package pool_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/procpool/procpool/pool"
)

// Where the time of a pool goes, while it works or when it has.
func ExamplePool_Insights() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2), pool.WithInsights())
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	naps := []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 10 * time.Millisecond}
	if _, err := pool.Map(ctx, p, nap, naps); err != nil {
		log.Fatal(err)
	}

	in := p.Insights()
	for _, f := range in.Functions {
		fmt.Println(f.Func, "ran", f.Tasks, "times, all in all", f.Exec.Round(10*time.Millisecond) >= 70*time.Millisecond)
		fmt.Println("half of them took less than the longest:", f.Run.P50 < f.Run.Max)
	}
	slowest := in.Slowest[0]
	fmt.Println("the slowest:", slowest.Func, slowest.Index, slowest.Arg)
	for _, w := range in.Workers {
		fmt.Println("worker", w.Slot, "has worked:", w.Working > 0)
	}
	// Output:
	// example.nap ran 3 times, all in all true
	// half of them took less than the longest: true
	// the slowest: example.nap 1 50000000
	// worker 0 has worked: true
	// worker 1 has worked: true
}

// A monitor looks closely while somebody looks at it.
func ExamplePool_Observe() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	stop := p.Observe()
	if _, err := pool.Call(ctx, p, square, 12); err != nil {
		log.Fatal(err)
	}
	stop()

	f := p.Insights().Functions[0]
	fmt.Println(f.Func, "was sampled:", f.Samples > 0, f.Stages.Total() > 0)
	// Output: example.square was sampled: true true
}
