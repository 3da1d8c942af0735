package monitor_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/monitor"
	"github.com/procpool/procpool/worker"
)

var double = worker.Register("double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })

// The page of a pool is a part of a server that there is anyway. TestMain calls worker.Main.
func ExampleHandler() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2), pool.WithName("doubles"))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	mux := http.NewServeMux()
	mux.Handle("/pool/", http.StripPrefix("/pool", monitor.Handler(p)))
	server := httptest.NewServer(mux) // or http.ListenAndServe("localhost:8080", mux)
	defer server.Close()

	if _, err := pool.Map(ctx, p, double, []int{1, 2, 3}); err != nil {
		log.Fatal(err)
	}
	answer, err := http.Get(server.URL + "/pool/metrics")
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "procpool_tasks_total") {
			fmt.Print(line)
		}
	}
	// Output:
	// procpool_tasks_total{pool="doubles",result="cancelled"} 0
	// procpool_tasks_total{pool="doubles",result="completed"} 3
	// procpool_tasks_total{pool="doubles",result="failed"} 0
}

// A registry of the program's own takes the pool's metrics too.
func ExampleCollector() {
	p, err := pool.New(context.Background(), pool.WithWorkers(2), pool.WithName("doubles"))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	registry := prometheus.NewRegistry() // or prometheus.DefaultRegisterer
	registry.MustRegister(monitor.Collector(p))
	families, err := registry.Gather()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(families[0].GetName())
	// Output: procpool_decode_seconds_total
}
