package monitor

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/procpool/procpool/pool"
)

// BenchmarkMonitor is what it costs to be watched: a Stream of tiny tasks and single calls, in a pool that has no Handler (off), that has one at which nobody looks (attached), and
// whose events somebody reads (watched). The three take turns every two seconds, so that what else the machine does hits all of them alike; each reports its
// tasks per second.
func BenchmarkMonitor(b *testing.B) {
	for name, work := range map[string]func(*testing.B, *pool.Pool) int{"stream": streamABit, "call": callABit} {
		b.Run(name, func(b *testing.B) { benchTurns(b, work) })
	}
}

func benchTurns(b *testing.B, work func(*testing.B, *pool.Pool) int) {
	p, err := pool.New(b.Context(), pool.WithWorkers(2), pool.WithLogger(hclog.NewNullLogger()))
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	attached := httptest.NewServer(Handler(p))
	defer attached.Close()
	type turn struct {
		name  string
		tasks int
		took  time.Duration
		begin func() (end func())
	}
	nothing := func() func() { return func() {} }
	turns := []*turn{{name: "off", begin: nothing}, {name: "attached", begin: nothing}, {name: "watched", begin: func() func() { return watchFrom(b, attached.URL) }}}
	work(b, p)
	for b.Loop() {
		for i := range turns {
			t := turns[(i+b.N)%len(turns)]
			end := t.begin()
			began := time.Now()
			for time.Since(began) < turnTime {
				t.tasks += work(b, p)
			}
			t.took += time.Since(began)
			end()
		}
	}
	b.StopTimer()
	off := float64(turns[0].tasks) / turns[0].took.Seconds()
	for _, t := range turns {
		speed := float64(t.tasks) / t.took.Seconds()
		b.ReportMetric(speed, t.name+"-tasks/s")
		if t != turns[0] {
			b.ReportMetric(100*(1-speed/off), t.name+"-cost-%")
		}
	}
}

// turnTime is as long as it takes to see some of the snapshots that come each second.
const turnTime = 2 * time.Second

// watchFrom reads events, as a page does.
func watchFrom(b *testing.B, url string) (end func()) {
	answer, err := http.Get(url + "/events")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, answer.Body)
	}()
	return func() {
		_ = answer.Body.Close()
		<-done
	}
}

func streamABit(b *testing.B, p *pool.Pool) int {
	const n = 100_000
	got := 0
	for _, err := range pool.StreamUnordered(b.Context(), p, trial, func(yield func(int) bool) {
		for range n {
			if !yield(1) {
				return
			}
		}
	}) {
		if err != nil {
			b.Fatal(err)
		}
		got++
	}
	return got
}

func callABit(b *testing.B, p *pool.Pool) int {
	const n = 500
	for range n {
		if _, err := pool.Call(b.Context(), p, trial, 1); err != nil {
			b.Fatal(err)
		}
	}
	return n
}
