//go:build unix

package monitor

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/procpool/procpool/pool"
)

// BenchmarkMonitor is what it costs to be watched: a Stream of tiny tasks and single calls, in a pool that has no Handler (off), that has one at which nobody looks (attached), and
// whose events somebody reads (watched). The three take turns, so that what else the machine does hits all of them alike; each reports the median of
// its turns: tasks per second, and the CPU time of parent and workers for a task, which is steadier where the machine is busy.
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
		name   string
		speeds []float64
		cpu    []float64 // nanoseconds for a task
		begin  func() (end func())
	}
	nothing := func() func() { return func() {} }
	turns := []*turn{{name: "off", begin: nothing}, {name: "attached", begin: nothing}, {name: "watched", begin: func() func() { return watchFrom(b, attached.URL) }}}
	work(b, p)
	first := 0
	for b.Loop() {
		for i := range turns {
			t := turns[(first+i)%len(turns)]
			end := t.begin()
			tasks, began, spent := 0, time.Now(), cpuTime(b, p)
			for time.Since(began) < turnTime {
				tasks += work(b, p)
			}
			t.speeds = append(t.speeds, float64(tasks)/time.Since(began).Seconds())
			t.cpu = append(t.cpu, float64(cpuTime(b, p)-spent)/float64(tasks))
			end()
		}
		first++
	}
	b.StopTimer()
	for _, t := range turns {
		b.ReportMetric(median(t.speeds), t.name+"-tasks/s")
		b.ReportMetric(median(t.cpu), t.name+"-cpu-ns")
		if t != turns[0] {
			b.ReportMetric(100*(median(t.cpu)/median(turns[0].cpu)-1), t.name+"-cost-%")
		}
	}
}

// cpuTime is what parent and workers have used.
func cpuTime(b *testing.B, p *pool.Pool) time.Duration {
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		b.Fatal(err)
	}
	sum := time.Duration(own.Utime.Nano() + own.Stime.Nano())
	for _, w := range p.Workers() {
		sum += w.CPU
	}
	return sum
}

func median(speeds []float64) float64 {
	slices.Sort(speeds)
	return speeds[len(speeds)/2]
}

// turnTime is as long as it takes to see some of the snapshots that come each second.
const turnTime = 1500 * time.Millisecond

// BenchmarkSnapshot is what one look at a pool costs, the JSON included: once a second where anybody watches.
func BenchmarkSnapshot(b *testing.B) {
	for _, workers := range []int{2, 16} {
		b.Run("workers="+strconv.Itoa(workers), func(b *testing.B) {
			p, err := pool.New(b.Context(), pool.WithWorkers(workers), pool.WithLogger(hclog.NewNullLogger()))
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			streamABit(b, p)
			c := newCollector(of(p), true)
			b.ReportAllocs()
			for b.Loop() {
				c.mu.Lock()
				c.lookLocked(0)
				_ = encode(c.last)
				c.mu.Unlock()
			}
		})
	}
}

// watchFrom reads events, as a page does.
func watchFrom(b *testing.B, url string) (end func()) {
	answer, err := http.Get(url + "/events") //nolint:bodyclose // by end
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
